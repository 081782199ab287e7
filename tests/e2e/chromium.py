"""Debian's Chromium under Playwright, with a file as its microphone."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, Playwright

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
    "--disable-features=WebRtcHideLocalIpsWithMdns",
    "--allow-loopback-in-peer-connection",
]


def executable() -> str:
    """Path of the browser. Raises `RuntimeError` when there is none."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        path = shutil.which(name)
        if path is not None:
            return path
    raise RuntimeError("Chromium is not installed. On Debian: apt-get install chromium")


def launch(
    playwright: Playwright,
    microphone: Path | None,
    *,
    refuse: bool = False,
    more_flags: Sequence[str] = (),
) -> Browser:
    """Start the browser. `microphone` is a WAV file played once per capture; None: no device.
    `refuse`: the question for the microphone is answered with no."""
    flags = [*FLAGS, *more_flags]
    if microphone is not None:
        flags += [
            "--use-fake-device-for-media-stream",
            f"--use-file-for-fake-audio-capture={microphone}%noloop",
        ]
    if not refuse:
        flags.append("--use-fake-ui-for-media-stream")
    return playwright.chromium.launch(executable_path=executable(), args=flags)


def context(
    browser: Browser,
    origin: str,
    *,
    width: int = 1280,
    height: int = 800,
    microphone_allowed: bool = True,
) -> BrowserContext:
    """A fresh profile for `origin`."""
    made = browser.new_context(viewport={"width": width, "height": height})
    made.set_default_timeout(20_000)
    if microphone_allowed:
        made.grant_permissions(["microphone"], origin=origin)
    return made
