"""Who may come in: tokens, users, sessions, and what the audit log keeps of them."""

from __future__ import annotations

import pytest
from fastapi import Request, Response

from prepared import hash_quickly, lay_tables
from toril.errors import InvalidOption
from toril.web.audit import Audit
from toril.web.auth import Principal, Role
from toril.web.database import Database
from toril.web.desk import Desk
from toril.web.problems import Problem
from toril.web.users import FREE

PASSWORD = "correct horse battery"
OPERATOR = Principal("ana", frozenset({Role.ADMIN}))
KEYS = ("k" * 40, "old" * 20)


@pytest.fixture
def desk(make_app, clock, tmp_path, monkeypatch):
    hash_quickly(monkeypatch)
    lay_tables(f"sqlite:///{tmp_path}/jobs-mail.db")
    return Desk(make_app(clock, secret_keys=",".join(KEYS)))


def request(cookie: str = "", method: str = "GET", **headers: str) -> Request:
    sent = {"host": "ops.example.com", **headers, **({"cookie": cookie} if cookie else {})}
    listed = [(name.replace("_", "-").encode(), value.encode()) for name, value in sent.items()]
    scope = {"type": "http", "method": method, "path": "/", "scheme": "https", "headers": listed, "server": ("x", 443)}
    return Request(scope)


async def signed_in(desk: Desk) -> str:
    """Return the cookie of a fresh session."""
    await desk.users.put("ana", PASSWORD, ["admin"])
    response = Response()
    desk.sessions.begin(request(), response, await desk.users.login("ana", PASSWORD, "10.0.0.1"))
    return response.headers["set-cookie"].partition(";")[0]


async def test_a_token_opens_until_it_expires_and_is_kept_as_a_hash(desk, clock):
    token, secret = await desk.tokens.create("deploy", ["read", "send"], days=1)

    found = await desk.tokens.find(secret)
    assert found == Principal("deploy", frozenset({Role.READ, Role.SEND}), f"token:{token.id}")
    assert not found.may(Role.ADMIN)
    assert secret not in repr(await desk.tokens.list())
    assert await desk.tokens.find(secret[:-1]) is None
    clock.advance(86_400)
    assert await desk.tokens.find(secret) is None


async def test_a_revoked_token_opens_nothing(desk):
    token, secret = await desk.tokens.create("ci", ["admin"], days=None)

    assert await desk.tokens.revoke(token.id)
    assert await desk.tokens.find(secret) is None
    assert not await desk.tokens.revoke(token.id)
    assert not await desk.tokens.revoke("none")


@pytest.mark.parametrize("roles", [[], ["root"], ["read", "root"]])
async def test_a_token_has_roles_that_exist(desk, roles):
    with pytest.raises(InvalidOption, match="role: expected"):
        await desk.tokens.create("x", roles)


async def test_a_user_signs_in_with_the_password_alone(desk):
    await desk.users.put("ana", PASSWORD, ["read"])

    assert (await desk.users.login("ana", PASSWORD, "10.0.0.1")).roles == {Role.READ}
    assert await desk.users.login("ana", PASSWORD + "!", "10.0.0.1") is None
    assert await desk.users.login("bo", PASSWORD, "10.0.0.1") is None
    assert PASSWORD not in (await desk.users.get("ana")).password


async def test_failed_logins_have_to_wait_longer_and_longer(desk, clock):
    await desk.users.put("ana", PASSWORD, ["admin"])
    for _ in range(FREE):
        assert await desk.users.login("ana", "wrong", "10.0.0.1") is None

    with pytest.raises(Problem) as by_name:
        await desk.users.login("ana", PASSWORD, "10.9.9.9")
    assert (by_name.value.status, by_name.value.headers) == (429, {"Retry-After": "2"})
    with pytest.raises(Problem):  # another name from the same place
        await desk.users.login("bo", PASSWORD, "10.0.0.1")
    clock.advance(2)
    assert await desk.users.login("ana", "wrong", "10.0.0.1") is None
    with pytest.raises(Problem) as again:
        await desk.users.login("ana", PASSWORD, "10.0.0.1")
    assert again.value.headers == {"Retry-After": "4"}
    clock.advance(4)
    assert await desk.users.login("ana", PASSWORD, "10.0.0.1")
    assert await desk.users.login("ana", "wrong", "10.0.0.1") is None  # counted anew


