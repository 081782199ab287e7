"""Signal and text in, numbers out: the measurements behind every gauge, score and cue.

Pure: no clock, no network, no session. State is a small object with `push()` and `reset()`; its
arithmetic is a compiled function beside it. Audio is always 16 kHz mono int16 (see `frame`).
"""
