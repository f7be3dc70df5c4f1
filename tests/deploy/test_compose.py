"""The compose file: its schema, its promises, and its Redis started for real."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import redis
import yaml
from deployment import DOCKER, GRACE, free_port, program

from processes import until

FILE = DOCKER / "compose.yaml"
COMPOSE: dict[str, Any] = yaml.safe_load(FILE.read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
EXAMPLE = (DOCKER / "env.example").read_text()


def seconds(duration: str) -> float:
    return float(duration.removesuffix("s"))


def test_it_is_what_the_compose_specification_allows() -> None:
    tool = Path(sys.executable).with_name("check-jsonschema")
    done = subprocess.run(
        [tool, "--builtin-schema", "vendor.compose-spec", FILE], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_pinned_started_again_and_bounded(name: str) -> None:
    service = SERVICES[name]

    assert "build" in service or re.search(r":\d|:v\d", service["image"])
    assert service["restart"] == "unless-stopped"
    assert service["logging"]["options"]["max-size"]
    for port in service.get("ports", []):
        assert port.startswith("127.0.0.1:"), f"{name} is open to the world"


@pytest.mark.parametrize("name", ["api", "worker"])
def test_own_services_wait_for_what_they_need_and_may_write_nowhere(name: str) -> None:
    service = SERVICES[name]

    assert service["depends_on"] == {need: {"condition": "service_healthy"} for need in ("redis", "postgres")}
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]


def test_a_worker_has_longer_than_its_grace_and_there_are_two() -> None:
    assert seconds(SERVICES["worker"]["stop_grace_period"]) > GRACE
    assert SERVICES["worker"]["deploy"]["replicas"] == 2


@pytest.mark.parametrize("name", ["redis", "postgres"])
def test_databases_have_a_volume_a_health_check_and_no_port(name: str) -> None:
    service = SERVICES[name]

    assert service["volumes"][0].split(":")[0] in COMPOSE["volumes"]
    assert service["healthcheck"]["test"]
    assert "ports" not in service


def test_secrets_come_from_the_file_that_is_kept_out() -> None:
    required = set(re.findall(r"\$\{(\w+):\?", FILE.read_text()))
    given = dict(line.split("=", 1) for line in EXAMPLE.splitlines() if re.match(r"\w+=", line))

    assert required == {"REDIS_PASSWORD", "POSTGRES_PASSWORD"}
    assert {name: given[name] for name in (*required, "TORIL_SECRET_KEYS")} == dict.fromkeys(
        (*required, "TORIL_SECRET_KEYS"), ""
    )


async def test_its_redis_keeps_jobs_and_asks_for_a_password(tmp_path: Path) -> None:
    shell, flags, script = SERVICES["redis"]["command"]
    port, server = free_port(), Path(program("redis-server", "redis-server"))
    script = script.replace("$$", "$").replace("dir /data", f"dir {tmp_path}\nport {port}\nbind 127.0.0.1")
    env = {"PATH": f"{server.parent}:{os.environ['PATH']}", "REDIS_PASSWORD": "p" * 40, "REDIS_MEMORY": "64mb"}
    with subprocess.Popen([shell, flags, script], env=env, stdout=subprocess.DEVNULL) as process:
        try:
            check = SERVICES["redis"]["healthcheck"]["test"][1].replace("$$", "$").replace("cli", f"cli -p {port}")
            await until(lambda: subprocess.run(["sh", "-c", check], env=env, check=False).returncode == 0)
            assert "p" * 40 not in Path(f"/proc/{process.pid}/cmdline").read_text()
            with redis.Redis(port=port) as stranger, pytest.raises(redis.AuthenticationError):
                stranger.ping()
            with redis.Redis(port=port, password="p" * 40, decode_responses=True) as client:
                found = client.config_get("*")
            kept = ("appendonly", "appendfsync", "maxmemory-policy", "maxmemory")
            assert [found[name] for name in kept] == ["yes", "everysec", "noeviction", str(64 * 2**20)]
        finally:
            process.terminate()
        assert process.wait(10) == 0