async def test_guessing_at_a_name_does_not_lock_out_who_bears_it(desk):
    await desk.users.put("ana", PASSWORD, ["admin"])
    response = Response()
    desk.sessions.begin(request(), response, OPERATOR)
    cookies = "; ".join(cookie.partition(";")[0] for cookie in response.headers.getlist("set-cookie"))
    hers = desk.sessions.browser(request(cookies), "ana")
    assert desk.sessions.browser(request(cookies), "bo") is None
    assert desk.sessions.browser(request(cookies.swapcase()), "ana") is None
    for number in range(FREE):
        assert await desk.users.login("ana", "wrong", f"10.0.0.{number}") is None

    with pytest.raises(Problem):
        await desk.users.login("ana", PASSWORD, "10.9.9.9")
    assert (await desk.users.login("ana", PASSWORD, "10.9.9.9", hers)).name == "ana"
    for _ in range(FREE):
        assert await desk.users.login("ana", "wrong", "10.9.9.9", hers) is None
    with pytest.raises(Problem):  # a stolen cookie is no way around
        await desk.users.login("ana", PASSWORD, "10.9.9.9", hers)


@pytest.mark.parametrize(
    ("tries", "then", "one_place"),
    [
        ("2001:db8:1:2::{}", "2001:db8:1:2:ffff::1", True),
        ("2001:db8:1:2::{}", "2001:db8:1:3::1", False),
        ("::ffff:10.0.0.1", "10.0.0.1", True),
        ("::ffff:10.0.0.1", "::ffff:10.0.0.2", False),
    ],
)
async def test_a_network_of_ipv6_is_one_place(desk, tries, then, one_place):
    for number in range(FREE):
        assert await desk.users.login(f"nobody {number}", "wrong", tries.format(number)) is None
    if one_place:
        with pytest.raises(Problem):
            await desk.users.login("bo", "wrong", then)
    else:
        assert await desk.users.login("bo", "wrong", then) is None


async def test_a_session_lasts_a_working_day(desk, clock):
    cookie = await signed_in(desk)

    assert (await desk.sessions.principal(request(cookie))).name == "ana"
    assert await desk.sessions.principal(request(cookie + "x")) is None
    clock.advance(12 * 3600)
    assert await desk.sessions.principal(request(cookie)) is None


async def test_a_session_that_was_ended_is_over_for_a_copy_of_its_cookie_too(desk):
    cookie, other = await signed_in(desk), await signed_in(desk)

    await desk.sessions.end(request(cookie), Response())
    assert await desk.sessions.principal(request(cookie)) is None
    assert (await desk.sessions.principal(request(other))).name == "ana"
    await desk.sessions.end(request(cookie), Response())  # again
    await desk.sessions.end(request(), Response())  # of nobody


async def test_a_session_opens_the_application_alone_whose_user_it_is(desk, make_app, clock, tmp_path):
    cookie = await signed_in(desk)

    other = Desk(make_app(clock, secret_keys=KEYS[0], mail_log_url=f"sqlite:///{tmp_path / 'other.db'}"))
    await other.users.put("ana", PASSWORD, ["admin"])  # another person
    name, _, value = cookie.partition("=")
    assert name != other.sessions.cookie
    assert await other.sessions.principal(request(f"{other.sessions.cookie}={value}")) is None


async def test_a_new_password_ends_sessions_and_so_does_removal(desk, clock):
    cookie = await signed_in(desk)
    clock.advance(1)
    await desk.users.put("ana", PASSWORD + "2", ["admin"])
    assert await desk.sessions.principal(request(cookie)) is None

    cookie = await signed_in(desk)
    assert await desk.users.remove("ana")
    assert await desk.sessions.principal(request(cookie)) is None


async def test_a_cookie_is_for_the_server_alone_and_for_https(desk):
    response = Response()
    desk.sessions.begin(request(), response, OPERATOR)

    sent = response.headers["set-cookie"].lower()
    assert all(word in sent for word in ("httponly", "secure", "samesite=lax", "max-age=43200"))
    assert "ana" not in sent.partition(";")[0].partition("=")[0]


