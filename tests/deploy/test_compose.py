"""What docker-compose.yml lets be reached, holds back, and tells the node."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from api.settings import Settings
from processing.process import GIB, Limits
from tests.deploy.conftest import HOST, ROOT, Prepared, compose

Services = dict[str, dict[str, Any]]


def published(service: dict[str, Any]) -> set[str]:
    """Ports inside with their protocols."""
    ports = [str(port).rsplit(":", 1)[-1] for port in service.get("ports", [])]
    return {port if "/" in port else f"{port}/tcp" for port in ports}


def networks(service: dict[str, Any]) -> set[str]:
    return set(service["networks"])


def test_only_nginx_coturn_and_the_nodes_media_can_be_reached(services: Services) -> None:
    reachable = {name: published(service) for name, service in services.items()}
    assert {name: ports for name, ports in reachable.items() if ports} == {
        "nginx": {"8080/tcp", "8443/tcp"},
        "coturn": {"3478/udp", "3478/tcp", "49160-49359/udp"},
        "forecourt": {"50000-50199/udp"},
    }
    assert not any("network_mode" in service for service in services.values())


def test_stores_are_on_a_network_without_a_way_out_and_only_the_node_beside_them(
    configuration: dict[str, Any], services: Services
) -> None:
    assert configuration["networks"]["store"]["internal"] is True
    on_store = {name for name, service in services.items() if "store" in networks(service)}
    assert on_store == {"mongo", "mongo-account", "redis", "forecourt", "worker"}
    assert all(networks(services[name]) == {"store"} for name in on_store - {"forecourt"})


def test_every_service_is_bounded_and_has_no_more_rights_than_it_needs(services: Services) -> None:
    for name, service in services.items():
        assert {"mem_limit", "cpus", "pids_limit"} <= set(service), name
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert "privileged" not in service, name
    assert {name for name, service in services.items() if "cap_add" in service} == {
        "mongo",
        "coturn",
    }


def test_every_service_that_stays_up_tells_its_health(services: Services) -> None:
    silent = {name for name, service in services.items() if "healthcheck" not in service}
    # The node's is in its image; the other one runs once.
    assert silent == {"forecourt", "mongo-account"}
    assert "HEALTHCHECK" in (ROOT / "Dockerfile").read_text()


def test_a_worker_does_the_jobs_that_a_node_with_redis_leaves_to_it(services: Services) -> None:
    node, worker = services["forecourt"], services["worker"]
    assert worker["command"] == ["forecourt", "worker"]
    assert (worker["image"], worker["env_file"]) == (node["image"], node["env_file"])
    assert worker["volumes"] == node["volumes"]
    workers = int(worker["environment"]["FORECOURT_JOB_WORKERS"])
    assert int(worker["mem_limit"].removesuffix("g")) * GIB > workers * Limits().memory_bytes


def test_images_are_of_a_version(services: Services) -> None:
    for name, service in services.items():
        assert re.fullmatch(r"[a-z0-9/.-]+:\d[\w.-]*", service["image"]), name


def test_no_secret_is_in_what_is_committed_or_in_the_parsed_file(
    prepared: Prepared, configuration: dict[str, Any]
) -> None:
    names = ["mongo_root_password", "mongo_password", "redis_password", "turn_secret"]
    for name in names:
        secret = (prepared.secrets / name).read_text().strip()
        assert len(secret) == 48
        assert secret not in repr(configuration)
        assert secret not in prepared.environment.read_text()
    example = (ROOT / ".env.example").read_text()
    assert not re.search(r"(?i)^\w*(password|secret|key)=\S", example, re.MULTILINE)


def test_every_file_that_is_mounted_is_there(
    configuration: dict[str, Any], services: Services
) -> None:
    declared = configuration["secrets"]
    for secret in declared.values():
        assert Path(secret["file"]).is_file()
    used = {name for service in services.values() for name in service.get("secrets", [])}
    assert used == set(declared)
    volumes = [
        str(volume) for service in services.values() for volume in service.get("volumes", [])
    ]
    sources = {volume.split(":")[0] for volume in volumes}
    files = {source for source in sources if "/" in source}
    assert len(files) == 3
    assert all((ROOT / source).is_file() for source in files)
    assert sources - files == set(configuration["volumes"])


def test_a_missing_host_is_refused_and_the_script_named(tmp_path: Path) -> None:
    parsed = compose(ROOT / ".env.example")
    assert parsed.returncode != 0
    assert "run deploy/prepare.sh" in parsed.stderr + parsed.stdout


@pytest.fixture
def settings(services: Services, prepared: Prepared, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The node's, from what its container is given."""
    for name, value in services["forecourt"]["environment"].items():
        monkeypatch.setenv(name, str(value))
    for line in (prepared.secrets / "node.env").read_text().splitlines():
        monkeypatch.setenv(*line.split("=", 1))
    return Settings()


