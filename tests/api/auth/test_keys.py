"""secrets.toml: made once, private, checked to the line, rotated."""

from __future__ import annotations

import multiprocessing
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.auth import keys
from api.auth.keys import BadSecrets, Secrets
from api.store.crypto import DataKey, WrongKey

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "secrets.toml"


def test_the_first_start_makes_private_secrets_and_the_next_finds_them(path: Path) -> None:
    made, is_new = keys.load_or_create(path, NOW)
    again, is_new_again = keys.load_or_create(path, NOW)
    assert (is_new, is_new_again) == (True, False)
    assert made == again
    assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == ["secrets.toml"]


def test_the_umask_of_the_process_makes_no_difference(path: Path) -> None:
    before = os.umask(0)
    try:
        keys.load_or_create(path, NOW)
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o600


def _start(path: str, barrier: object, answers: object) -> None:
    barrier.wait()  # type: ignore[attr-defined]
    answers.put(keys.load_or_create(Path(path), NOW)[0].to_toml())  # type: ignore[attr-defined]


def test_processes_that_start_at_once_agree_on_the_secrets(path: Path) -> None:
    context = multiprocessing.get_context("fork")
    barrier, answers = context.Barrier(4), context.Queue()
    processes = [
        context.Process(target=_start, args=(str(path), barrier, answers)) for _ in range(4)
    ]
    for process in processes:
        process.start()
    got = {answers.get(timeout=30) for _ in processes}
    for process in processes:
        process.join()
    answers.close()
    assert got == {keys.load(path).to_toml()}


def test_every_key_is_another(path: Path) -> None:
    made, _ = keys.load_or_create(path, NOW)
    other = Secrets.new(NOW)
    raw = [
        raw
        for each in (made, other)
        for raw in (
            each.master_keys[0].raw,
            each.signing_keys[0].raw,
            each.audit_key,
            each.link_pepper,
            each.derived("refresh"),
            each.derived("media"),
        )
    ]
    assert len(set(raw)) == 12
    assert all(len(each) == 32 for each in raw)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o610, 0o602, 0o644])
def test_secrets_that_others_can_reach_are_refused_with_what_to_do(path: Path, mode: int) -> None:
    keys.load_or_create(path, NOW)
    path.chmod(mode)
    for read in (keys.load, lambda path: keys.load_or_create(path, NOW)):
        with pytest.raises(BadSecrets, match=f"mode 0{mode:o}.*chmod 600 {path}"):
            read(path)


def test_a_symbolic_link_is_refused_and_what_it_points_at_left_alone(
    path: Path, tmp_path: Path
) -> None:
    real = tmp_path / "real.toml"
    keys.load_or_create(real, NOW)
    before = real.read_text()
    path.symlink_to(real)
    for attempt in (
        lambda: keys.load_or_create(path, NOW),
        lambda: keys.rotate(path, "signing", NOW),
    ):
        with pytest.raises(BadSecrets, match="symbolic link"):
            attempt()
    path.unlink()
    path.symlink_to(tmp_path / "nowhere")
    with pytest.raises(BadSecrets, match="symbolic link"):
        keys.load_or_create(path, NOW)
    assert not (tmp_path / "nowhere").exists()
    assert real.read_text() == before


def test_secrets_of_another_user_are_refused(path: Path) -> None:
    if os.geteuid() == 0:
        keys.load_or_create(path, NOW)
        os.chown(path, 12345, 12345)
    else:
        path = Path("/etc/hostname")
    with pytest.raises(BadSecrets, match="another user"):
        keys.load(path)


def test_what_is_no_file_is_refused(path: Path) -> None:
    with pytest.raises(BadSecrets, match="cannot be read"):
        keys.load(path)
    os.mkfifo(path, 0o600)
    with pytest.raises(BadSecrets, match="is not a file"):
        keys.load(path)
    path.unlink()
    path.mkdir(0o700)
    with pytest.raises(BadSecrets, match="is not a file"):
        keys.load(path)


def test_a_file_that_is_too_large_is_refused(path: Path) -> None:
    path.touch(0o600)
    path.write_bytes(b"#" * 70_000)
    with pytest.raises(BadSecrets, match="larger than 65536"):
        keys.load(path)


def test_a_file_that_is_not_utf8_is_refused(path: Path) -> None:
    path.touch(0o600)
    path.write_bytes(b"version = 1\n\xff")
    with pytest.raises(BadSecrets, match="not UTF-8, at byte 12"):
        keys.load(path)


TEXT = Secrets.new(NOW).to_toml()
LINES = TEXT.splitlines()


def line_of(start: str, nth: int = 0) -> int:
    return [number for number, line in enumerate(LINES, 1) if line.startswith(start)][nth]