async def test_keys_can_be_changed(desk, make_app, clock):
    cookie = await signed_in(desk)

    newer = Desk(make_app(clock, secret_keys="n" * 40 + "," + KEYS[0]))
    assert (await newer.sessions.principal(request(cookie))).name == "ana"
    other = Desk(make_app(clock, secret_keys="n" * 40))
    assert await other.sessions.principal(request(cookie)) is None


async def test_a_form_belongs_to_its_session(desk):
    mine, other = await signed_in(desk), await signed_in(desk)
    token = desk.sessions.csrf_token(request(mine))

    desk.sessions.check_csrf(request(mine), token)
    desk.sessions.check_csrf(request(mine, x_csrf_token=token), None)
    for asked, given in ((request(other), token), (request(mine), "x"), (request(), token), (request(mine), None)):
        with pytest.raises(Problem) as refused:
            desk.sessions.check_csrf(asked, given)
        assert refused.value.status == 403


@pytest.mark.parametrize(
    ("method", "headers", "fine"),
    [
        ("GET", {"sec_fetch_site": "cross-site"}, True),
        ("POST", {"sec_fetch_site": "same-origin"}, True),
        ("POST", {"sec_fetch_site": "cross-site"}, False),
        ("POST", {"sec_fetch_site": "same-site"}, False),
        ("POST", {"origin": "https://ops.example.com"}, True),
        ("POST", {"origin": "https://evil.example.com"}, False),
        ("POST", {"authorization": "Basic x", "origin": "https://evil.example.com"}, True),
        ("POST", {}, True),
    ],
)
async def test_a_host_s_users_change_nothing_from_another_site(make_app, method, headers, fine):
    desk = Desk(make_app(), authenticate=lambda _: OPERATOR)
    asked = request(method=method, **headers)

    if fine:
        assert await desk.auth.principal(asked) is OPERATOR
    else:
        with pytest.raises(Problem):
            await desk.auth.principal(asked)


async def test_a_host_answers_at_once_or_later(make_app):
    async def nobody(_: Request) -> None:
        return None

    assert await Desk(make_app(), authenticate=nobody).auth.principal(request()) is None


async def test_an_action_is_written_down_before_and_after(desk, clock):
    async with desk.audit.acting(OPERATOR, "retry", "emails", ids=["1", "2"], detail="selected") as act:
        (entry,) = await desk.audit.entries()
        assert (entry.outcome, entry.jobs, entry.count) == ("begun", '["1","2"]', None)
        act.ids = ["1"]
    (entry,) = await desk.audit.entries()
    assert (entry.who, entry.action, entry.queue, entry.outcome) == ("ana", "retry", "emails", "done")
    assert (entry.jobs, entry.count, entry.at, entry.detail) == ('["1"]', 1, clock.now(), "selected")


async def test_an_action_that_fails_says_so_without_its_words(desk):
    with pytest.raises(ValueError, match="hunter2"):
        async with desk.audit.acting(OPERATOR, "add", "emails"):
            raise ValueError("hunter2")
    (entry,) = await desk.audit.entries()
    assert entry.outcome == "failed: ValueError"


async def test_entries_are_paged_and_chosen(desk):
    for number in range(5):
        async with desk.audit.acting(OPERATOR, f"act{number}", "a" if number % 2 else "b"):
            pass
    first = await desk.audit.entries(limit=2)
    assert [entry.action for entry in first] == ["act4", "act3"]
    assert [entry.action for entry in await desk.audit.entries(limit=2, before=first[-1].id)] == ["act2", "act1"]
    assert [entry.action for entry in await desk.audit.entries(queue="a")] == ["act3", "act1"]
    assert await desk.audit.entries(who="bo") == []


async def test_two_processes_share_the_database(desk, make_app):
    _, secret = await desk.tokens.create("x", ["read"])

    other = make_app()
    assert Database.of(other) is not desk.database
    assert (await Desk(other).tokens.find(secret)).name == "x"
    assert Database.of(other) is Database.of(other)
    assert isinstance(Desk(other).audit, Audit)
