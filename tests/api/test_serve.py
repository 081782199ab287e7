"""`forecourt serve`: what it refuses to start with says what to do instead."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from click.testing import CliRunner

from api.cli import main
from tests.node import Node


def serve(*options: str, **environment: str) -> str:
    """The message of a node that does not start."""
    result = CliRunner(env=environment).invoke(main, ["serve", *options])
    assert result.exit_code == 1, result.output
    assert result.stderr.startswith("Error: ")
    return result.stderr


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "example.com", "::", ""])
@pytest.mark.parametrize("public", ["", "http://coach.example.com"])
def test_an_address_that_others_reach_needs_tls_before_it(
    host: str, public: str, tmp_path: Path
) -> None:
    message = serve("--host", host, "--data", str(tmp_path), FORECOURT_PUBLIC_URL=public)
    assert "FORECOURT_PUBLIC_URL=https://" in message
    assert "--host 127.0.0.1" in message


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        message = serve("--port", str(port), "--data", str(tmp_path))
    assert str(port) in message
    assert "--port" in message


def test_a_data_folder_that_another_node_uses_is_refused(node: Node) -> None:
    message = serve("--port", "0", "--data", str(node.data))
    assert "Another node" in message
    assert "--data" in message


def test_a_data_folder_that_cannot_be_one_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "--data" in serve("--port", "0", "--data", str(tmp_path / "file" / "data"))


def test_a_setting_that_makes_no_sense_is_named(tmp_path: Path) -> None:
    message = serve("--data", str(tmp_path), FORECOURT_MAX_CALLS="none")
    assert "max_calls" in message


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ('model = ["CX-7"]', "model entry 1 ('CX-7'): holds a digit"),
        ("model = [", "is not TOML"),
        (None, "cannot be read: No such file"),
    ],
)
def test_a_list_of_domain_words_that_is_wrong_is_refused(
    words: str | None, says: str, tmp_path: Path
) -> None:
    path = tmp_path / "own.toml"
    if words is not None:
        path.write_text(words)
    message = serve("--data", str(tmp_path / "data"), FORECOURT_DOMAIN_WORDS=str(path))
    assert f"{path}" in message
    assert says in message
    assert "FORECOURT_DOMAIN_WORDS" in message
    assert not (tmp_path / "data").exists()


def test_what_a_node_keeps_is_for_its_user_alone(node: Node) -> None:
    assert node.data.stat().st_mode & 0o077 == 0
    assert node.sessions.stat().st_mode & 0o077 == 0
