"""libopus, straight to 16 kHz mono int16: the library inside PyAV's wheel, bound by ctypes.

Opus is RFC 6716. Decoding to 16 kHz directly costs less than half of decoding to 48 kHz stereo and
resampling afterwards.
"""

from __future__ import annotations

import ctypes

import numpy as np
from numpy.typing import NDArray

from signaling import libraries

RATE = 16_000
RTP_RATE = 48_000
MAX_PACKET_RTP = RTP_RATE * 120 // 1000
"""An Opus packet lasts at most 120 ms (RFC 6716, 2.1.4)."""
DTX_BYTES = 2
"""A packet this short has no frame in it."""
MAX_PACKET_BYTES = 1_275
"""What one frame takes at most (RFC 6716, 3.2.1); `Encoder` makes packets of one frame."""
_APPLICATION_VOIP, _SET_BITRATE, _SET_COMPLEXITY = 2048, 4002, 4010
"""From libopus's opus_defines.h."""


class OpusError(ValueError):
    """libopus refused a packet; the message is its own."""


def _load() -> ctypes.CDLL:
    lib = libraries.load("opus")
    if lib is None:
        raise ImportError(
            "libopus was not found: neither in PyAV's wheel (av.libs) nor on this system; "
            "install the pinned `av` wheel or your system's libopus"
        )
    pointer, integer, data = ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p
    lib.opus_decoder_create.restype = pointer
    lib.opus_decoder_create.argtypes = [integer, integer, ctypes.POINTER(integer)]
    lib.opus_decode.restype = integer
    lib.opus_decode.argtypes = [pointer, data, integer, pointer, integer, integer]
    lib.opus_decoder_destroy.restype = None
    lib.opus_decoder_destroy.argtypes = [pointer]
    lib.opus_encoder_create.restype = pointer
    lib.opus_encoder_create.argtypes = [integer, integer, integer, ctypes.POINTER(integer)]
    lib.opus_encode.restype = integer
    lib.opus_encode.argtypes = [pointer, pointer, integer, pointer, integer]
    # Variadic: what is declared here is the fixed part, the value is passed as a c_int of its own.
    lib.opus_encoder_ctl.restype = integer
    lib.opus_encoder_ctl.argtypes = [pointer, integer]
    lib.opus_encoder_destroy.restype = None
    lib.opus_encoder_destroy.argtypes = [pointer]
    lib.opus_packet_get_nb_samples.restype = integer
    lib.opus_packet_get_nb_samples.argtypes = [data, integer, integer]
    lib.opus_packet_get_samples_per_frame.restype = integer
    lib.opus_packet_get_samples_per_frame.argtypes = [data, integer]
    lib.opus_packet_has_lbrr.restype = integer
    lib.opus_packet_has_lbrr.argtypes = [data, integer]
    lib.opus_strerror.restype = data
    lib.opus_strerror.argtypes = [integer]
    return lib


_lib = _load()


def _checked(code: int) -> int:
    if code < 0:
        raise OpusError(_lib.opus_strerror(code).decode())
    return code


def duration_rtp(payload: bytes) -> int:
    """How long a packet lasts, in 48 kHz RTP ticks. Raises `OpusError` for a malformed packet."""
    return _checked(_lib.opus_packet_get_nb_samples(payload, len(payload), RTP_RATE))


def frame_rtp(payload: bytes) -> int:
    """How long one frame of a packet lasts, in 48 kHz ticks (RFC 6716, 3.1)."""
    return int(_lib.opus_packet_get_samples_per_frame(payload, RTP_RATE))


def announces_silence(payload: bytes) -> bool:
    """Whether the packet holds no audio: the sender falls silent (DTX: RFC 6716, 2.1.9)."""
    return len(payload) <= DTX_BYTES


def holds_fec(payload: bytes) -> bool:
    """Whether the packet carries a copy of the packet before it (LBRR, RFC 6716, 2.1.7)."""
    return bool(_lib.opus_packet_has_lbrr(payload, len(payload)) == 1)


class Decoder:
    """One stream's decoder. Every method returns int16 samples at 16 kHz, mono, shape (n,)."""

    def __init__(self) -> None:
        error = ctypes.c_int()
        self._state = _lib.opus_decoder_create(RATE, 1, ctypes.byref(error))
        _checked(error.value)
        self._pcm = np.empty(RATE * 120 // 1000, np.int16)
        self._out = self._pcm.ctypes.data

    def decode(self, payload: bytes) -> NDArray[np.int16]:
        """The packet's own audio. Raises `OpusError` for a malformed packet."""
        return self._run(payload, len(self._pcm), 0)

    def recover(self, next_payload: bytes, samples: int) -> NDArray[np.int16]:
        """The lost packet before `next_payload`, from the copy that this one carries."""
        return self._run(next_payload, samples, 1)

    def conceal(self, samples: int) -> NDArray[np.int16]:
        """Extrapolate `samples` (a multiple of 40, at most 1920) from what was decoded last."""
        return self._run(None, samples, 0)

    def _run(self, payload: bytes | None, samples: int, fec: int) -> NDArray[np.int16]:
        size = len(payload) if payload is not None else 0
        count = _checked(_lib.opus_decode(self._state, payload, size, self._out, samples, fec))
        return self._pcm[:count].copy()

    def __del__(self) -> None:
        state = getattr(self, "_state", None)
        if state:
            _lib.opus_decoder_destroy(state)


class Encoder:
    """One stream's encoder: mono int16 of `rate` (8, 12, 16, 24 or 48 kHz), 20 ms at a time."""

    def __init__(self, rate: int, bitrate: int = 32_000, complexity: int = 5) -> None:
        error = ctypes.c_int()
        self._state = _lib.opus_encoder_create(rate, 1, _APPLICATION_VOIP, ctypes.byref(error))
        _checked(error.value)
        self.frame_samples = rate // 50
        self._packet = ctypes.create_string_buffer(MAX_PACKET_BYTES)
        self._set(_SET_BITRATE, bitrate)
        self._set(_SET_COMPLEXITY, complexity)

    def encode(self, pcm: NDArray[np.int16]) -> bytes:
        """One packet of 20 ms. Raises `ValueError` unless `pcm` is int16 of (frame_samples,)."""
        if pcm.dtype != np.int16 or pcm.shape != (self.frame_samples,):
            raise ValueError(
                f"int16 of ({self.frame_samples},) is encoded, not {pcm.dtype} {pcm.shape}"
            )
        pcm = np.ascontiguousarray(pcm)
        size = _checked(
            _lib.opus_encode(self._state, pcm.ctypes.data, len(pcm), self._packet, MAX_PACKET_BYTES)
        )
        return self._packet.raw[:size]

    def _set(self, request: int, value: int) -> None:
        _checked(_lib.opus_encoder_ctl(self._state, request, ctypes.c_int(value)))

    def __del__(self) -> None:
        state = getattr(self, "_state", None)
        if state:
            _lib.opus_encoder_destroy(state)
