"""How another person comes into a call to play the customer: by a code from its trainee."""

from __future__ import annotations

import secrets
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from api import consenting
from api.call import Call, Invitation, Partner
from api.identity import Identity
from api.keep import Keep
from api.problems import Problem
from api.views import ConsentView
from signaling.company import Person
from signaling.grant import token_digest

INVITED_FOR = timedelta(hours=4)
NOT_READY_RETRY_S = 2


class Partners:
    """`calls` are those held in memory, by id. Lives on the media loop."""

    def __init__(self, keep: Keep, calls: dict[str, Call]) -> None:
        self._keep = keep
        self._calls = calls

    def invite(self, call: Call) -> Invitation:
        """A new code in the place of the one before. 409 for a call that is over."""
        if call.is_erased or (call.room is not None and call.room.is_over):
            raise Problem(409, "This call is over; invite somebody to the next one.")
        code = secrets.token_urlsafe(16)
        call.invitation = Invitation(code, datetime.now(UTC) + INVITED_FOR)
        return call.invitation

    def find(self, dealership_id: str, code: str) -> Call:
        """The call that `code` invites to. 404 for none, of which an expired one is no exception;
        409 before its trainee has said whether it is recorded."""
        for call in self._calls.values():
            invitation = call.invitation
            if (
                call.owner.dealership_id == dealership_id
                and invitation is not None
                and secrets.compare_digest(invitation.code.encode(), code.encode())
                and invitation.expires_at > datetime.now(UTC)
                and not (call.is_erased or (call.room is not None and call.room.is_over))
            ):
                break
        else:
            raise Problem(404, "This invitation holds no longer. Ask for a new link.")
        if call.consent is None:
            raise Problem(
                409,
                "Whoever invites you is still getting ready. Try again in a moment.",
                headers={"Retry-After": str(NOT_READY_RETRY_S)},
            )
        return call

    async def join(self, call: Call, identity: Identity, name: str, consent: ConsentView) -> str:
        """Make `identity` the call's partner; returns what they show to publish, and to come back.

        409 for its own trainee, where somebody else has the place, and where the call is recorded
        and they do not want to be. Raises `StoreError`.
        """
        if identity.user_id == call.owner.user_id:
            raise Problem(409, "This is your own call; somebody else has to play the customer.")
        async with call.publishing:
            taken = call.partner is not None and call.partner.person.id != identity.user_id
            if taken:
                raise Problem(409, "Somebody else plays the customer in this call already.")
            assert call.consent is not None
            if call.consent.recording and not consent.recording:
                raise Problem(
                    409,
                    "This call is recorded. Agree to be recorded, or ask for a call that is not.",
                    code="recording_refused",
                )
            await consenting.give(self._keep, call, consent, identity.user_id)
            dealership_id = call.owner.dealership_id
            await self._keep.store.sessions.change(
                dealership_id, call.id, lambda _: {"partner_id": identity.user_id}
            )
            token = secrets.token_urlsafe(32)
            person = Person(identity.user_id, name)
            partner = Partner(person, identity.family, consent.recording, token_digest(token))
            call.partner = partner
            if call.room is not None:
                call.room.company.expect(partner.person, partner.digest)
                call.room.session.record("partner", **partner.to_json())
        return token

    def present(self) -> list[tuple[str, Partner]]:
        """Those who may be in a call now, each with the dealership."""
        return [
            (call.owner.dealership_id, call.partner)
            for call in self._calls.values()
            if call.partner is not None and call.partner.digest
        ]

    def revoke(self, *, user_id: str | None, family: str | None) -> int:
        """Send away at once whoever plays the customer by this person, or sign-in."""
        count = 0
        for call in self._calls.values():
            partner = call.partner
            if (
                partner is not None
                and user_id in (None, partner.person.id)
                and family in (None, partner.family)
            ):
                # Nothing has this digest.
                call.partner = replace(partner, digest=b"")
                if call.room is not None:
                    call.room.company.dismiss()
                count += 1
        return count
