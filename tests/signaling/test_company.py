"""Who hears whom, and what is kept of it: real ICE, DTLS and SRTP between everybody."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import av
import pytest

from signaling.company import Person, SeatsTaken
from signaling.grant import token_digest
from signaling.ice import IceSettings
from signaling.recorder import Recorder, Writer
from signaling.room import Busy
from signaling.whep import Listener, NoMicrophone
from tests.signaling.calling import until
from tests.signaling.listening import ListeningClient
from tests.signaling.party import Party
from tests.signaling.stage import TOKEN, Stage

pytestmark = pytest.mark.slow

PARTNERS = "the partner's token"
PAUL = Person("b" * 24, "Paul Partner")


class Meeting:
    """A trainee in a room, and whoever joins them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.writer = Writer()
        self.writer.start()
        self.stage = Stage(recorder_of=lambda track: Recorder(self.writer, folder / f"{track}.ogg"))
        self.room = self.stage.room
        self.parties: list[Party] = []

    async def trainee(self) -> Party:
        party = self._party(1)
        await party.connect(lambda offer: self.room.publish(offer, TOKEN))
        await until(lambda: self.room.session.state == "active")
        return party

    async def partner(self, seed: int = 2) -> Party:
        self.room.company.expect(PAUL, token_digest(PARTNERS))
        party = self._party(seed)
        await party.connect(lambda offer: self.room.publish(offer, PARTNERS))
        return party

    async def listener(self, number: int) -> tuple[Party, Listener]:
        person = Person(f"{number:024x}", f"Manager {number}")
        room = self.room
        listener = Listener(
            room.session, room.audience, IceSettings(), lambda _: None, room.company, person
        )
        party = self._party(10 + number)
        await party.connect(listener.answer)
        return party, listener

    def _party(self, seed: int) -> Party:
        party = Party(seed)
        self.parties.append(party)
        return party

    @property
    def present(self) -> list[tuple[str, str | None]]:
        """Name and mode, as the newest event tells it."""
        people = self.stage.events("presence")[-1]["data"]["people"]
        return [(one["name"], one["mode"]) for one in people]

    def recorded(self, track: str) -> set[bytes]:
        path = self.folder / f"{track}.ogg"
        if not path.exists():
            return set()
        with av.open(str(path)) as container:
            return {bytes(packet) for packet in container.demux(audio=0) if packet.size > 1}

    async def end(self) -> None:
        await self.room.end("over")
        for party in self.parties:
            await party.close()
        self.writer.stop()


@asynccontextmanager
async def meeting(folder: Path) -> AsyncIterator[Meeting]:
    held = Meeting(folder)
    try:
        yield held
    finally:
        await held.end()


async def heard_for(seconds: float, *parties: Party) -> list[int]:
    """Where what each hears from now on begins; returns after a while."""
    begun = [len(party.heard) for party in parties]
    await asyncio.sleep(seconds)
    return begun


async def test_monitor_whisper_and_barge_reach_whom_they_mean_and_are_recorded_so(
    tmp_path: Path,
) -> None:
    async with meeting(tmp_path) as held:
        trainee, partner = await held.trainee(), await held.partner()
        manager, listener = await held.listener(1)
        everybody = (trainee, partner, manager)

        t, p, m = await heard_for(1.0, *everybody)
        assert manager.hears(trainee, m)
        assert manager.hears(partner, m)
        assert trainee.hears(partner, t)
        assert partner.hears(trainee, p)
        assert not trainee.hears(manager)
        assert not partner.hears(manager)

        said = len(manager.sent)
        listener.switch("whisper")
        t, p, m = await heard_for(1.0, *everybody)
        assert trainee.hears(manager, t)
        assert trainee.hears(partner, t)
        assert not partner.hears(manager)
        whispered = manager.sent[said:]

        said = len(manager.sent)
        assert listener.switch("barge") == "coach_1"
        t, p, m = await heard_for(1.0, *everybody)
        assert trainee.hears(manager, t)
        assert partner.hears(manager, p)
        assert not manager.hears(manager)
        barged = manager.sent[said:]
        await until(lambda: held.present == [("Paul Partner", None), ("Manager 1", "barge")])

        listener.switch("monitor")
        await asyncio.sleep(0.1)
        t, p, m = await heard_for(0.5, *everybody)
        assert not trainee.hears(manager, t)
        assert not partner.hears(manager, p)
        assert manager.hears(trainee, m)
        assert set(held.room.session.tracks) == {"trainee", "partner", "coach_1"}

    kept = held.recorded("coach_1")
    assert len(kept & set(barged)) > 30
    # A packet may be under way at the moment of the switch.
    assert len(kept & set(whispered)) <= 2
    for track, party in (("trainee", trainee), ("partner", partner)):
        assert len(held.recorded(track) & set(party.sent)) > 100
        assert not held.recorded(track) & set(manager.sent)
    modes = [
        [one["mode"] for one in event["data"]["people"] if one["role"] == "listener"]
        for event in held.stage.events("presence")
    ]
    assert [mode for mode in modes if mode] == [["monitor"], ["whisper"], ["barge"], ["monitor"]]


