"""deploy/prepare.sh: secrets of its own for each installation."""

from __future__ import annotations

import stat
import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from tests.deploy.conftest import HOST, Prepared, prepare


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_second_run_changes_nothing(tmp_path: Path) -> None:
    assert prepare(tmp_path).returncode == 0
    before = contents(tmp_path / "secrets"), (tmp_path / ".env").read_bytes()
    again = prepare(tmp_path, "other.example.com")
    assert (again.returncode, again.stdout) == (0, "")
    assert (contents(tmp_path / "secrets"), (tmp_path / ".env").read_bytes()) == before


def test_two_installations_share_no_secret(prepared: Prepared, tmp_path: Path) -> None:
    assert prepare(tmp_path).returncode == 0
    first, second = contents(prepared.secrets), contents(tmp_path / "secrets")
    assert set(first) == set(second)
    assert not set(first.values()) & set(second.values())


def test_secrets_are_for_their_owner_alone(prepared: Prepared) -> None:
    assert stat.S_IMODE(prepared.secrets.stat().st_mode) == 0o700


def test_the_certificate_is_for_the_host_and_of_the_key(prepared: Prepared) -> None:
    certificate = x509.load_pem_x509_certificate(
        (prepared.secrets / "tls_certificate").read_bytes()
    )
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [HOST]
    key = load_pem_private_key((prepared.secrets / "tls_key").read_bytes(), None)
    assert key.public_key() == certificate.public_key()


def test_mongods_key_is_base64_of_a_length_that_it_takes(prepared: Prepared) -> None:
    key = (prepared.secrets / "mongo_keyfile").read_text()
    plain = subprocess.run(["openssl", "base64", "-d"], input=key.encode(), capture_output=True)
    assert plain.returncode == 0
    assert 6 <= len("".join(key.split())) <= 1024


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("a|b", "192.0.2.1"),
        ("a b", "192.0.2.1"),
        ("a\nB=c", "192.0.2.1"),
        ("coach.example.com", "coach"),
        ("coach.example.com", "1.2.3.4|x"),
    ],
)
def test_what_is_no_host_or_address_is_refused_before_anything_is_made(
    tmp_path: Path, host: str, address: str
) -> None:
    refused = prepare(tmp_path, host, address)
    assert refused.returncode == 2
    assert " is not a" in refused.stderr
    assert not list(tmp_path.iterdir())
