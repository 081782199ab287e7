"""The fallback: aiortc's own receive path, with everything behind it unchanged."""

from __future__ import annotations

import threading

import numpy as np
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from numpy.typing import NDArray

from signaling import opus
from signaling.peer import IceSettings, Peer
from signaling.publisher import _Voice
from tests.signaling.calling import until
from tests.signaling.packets import voice
from tests.signaling.test_peer import Log


def loudness(pcm: NDArray[np.int16]) -> NDArray[np.float64]:
    """RMS of each 20 ms of 16 kHz samples."""
    frames = pcm[: len(pcm) // 320 * 320].reshape(-1, 320).astype(float)
    return np.asarray(np.sqrt(np.mean(frames**2, axis=1)))


async def test_the_voice_comes_through_in_20_ms_packets_on_its_own_time() -> None:
    spoken = voice(3)
    log = Log()
    peer = Peer(IceSettings(), log.events(), stock=True)
    client = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    client.addTrack(_Voice(spoken))
    await client.setLocalDescription(await client.createOffer())
    answer = await peer.answer(client.localDescription.sdp)
    await client.setRemoteDescription(RTCSessionDescription(answer, "answer"))
    await until(lambda: len(log.packets) >= 140)
    await client.close()
    await peer.close()
    assert {opus.duration_rtp(payload) for *_, payload in log.packets} == {960}
    steps = zip(log.packets, log.packets[1:], strict=False)
    assert {((b[1] - a[1]) & 0xFFFF, (b[2] - a[2]) & 0xFFFFFFFF) for a, b in steps} == {(1, 960)}
    decoder = opus.Decoder()
    heard = loudness(np.concatenate([decoder.decode(payload) for *_, payload in log.packets]))
    said = loudness(spoken[::3])[50:130]
    likeness = [np.corrcoef(heard[at : at + 80], said)[0, 1] for at in range(len(heard) - 80)]
    assert max(likeness) > 0.95
    assert not [one.name for one in threading.enumerate() if one.name == "audio-decoder"]