async def test_two_whisper_at_once_and_a_third_waits_for_a_seat(tmp_path: Path) -> None:
    async with meeting(tmp_path) as held:
        trainee = await held.trainee()
        (one, first), (two, second) = await held.listener(1), await held.listener(2)
        three, third = await held.listener(3)
        first.switch("whisper")
        second.switch("whisper")
        (begun,) = await heard_for(0.6, trainee)
        assert trainee.hears(one, begun)
        assert trainee.hears(two, begun)
        with pytest.raises(SeatsTaken):
            third.switch("barge")
        await first.leave()
        third.switch("whisper")
        (begun,) = await heard_for(0.6, trainee)
        assert trainee.hears(three, begun)
        assert trainee.hears(two, begun)
        assert not one.hears(two)


async def test_who_listens_without_a_microphone_cannot_speak(tmp_path: Path) -> None:
    async with meeting(tmp_path) as held:
        trainee = await held.trainee()
        room, client = held.room, ListeningClient()
        listener = Listener(
            room.session, room.audience, IceSettings(), lambda _: None, room.company, PAUL
        )
        await client.connect(listener.answer)
        await until(lambda: len(client.heard) > 10)
        with pytest.raises(NoMicrophone):
            listener.switch("whisper")
        assert set(client.payloads) <= set(trainee.sent)
        await client.close()
        await listener.leave()


async def test_a_partner_joins_late_leaves_and_returns_on_one_time_line(tmp_path: Path) -> None:
    async with meeting(tmp_path) as held:
        trainee = await held.trainee()
        await asyncio.sleep(1.0)
        early = await held.partner()
        await asyncio.sleep(1.0)
        early.channel.send('{"type": "end"}')
        await until(lambda: held.stage.events("presence") and not held.present)
        assert held.room.session.state == "active"
        await asyncio.sleep(2.5)
        late = await held.partner(seed=3)
        begun = len(trainee.heard)
        await asyncio.sleep(1.0)
        assert trainee.hears(late, begun)
        track = held.room.session.tracks["partner"]
        assert abs(track.end_sample / 16_000 - held.room.session.now_s()) < 0.3
        assert held.room.session._conversation is not None
    with av.open(str(tmp_path / "partner.ogg")) as container:
        seconds = sum(frame.samples for frame in container.decode(audio=0)) / 48_000
    assert abs(seconds - held.room.session.t_ms / 1000) < 0.5
    assert len(held.recorded("partner") & set(early.sent)) > 20
    assert len(held.recorded("partner") & set(late.sent)) > 20


async def test_while_the_trainee_pauses_nobody_is_heard_or_kept(tmp_path: Path) -> None:
    async with meeting(tmp_path) as held:
        trainee, partner = await held.trainee(), await held.partner()
        manager, _ = await held.listener(1)
        await until(lambda: manager.hears(partner) and trainee.hears(partner))
        trainee.channel.send('{"type": "pause"}')
        await until(lambda: held.room.session.state == "paused")
        await asyncio.sleep(0.2)
        said, begun = len(partner.sent), len(manager.heard)
        await asyncio.sleep(0.8)
        unheard = partner.sent[said:]
        assert len(manager.heard) == begun
        trainee.channel.send('{"type": "resume"}')
        await until(lambda: manager.hears(partner, begun) and manager.hears(trainee, begun))
    assert len(unheard) > 30
    assert not held.recorded("partner") & set(unheard[:-10])


async def test_a_stranger_is_not_the_partner_and_nobody_is_before_the_call(tmp_path: Path) -> None:
    async with meeting(tmp_path) as held:
        with pytest.raises(Busy):
            await held.partner()
        await held.trainee()
        stranger = held._party(9)
        with pytest.raises(Busy):
            await stranger.connect(lambda offer: held.room.publish(offer, "another token"))


async def test_only_the_trainee_is_coached_and_judged(tmp_path: Path) -> None:
    async with meeting(tmp_path) as held:
        await held.trainee()
        await held.partner()
        await asyncio.sleep(2.5)
    assert {event["track"] for event in held.stage.events("summary")} == {"trainee"}
    assert {event["track"] for event in held.stage.events("metrics")} == {"trainee", "partner"}
    last = [e for e in held.stage.events("metrics") if e["track"] == "trainee"][-1]
    assert held.room.session.metrics is not None
    assert held.room.session.metrics.model_dump(by_alias=True) == last["data"]
