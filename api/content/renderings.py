"""What is made of a project to be published: fitted pictures, a page to print, an archive."""

from __future__ import annotations

import base64
import io
import zipfile
from collections.abc import Sequence
from typing import Final

from api.archive import entry
from api.content import channels, layout, storyboard
from api.content.dealer import Dealer
from api.problems import Problem
from api.services import Services
from api.store.content import ContentProject
from api.store.uploads import Upload
from api.workbench import Workbench

FIT: Final = "processing.fitting:work_fit"
SHEET: Final = "processing.sheet:work_sheet"
SHOWN_WIDTH: Final = 600
"""Pixels of pictures in a preview."""
MAX_MAIL_PICTURES: Final = 3
MAX_SHEET_PICTURES: Final = 3


class Renderings:
    """Raises `Problem` for what cannot be made, and `StoreError`."""

    def __init__(self, services: Services, bench: Workbench) -> None:
        self._services = services
        self._bench = bench

    async def preview(self, project: ContentProject, dealer: Dealer) -> str:
        """HTML of it as it will look, its pictures within."""
        pictures = await self._fitted(project, SHOWN_WIDTH)
        return layout.page(project, dealer, [data_url(each) for each in pictures])

    async def pictures(self, project: ContentProject) -> list[bytes]:
        """JPEGs of the size that its platform wants."""
        return await self._fitted(project)

    async def sheet(self, project: ContentProject, dealer: Dealer) -> bytes:
        """A PDF. Raises `Problem`: 409 for what is not to be printed, 422 for what cannot be."""
        if project.type != "print":
            raise Problem(409, "This is not for print: only flyers and window sheets are.")
        settings = {
            "kind": project.settings.platform,
            "language": layout.language_tag(project.settings.language),
            "title": project.title,
            "author": dealer.name,
            "text": [[each.role, each.text] for each in project.content.text],
        }
        most = min(MAX_SHEET_PICTURES, channels.channel_of(project.settings.platform).picture.most)
        (made,) = await self._bench.made(SHEET, (await self._uploads(project))[:most], settings)
        return made

    async def archive(self, project: ContentProject, dealer: Dealer) -> bytes:
        """A ZIP of all that is needed to publish it by hand."""
        text, out = project.content.text, io.BytesIO()
        files: dict[str, bytes] = {}
        match project.type:
            case "email":
                files["mail.html"] = layout.page(project, dealer, _names(project)).encode()
                files["subject.txt"] = layout.subject_of(project).encode()
                files["mail.txt"] = channels.posted(text).encode()
            case "print":
                files["sheet.pdf"] = await self.sheet(project, dealer)
            case "video":
                files["shots.txt"] = storyboard.shot_list(text).encode()
                files["captions.vtt"] = storyboard.captions(text).encode()
            case _:
                files["post.txt"] = channels.posted(text).encode()
        pictures = await self.pictures(project)
        files |= dict(zip(_names(project), pictures, strict=False))
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in files.items():
                archive.writestr(entry(name, project.updated_at), content)
        return out.getvalue()

    async def _fitted(self, project: ContentProject, width: int | None = None) -> list[bytes]:
        uploads = await self._uploads(project)
        if not uploads:
            return []
        wanted = channels.channel_of(project.settings.platform).picture
        across = min(wanted.width, width or wanted.width)
        size = {"width": across, "height": round(across * wanted.height / wanted.width)}
        return await self._bench.made(FIT, uploads, size)

    async def _uploads(self, project: ContentProject) -> list[Upload]:
        """Those of its pictures that are still there."""
        get = self._services.store.uploads.get
        found = [await get(project.dealership_id, each) for each in project.content.images]
        return [each for each in found if each is not None and each.status == "ready"]


def data_url(jpeg: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"


def _names(project: ContentProject) -> Sequence[str]:
    return [f"picture-{number:02}.jpg" for number in range(1, len(project.content.images) + 1)]
