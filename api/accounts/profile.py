"""What a person is called and can be reached by: sealed with a key of their own."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, StringConstraints

from api.accounts.vault import Vault
from api.store.documents import User
from api.store.rewrapping import place
from engine.events import Wire

# Stripped after it was measured, so that what is taken is what the description says.
Name = Annotated[str, StringConstraints(max_length=80), AfterValidator(str.strip)]
Phone = Annotated[
    str,
    StringConstraints(max_length=40, pattern=r"^[0-9+()./ x-]*$"),
    AfterValidator(str.strip),
]


class Profile(Wire):
    """`dealership` is for display alone."""

    first_name: Name = ""
    last_name: Name = ""
    phone: Phone = ""
    dealership: Name = ""

    @property
    def full_name(self) -> str:
        return f"{self.first_name} {self.last_name}".strip()


class Profiles:
    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    def of(self, user: User) -> Profile:
        """An empty one where there is none. Raises `WrongKey` or `Damaged`."""
        key = self._vault.key_of(user)
        if key is None or user.profile is None:
            return Profile()
        return Profile.model_validate_json(key.open(user.profile, place=_place(user)))

    def sealed(self, user: User, profile: Profile) -> str:
        """What to store in `user.profile`. Raises `LookupError` for a person without a key."""
        key = self._vault.key_of(user)
        if key is None:
            raise LookupError(f"{user.id} has no data key")
        return key.seal(profile.model_dump_json(by_alias=True).encode(), place=_place(user))

    def name(self, user: User) -> str:
        """What to call the person in a mail."""
        return self.of(user).full_name or user.email.partition("@")[0]


def _place(user: User) -> str:
    return f"{place(user)}:profile"
