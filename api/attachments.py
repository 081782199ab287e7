"""Names of files as people give them, and as they get them back."""

from __future__ import annotations

import re
import unicodedata
from typing import Final
from urllib.parse import quote

MAX_NAME: Final = 120
EXTENSIONS: Final = {
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/webp": "webp",
    "image/gif": "gif",
    "image/tiff": "tiff",
    "image/heic": "heic",
    "image/avif": "avif",
    "audio/wav": "wav",
    "audio/mpeg": "mp3",
    "audio/mp4": "m4a",
    "audio/ogg": "ogg",
}

_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,5}$")
_HARMFUL = re.compile(r'[<>:"|?*]')
_UNSEEN = ("Cc", "Cf", "Co", "Cn", "Cs", "Zl", "Zp")
"""Categories of what is not seen but acts: control, bidirectional overrides, line ends."""


def clean_name(given: str, media_type: str) -> str:
    """What a file is called that was sent as `given`: no folders, nothing that is not seen, no
    letters that file systems refuse, and the extension of what it is."""
    last = re.split(r"[/\\]", unicodedata.normalize("NFC", given))[-1]
    seen = "".join(c for c in last if unicodedata.category(c) not in _UNSEEN)
    stem = _SUFFIX.sub("", _HARMFUL.sub("_", " ".join(seen.split()))).strip(". ")
    extension = EXTENSIONS[media_type]
    fallback = "photo" if media_type.startswith("image/") else "recording"
    return f"{stem[: MAX_NAME - 1 - len(extension)].strip('. ') or fallback}.{extension}"


def disposition(name: str) -> str:
    """``Content-Disposition`` of a download (RFC 6266): the name in ASCII, and in UTF-8."""
    plain = name.encode("ascii", "replace").decode().replace("?", "_")
    plain = plain.replace('"', "_").replace("\\", "_")
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
