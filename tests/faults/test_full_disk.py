"""A disk that is full: uploads and jobs are told so, and go on when there is room again."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from api.jobs import lane as lanes
from tests.api.jobs import yard
from tests.api.jobs.test_photos import dim_photo, over, uploaded
from tests.node import running

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts a small disk"),
]
SIZE_BYTES = 24 * 2**20
ROOM_BYTES = 200 * 1024
WAV = b"RIFF\xff\xff\xff\x7fWAVEfmt "


class SmallDisk:
    def __init__(self, path: Path) -> None:
        self.path = path
        self._ballast = path / "ballast"

    def fill(self, but_bytes: int = 0) -> None:
        """Leave `but_bytes` of room."""
        room = os.statvfs(self.path)
        with self._ballast.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, room.f_bavail * room.f_bsize - but_bytes)

    def free(self) -> None:
        self._ballast.unlink()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    path = tmp_path / "small"
    path.mkdir()
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE_BYTES}", "tmpfs", str(path)], check=True
    )
    yield SmallDisk(path)
    subprocess.run(["umount", str(path)], check=True)


def sent(http: httpx.Client, content: bytes) -> httpx.Response:
    headers = {"Content-Type": "application/octet-stream"}
    return http.post("/uploads", content=content, headers=headers)


def test_an_upload_that_finds_no_room_is_told_so_and_the_node_lives_on(disk: SmallDisk) -> None:
    with running(disk.path / "node") as node, node.client() as http:
        answer = sent(http, WAV + os.urandom(SIZE_BYTES))
        assert answer.status_code == 507, answer.text
        assert answer.json()["code"] == "disk_full"
        assert "disk is full" in answer.json()["detail"]
        assert http.get("/uploads").json()["total"] == 0
        photo = uploaded(http, dim_photo())
        body = {"jobType": "image_enhancement", "inputFiles": [photo]}
        disk.fill()
        refused = http.post("/jobs", json=body)
        assert refused.status_code == 507, refused.text
        assert http.get("/me").status_code == 200
        disk.free()
        job = over(http, http.post("/jobs", json=body).raise_for_status().json())
        assert job["status"] == "completed", job


async def test_a_result_that_finds_no_room_is_made_again_and_nothing_is_half_there(
    tmp_path: Path, disk: SmallDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The results' disk is full, that of the store and of the work is not."""
    monkeypatch.setattr(lanes, "SWEEP_S", 0.2)
    (tmp_path / "blobs").symlink_to(disk.path)
    async with yard.opened(tmp_path) as made:
        job = await made.job()
        disk.fill()
        async with yard.working(made.lane()):
            failed = await made.until(job, lambda found: found.error is not None)
            assert (failed.status, failed.attempts) == ("pending", 1)
            assert failed.error is not None
            assert failed.error.code == "disk_full"
            assert failed.error.message == "The server's disk is full."
            assert await made.results(job) == []
            disk.free()
            done = await made.until_is(job, "completed")
            assert done.attempts >= 2
            assert list(done.output_files) == await made.results(job)
