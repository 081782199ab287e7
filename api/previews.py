"""Small pictures of uploads, for pages to show.

What a browser gets are pixels that we wrote (`api.workbench`). They are kept by the browser that
asked, not here.
"""

from __future__ import annotations

from typing import Final

from api.problems import Problem
from api.store.uploads import Upload
from api.workbench import Workbench

WORK: Final = "processing.preview:work_preview"
MEDIA_TYPE: Final = "image/webp"


class Previews:
    def __init__(self, bench: Workbench) -> None:
        self._bench = bench

    async def of(self, upload: Upload) -> bytes:
        """A WebP of a picture. Raises `Problem`: 404 for a recording, 422 for what cannot be
        decoded, 503 where it is to be asked for again, and `StoreError`."""
        if not upload.media_type.startswith("image/"):
            raise Problem(404, "A recording has no preview.")
        (made,) = await self._bench.made(WORK, [upload], {})
        return made
