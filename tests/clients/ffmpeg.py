"""Publishes an Ogg/Opus file with FFmpeg's WHIP muxer, at the pace of speech.

`python -m tests.clients.ffmpeg WHIP_URL FILE`, with a token in `FORECOURT_TOKEN`. A process of its
own: PyAV holds the GIL while the muxer connects. The packets are the file's own; at the end the
muxer deletes its WHIP resource.
"""

from __future__ import annotations

import os
import sys
import time

import av


def publish(url: str, file: str) -> None:
    token = {"authorization": os.environ["FORECOURT_TOKEN"]}
    with av.open(file) as source, av.open(url, "w", format="whip", options=token) as call:
        spoken = source.streams.audio[0]
        track = call.add_stream_from_template(spoken)
        call.start_encoding()
        begun_s = time.monotonic()
        for packet in source.demux(spoken):
            if packet.pts is None or packet.time_base is None:
                continue  # the end of the file
            wait_s = begun_s + float(packet.pts * packet.time_base) - time.monotonic()
            time.sleep(max(0.0, wait_s))
            packet.stream = track
            call.mux(packet)


if __name__ == "__main__":
    publish(*sys.argv[1:])
