"""What does one 32 ms chunk of voice activity cost, by our kernels and by onnxruntime?

python -m pytest benchmarks/test_silero_kernel.py
"""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest

from benchmarks.reading import clips
from engine.silero import CHUNK, CONTEXT, STATE, Silero, silero_path
from signaling.publisher import load_audio


@pytest.fixture(scope="module")
def chunks():
    pcm = (load_audio(clips()["two_cities"])[::3] / 32_768).astype(np.float32)
    return [pcm[at : at + CHUNK] for at in range(0, 10 * 16_000, CHUNK)]


def test_ours(benchmark, chunks):
    silero = Silero()
    silero.push(chunks[0])
    benchmark(lambda: [silero.push(chunk) for chunk in chunks[:100]])


def test_onnxruntime(benchmark, chunks):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    network = onnxruntime.InferenceSession(
        str(silero_path()), options, providers=["CPUExecutionProvider"]
    )
    state = np.zeros((1, 1, STATE), np.float32)
    context = np.zeros(CONTEXT, np.float32)
    fed = [np.concatenate([context, chunk])[None] for chunk in chunks[:100]]
    benchmark(lambda: [network.run(None, {"input": one, "h": state, "c": state}) for one in fed])