def test_the_node_takes_the_settings_it_is_given(settings: Settings, prepared: Prepared) -> None:
    assert settings.public_url == f"https://{HOST}"
    assert HOST in settings.allowed_hosts
    assert settings.turn_urls[0] == f"turn:{HOST}:3478?transport=udp"
    secret = settings.turn_secret.get_secret_value()
    assert secret == (prepared.secrets / "turn_secret").read_text().strip()
    assert f"static-auth-secret={secret}\n" == (prepared.secrets / "coturn.conf").read_text()


def test_the_node_keeps_its_data_in_the_stores_beside_it_with_their_passwords(
    services: Services, settings: Settings, prepared: Prepared
) -> None:
    """The account and the replica set as replica-set.js makes them."""
    script = (ROOT / "deploy/mongo/replica-set.js").read_text()
    store, redis = urlsplit(settings.store_url), urlsplit(settings.redis.get_secret_value())
    assert (store.scheme, redis.scheme) == ("mongodb", "redis")
    assert store.password == (prepared.secrets / "mongo_password").read_text().strip()
    assert redis.password == (prepared.secrets / "redis_password").read_text().strip()
    assert {store.hostname, redis.hostname} <= set(services)
    assert f"{store.hostname}:{store.port}" in script
    assert f'user: "{store.username}"' in script
    assert f'getDB("{store.path.removeprefix("/")}")' in script
    assert f'_id: "{parse_qs(store.query)["replicaSet"][0]}"' in script


def test_a_node_that_drains_is_given_the_time(services: Services, settings: Settings) -> None:
    grace_s = int(services["forecourt"]["stop_grace_period"].removesuffix("s"))
    assert grace_s >= settings.drain_s + 10


def test_the_node_believes_nginx_alone_about_addresses(services: Services) -> None:
    nginx = services["nginx"]["networks"]["edge"]["ipv4_address"]
    assert services["forecourt"]["environment"]["FORWARDED_ALLOW_IPS"] == nginx


def test_a_relay_reaches_the_node_and_no_other_machine_inside(services: Services) -> None:
    node = services["forecourt"]["networks"]["edge"]["ipv4_address"]
    options = services["coturn"]["command"]
    assert [each for each in options if "allowed-peer" in each] == [f"--allowed-peer-ip={node}"]
    assert "--denied-peer-ip=172.16.0.0-172.31.255.255" in options
    assert "--use-auth-secret" in options
    assert services["coturn"]["networks"]["edge"]["aliases"] == [HOST]


def test_media_takes_the_ports_that_are_published(services: Services) -> None:
    (published_range,) = services["forecourt"]["ports"]
    first, last = services["forecourt"]["sysctls"]["net.ipv4.ip_local_port_range"].split()
    assert published_range == f"{first}-{last}:{first}-{last}/udp"


def test_nginx_speaks_to_the_node_where_it_listens(services: Services, settings: Settings) -> None:
    proxy = (ROOT / "deploy/nginx.conf").read_text()
    (upstream,) = re.findall(r"^\s*server (\S+:\d+);", proxy, re.MULTILINE)
    assert upstream == f"forecourt:{settings.port}"
    assert "forecourt" in services
    mounted = set(re.findall(r"/run/secrets/(\w+)", proxy))
    assert mounted == set(services["nginx"]["secrets"])
