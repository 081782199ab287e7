"""Against a clamd that is ours but speaks the protocol of clamd(8), on a real socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from processing.scan import Clamd, Infected, Unscanned
from tests.processing.clamd import EICAR, FakeClamd


async def chunks(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


Says = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def saying(says: Says) -> AsyncIterator[str]:
    """A server that says what no sound clamd would."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await says(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_a_picture_passes() -> None:
    async with FakeClamd() as clamd:
        await Clamd(clamd.address).scan(chunks(b"\x89PNG", b"\r\n\x1a\n" * 40_000))
    assert clamd.streams == [b"\x89PNG" + b"\r\n\x1a\n" * 40_000]


async def test_eicar_is_found_and_named() -> None:
    async with FakeClamd() as clamd:
        with pytest.raises(Infected) as found:
            await Clamd(clamd.address).scan(chunks(EICAR))
    assert found.value.signature == "Eicar-Test-Signature"


async def test_eicar_is_found_across_chunks_of_one_byte() -> None:
    async with FakeClamd() as clamd:
        with pytest.raises(Infected):
            await Clamd(clamd.address).scan(chunks(*(bytes([byte]) for byte in EICAR)))


async def test_an_empty_chunk_ends_no_stream() -> None:
    async with FakeClamd() as clamd:
        with pytest.raises(Infected):
            await Clamd(clamd.address).scan(chunks(b"harmless", b"", EICAR))


async def test_nothing_at_all_passes() -> None:
    async with FakeClamd() as clamd:
        await Clamd(clamd.address).scan(chunks())
    assert clamd.streams == [b""]


async def test_a_unix_socket_serves_as_well(tmp_path: Path) -> None:
    async with FakeClamd(tmp_path / "clamd.ctl") as clamd:
        with pytest.raises(Infected):
            await Clamd(clamd.address).scan(chunks(EICAR))


async def test_beyond_clamd_s_own_limit_nothing_is_known() -> None:
    async with FakeClamd(max_bytes=100_000) as clamd:
        with pytest.raises(Unscanned, match="size limit exceeded"):
            await Clamd(clamd.address).scan(chunks(*[bytes(10_000)] * 20))


async def test_more_scans_than_turns_all_get_their_answer() -> None:
    async with FakeClamd() as clamd:
        scanner = Clamd(clamd.address)
        asked = [chunks(EICAR) if n % 2 else chunks(b"fine") for n in range(20)]
        found = await asyncio.gather(*map(scanner.scan, asked), return_exceptions=True)
    assert [isinstance(one, Infected) for one in found] == [bool(n % 2) for n in range(20)]
    assert clamd.most_at_once <= 4


async def test_a_clamd_that_is_away_is_no_pass(tmp_path: Path) -> None:
    with pytest.raises(Unscanned, match="cannot be reached"):
        await Clamd(f"unix://{tmp_path / 'nobody'}").scan(chunks(b"fine"))


async def test_one_that_never_answers_is_given_up() -> None:
    async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with saying(silence) as address:
        with pytest.raises(Unscanned, match=r"did not answer in 0\.2 s"):
            await Clamd(address, within_s=0.2).scan(chunks(b"fine"))


@pytest.mark.parametrize(
    "said", [b"", b"\0", b"stream: OK and more\0", b"OK\0", b"x" * 100_000, b"\xff\xfe\0"]
)
async def test_nonsense_is_no_pass(said: bytes) -> None:
    async def nonsense(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(len(b"zINSTREAM\0") + 4 + 4 + 4)
        writer.write(said)
        await writer.drain()

    async with saying(nonsense) as address:
        with pytest.raises(Unscanned):
            await Clamd(address).scan(chunks(b"fine"))


async def test_an_error_of_the_source_comes_through() -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"some"
        raise TimeoutError("the disk is slow")

    async with FakeClamd() as clamd:
        with pytest.raises(TimeoutError, match="the disk is slow"):
            await Clamd(clamd.address).scan(broken())


@pytest.mark.parametrize(
    "address",
    ["", "clamd", "tcp://host", "tcp://:3310", "tcp://host:0", "tcp://host:99999", "unix://x/y",
     "unix:relative", "http://host:3310", "tcp://host:3310/path"],
)  # fmt: skip
def test_an_address_of_no_form_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match=r"address must be like|out of range"):
        Clamd(address)