@pytest.mark.parametrize(
    ("start", "nth", "line", "says"),
    [
        ("version", 0, "version = 2", "version: this release reads version 1"),
        ("version", 0, "version = true", "version: this release reads version 1"),
        ("id", 0, 'id = "a b"', "master_keys.id: an id is"),
        ("id", 1, "id = 7", "signing_keys.id: an id is"),
        ("key", 0, 'key = "c2hvcnQ="', "master_keys.key: 32 bytes in base64"),
        ("key", 1, 'key = "not base64!"', "signing_keys.key: 32 bytes in base64"),
        ("key", 2, "key = 5", "audit.key: 32 bytes in base64"),
        ("key", 2, f'key = "{"A" * 43}="', "audit.key: 32 bytes in base64"),
        ("pepper", 0, 'pepper = ""', "links.pepper: 32 bytes in base64"),
        ("created", 0, "created = 2026-01-01", "master_keys.created: a date like"),
        ("pepper", 0, f"{LINES[-1]}\nsalt = 1", "links.salt: nothing of this name"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(
    path: Path, start: str, nth: int, line: str, says: str
) -> None:
    at = line_of(start, nth)
    text = "\n".join([*LINES[: at - 1], line, *LINES[at:]])
    wrong_at = at + line.count("\n")
    with pytest.raises(BadSecrets, match=rf"secrets\.toml, line {wrong_at}: {says}"):
        keys.parse(text, path)


def test_a_missing_key_or_table_is_told(path: Path) -> None:
    at = line_of("created", 1)
    with pytest.raises(BadSecrets, match=f"line {at - 3}: signing_keys: created is missing"):
        keys.parse("\n".join(LINES[: at - 1] + LINES[at:]), path)
    with pytest.raises(BadSecrets, match="line 1: links is missing"):
        keys.parse(TEXT.split("[links]")[0], path)
    with pytest.raises(BadSecrets, match="line 1: audit is missing"):
        keys.parse("version = 1", path)


def test_the_same_id_twice_is_told(path: Path) -> None:
    entry = TEXT[TEXT.index("[[master_keys]]") : TEXT.index("[[signing_keys]]")]
    at = TEXT.replace(entry, entry + entry).splitlines().index("[[master_keys]]", 8) + 2
    with pytest.raises(BadSecrets, match=f"line {at}: master_keys.id: this id is there twice"):
        keys.parse(TEXT.replace(entry, entry + entry), path)


def test_what_is_no_toml_is_told_with_its_line(path: Path) -> None:
    at = line_of("key")
    text = "\n".join([*LINES[: at - 1], "key = ", *LINES[at:]])
    with pytest.raises(BadSecrets, match=f"not TOML, line {at}"):
        keys.parse(text, path)


@given(st.text(max_size=300))
def test_any_text_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(BadSecrets, match=r"^s\.toml"):
        keys.parse(text, Path("s.toml"))


@pytest.mark.parametrize("at", range(len(LINES)))
@pytest.mark.parametrize("line", ["x = 1", "[audit]", "key = []", "[["])
def test_no_message_quotes_a_secret(at: int, line: str) -> None:
    text = "\n".join([*LINES[:at], line, *LINES[at:]])
    values = [part.split('"')[1] for part in LINES if part.startswith(("key", "pepper"))]
    with pytest.raises(BadSecrets) as caught:
        keys.parse(text, Path("s.toml"))
    said = str(caught.value) + repr(caught.value.__cause__)
    assert not any(value in said for value in values)


def test_secrets_do_not_show_themselves() -> None:
    secrets = keys.parse(TEXT, Path("s.toml"))
    shown = repr(secrets)
    for raw in (secrets.audit_key, secrets.link_pepper, secrets.master_keys[0].raw):
        assert repr(raw)[2:-1] not in shown


def test_rotating_the_signing_key_keeps_the_one_before_and_no_more(path: Path) -> None:
    first, _ = keys.load_or_create(path, NOW)
    second = keys.rotate(path, "signing", NOW)
    third = keys.rotate(path, "signing", NOW)
    assert list(second.signing())[1:] == list(first.signing())
    assert list(third.signing())[1:] == list(second.signing())[:1]
    assert keys.load(path) == third
    assert path.stat().st_mode & 0o777 == 0o600
    assert third.master_keys == first.master_keys
    assert (third.audit_key, third.link_pepper) == (first.audit_key, first.link_pepper)


def test_rotating_the_master_key_still_unwraps_what_was_wrapped(path: Path) -> None:
    first, _ = keys.load_or_create(path, NOW)
    check = first.masters().check_value()
    data_key = DataKey.new()
    wrapped = first.masters().wrap(data_key, place="p")

    second = keys.rotate(path, "master", NOW)

    second.masters().verify(check)
    again = second.masters().rewrap(wrapped, place="p")
    last = keys.forget_master(path, first.master_keys[0].id)
    assert last.masters().unwrap(again, place="p").id == data_key.id
    with pytest.raises(WrongKey):
        last.masters().unwrap(wrapped, place="p")


def test_the_current_or_an_unknown_master_key_is_not_forgotten(path: Path) -> None:
    made, _ = keys.load_or_create(path, NOW)
    with pytest.raises(BadSecrets, match="rotate first"):
        keys.forget_master(path, made.master_keys[0].id)
    with pytest.raises(BadSecrets, match="no master key m1"):
        keys.forget_master(path, "m1")
    assert keys.load(path) == made


def test_secrets_of_other_data_are_refused(tmp_path: Path) -> None:
    mine, _ = keys.load_or_create(tmp_path / "mine.toml", NOW)
    other, _ = keys.load_or_create(tmp_path / "other.toml", NOW)
    mine.masters().verify(mine.masters().check_value())
    with pytest.raises(WrongKey, match=r"secrets\.toml"):
        other.masters().verify(mine.masters().check_value())
