"""The servers of the tests do what tests rely on."""

from __future__ import annotations

from threading import Timer

import pytest
import redis

from redis_servers import NoServer, Servers, find_program, forget, pass_time
from redis_servers.server import until


def test_the_shared_server_answers_and_each_test_has_a_prefix(redis_client: redis.Redis, prefix: str) -> None:
    assert redis_client.ping()
    redis_client.set(f"{prefix}:queue:id", 1)
    redis_client.set(f"{prefix}x:queue:id", 1)
    forget(redis_client, prefix)
    assert redis_client.exists(f"{prefix}:queue:id", f"{prefix}x:queue:id") == 1
    redis_client.delete(f"{prefix}x:queue:id")


def test_time_passes_for_what_would_expire(redis_client: redis.Redis, prefix: str) -> None:
    redis_client.set(f"{prefix}:q:lock", "token", px=30_000)
    redis_client.set(f"{prefix}:q:limiter", 1, px=5_000)
    redis_client.set(f"{prefix}:q:id", 7)

    pass_time(redis_client, prefix, 10)

    assert 19_000 < redis_client.pttl(f"{prefix}:q:lock") <= 20_000
    assert not redis_client.exists(f"{prefix}:q:limiter")
    assert redis_client.get(f"{prefix}:q:id") == "7"


def test_a_private_server_keeps_nothing_unless_it_is_told_to(redis_servers: Servers) -> None:
    plain, durable = redis_servers.single(), redis_servers.durable()
    for server in (plain, durable):
        with server.client() as client:
            client.set("key", "value")
        server.kill()
        server.start()
    with plain.client() as client:
        assert client.get("key") is None
    with durable.client() as client:
        assert client.get("key") == "value"


def test_a_server_can_stand_still(redis_servers: Servers) -> None:
    server = redis_servers.single()
    with server.client(socket_timeout=0.1, retry=None) as client:
        server.pause()
        with pytest.raises(redis.TimeoutError):
            client.ping()
        server.resume()
        assert until(client.ping, "the server goes on")


def test_configuration_is_the_callers(redis_servers: Servers) -> None:
    server = redis_servers.single(maxmemory="64mb", maxmemory_policy="allkeys-lru")
    with server.client() as client:
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "allkeys-lru"}


def test_passwords_users_and_tls(redis_servers: Servers) -> None:
    with redis_servers.with_password().client() as client:
        assert client.set("key", "value")
    with redis_servers.with_user("mine").client() as client:
        assert client.set("mine:key", "value")
        with pytest.raises(redis.exceptions.NoPermissionError):
            client.set("yours:key", "value")
    server, authority = redis_servers.with_tls()
    with server.client(ssl_cert_reqs="required", ssl_ca_certs=str(authority), ssl_check_hostname=True) as client:
        assert client.ping()
    with (
        server.client(ssl_cert_reqs="required", retry=None) as client,
        pytest.raises(redis.ConnectionError, match=r"certificate verify failed"),
    ):
        client.ping()


@pytest.mark.slow
def test_sentinels_choose_another_master(redis_servers: Servers) -> None:
    sentinels = redis_servers.sentinels()
    old = sentinels.master
    with old.client() as client:
        client.set("key", "value")
        assert client.wait(1, 1_000) >= 1
        Timer(0.2, client.set, ("late", "value")).start()
        new = sentinels.fail_over(behind=0.5)
    assert new is not old
    with new.client() as client:
        assert client.get("key") == "value"
        assert client.get("late") is None  # its master took it, and told nobody


def test_a_slot_of_a_cluster_moves_with_its_keys(redis_servers: Servers) -> None:
    cluster = redis_servers.cluster()
    slot = cluster.slot("{queue}:1")
    source = cluster.owner(slot)
    with source.client() as client:
        for number in range(50):
            client.hset(f"{{queue}}:{number}", "data", "x")
    target = next(node for node in cluster.nodes if node is not source)

    assert cluster.move_slot(slot, target) == 50

    assert cluster.owner(slot) is target
    with target.client() as client:
        assert client.hget("{queue}:49", "data") == "x"


def test_a_machine_without_a_server_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_SERVER", "no-such-program")
    with pytest.raises(NoServer, match="no-such-program"):
        find_program()
