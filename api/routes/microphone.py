"""`POST /api/v1/microphone-checks`: one read sentence -> the person's level and noise floor.

The audio is measured and forgotten; nothing of it is stored.
"""

from __future__ import annotations

import io
import wave
from dataclasses import asdict

import numpy as np
from scipy.signal import resample_poly
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from analyzers.baseline import MicrophoneCheck, measure_microphone
from api.endpoint import Media, endpoint
from api.problems import Problem, body_of
from api.views import MicrophoneCheckView
from engine.frames import FRAME_SAMPLES, SAMPLE_RATE, Frame, Pcm, Source
from engine.track import VOICED_WITHIN
from engine.vad import VoiceActivity

MAX_BYTES = 4 * 1024 * 1024
MAX_S = 20.0
MIN_S = 0.5


def decode_wav(body: bytes) -> Pcm:
    """16 kHz mono int16 of a PCM16 WAV file of any rate, one or two channels. Raises `Problem`."""
    try:
        with wave.open(io.BytesIO(body)) as file:
            rate, channels, width = file.getframerate(), file.getnchannels(), file.getsampwidth()
            frames = file.getnframes()
            if width != 2 or channels not in (1, 2) or not 8_000 <= rate <= 192_000:
                raise Problem(422, "The WAV must be 16-bit PCM, one or two channels, 8 to 192 kHz.")
            if not MIN_S <= frames / rate <= MAX_S:
                raise Problem(422, f"The recording must last {MIN_S:g} to {MAX_S:g} s.")
            data = file.readframes(frames)
    except (wave.Error, EOFError) as error:
        why = str(error) or "it ends too early"
        raise Problem(422, f"The body is not a WAV file that can be read: {why}.") from error
    if len(data) < frames * 2 * channels:
        raise Problem(422, "The WAV holds less audio than its header says.")
    samples = np.frombuffer(data, "<i2")
    mono = samples.reshape(-1, channels).astype(np.float64).mean(axis=1)
    if rate != SAMPLE_RATE:
        divisor = int(np.gcd(rate, SAMPLE_RATE))
        mono = resample_poly(mono, SAMPLE_RATE // divisor, rate // divisor)
    pcm: Pcm = np.clip(np.round(mono), -32768, 32767).astype(np.int16)
    return pcm


def speech_mask(pcm: Pcm) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Which whole 20 ms frames of `pcm` are speech, by the call's own voice activity."""
    vad = VoiceActivity()
    count = len(pcm) // FRAME_SAMPLES
    mask = np.zeros(count, np.bool_)
    was_speaking = False
    for index in range(count):
        start = index * FRAME_SAMPLES
        vad.push(Frame("check", start, pcm[start : start + FRAME_SAMPLES], Source.RECEIVED))
        mask[index] = vad.speaking and vad.silence_samples <= VOICED_WITHIN
        if mask[index] and not was_speaking:
            mask[vad.start_sample // FRAME_SAMPLES : index] = True
        was_speaking = bool(mask[index])
    return mask


def _measure(body: bytes) -> MicrophoneCheck:
    pcm = decode_wav(body)
    return measure_microphone(pcm, speech_mask(pcm))


@endpoint(
    "POST",
    "/microphone-checks",
    "session.create",
    body=Media("audio/wav", "16-bit PCM, one or two channels, 8 to 192 kHz, 0.5 to 20 s, 4 MiB"),
    answers={200: MicrophoneCheckView},
    errors=[422],
)
async def check(request: Request) -> MicrophoneCheckView:
    """Measure a microphone: one read sentence gives the person's level and noise floor.

    The audio is measured and forgotten.
    """
    body = await body_of(request, "audio/wav", MAX_BYTES)
    result = await run_in_threadpool(_measure, body)
    return MicrophoneCheckView.model_validate(asdict(result))


endpoints = [check]
