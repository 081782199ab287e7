"""Debian's Chromium under Playwright, with a file as its microphone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, Playwright

from benchmarks.chromium import FLAGS, executable


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
    locale: str = "en-US",
) -> BrowserContext:
    """A fresh profile for `origin`, in which nobody is signed in."""
    made = browser.new_context(viewport={"width": width, "height": height}, locale=locale)
    made.set_default_timeout(20_000)
    if microphone_allowed:
        made.grant_permissions(["microphone"], origin=origin)
    return made
