"""The API does what its own description says, whatever it is sent."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from api.app import ENDPOINTS
from api.auth.roles import ROLES
from tests.node import ROOT, Node

CONTRACT = Path(__file__).parent / "contract"
TIME_S = 14
"""For all endpoints together; what was sent is another thing each time."""


@pytest.mark.timeout(TIME_S + 80)
@pytest.mark.parametrize(
    "role",
    [pytest.param(role, marks=() if role == "salesperson" else pytest.mark.slow) for role in ROLES],
)
def test_whatever_is_sent_is_answered_as_the_description_says(node: Node, role: str) -> None:
    command = [
        str(Path(sys.executable).with_name("schemathesis")),
        "--config-file",
        str(CONTRACT / "schemathesis.toml"),
        "run",
        f"{node.url}/api/v1/openapi.json",
        "--phases=coverage,fuzzing,stateful",
        f"--max-time={TIME_S}",
        "--max-examples=25",
        "--generation-database=none",
        "--no-color",
    ]
    environment = os.environ | {
        "SCHEMATHESIS_HOOKS": "tests.api.contract.hooks",
        "CONTRACT_DATA": str(node.data),
        "CONTRACT_ROLE": role,
        "PYTHONPATH": str(ROOT),
    }
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=environment, cwd=CONTRACT
    )
    told = "\n".join(line[:300] for line in done.stdout.splitlines()[-80:])
    assert done.returncode == 0, told + done.stderr[-2_000:]
    assert "Traceback" not in node.log


def test_every_endpoint_is_described(http: httpx.Client) -> None:
    answer = http.get("/openapi.json")
    assert answer.headers["content-type"] == "application/openapi+json"
    document = answer.json()
    assert document["openapi"].startswith("3.1")
    described = {
        (method.upper(), path.removeprefix("/api/v1"))
        for path, operations in document["paths"].items()
        for method in operations
    }
    assert described == {(each.method, each.path) for each in ENDPOINTS}
    names = [each.name for each in ENDPOINTS]
    assert len(set(names)) == len(names)
    assert (
        http.get("/openapi.json", headers={"If-None-Match": answer.headers["etag"]}).status_code
        == 304
    )
