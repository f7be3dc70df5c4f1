"""Who gets in, what they may do, and that nothing is done by who must not."""

from __future__ import annotations

from pathlib import Path

import pytest
from fastapi import FastAPI

from dashboard.office import BASE, KEY, PASSWORD, Browser, Office
from prepared import lay_tables
from toril import Toril
from toril.errors import ConfigurationError
from toril.settings import Settings
from toril.web import Principal, Role, dashboard_router
from toril.web.dashboard import door
from toril.web.dashboard.pages import MAIL_PAGES, MAILBOX_PAGES, PAGES
from toril.web.database import Database
from toril.web.users import Users

CLOSED = [(method, path) for method, path, _ in [*PAGES, *MAIL_PAGES, *MAILBOX_PAGES]]
OPEN = [path for _, path, _ in door.PAGES]


def filled(path: str) -> str:
    """Return the path of a page about something that exists or not: the door does not look."""
    return BASE + path.format(queue="line", id="1")


async def test_nothing_answers_a_stranger_but_the_door(office: Office) -> None:
    client = office.browser().client
    before = await office.app.queue("line").counts()
    for method, path in CLOSED:
        answer = await client.request(method, filled(path), follow_redirects=False)
        assert answer.status_code == 303, path
        assert answer.headers["location"].startswith(f"{BASE}/login"), path
        assert answer.content == b"", path
    assert await office.app.queue("line").counts() == before


async def test_who_may_only_look_changes_nothing(office: Office, noor: Browser) -> None:
    before = await office.app.queue("line").counts()
    for method, path in CLOSED:
        if method == "POST":
            answer = await noor.post(filled(path), verb="remove", scope="all", state="failed")
            assert answer.status_code == 403, path
    assert await office.app.queue("line").counts() == before
    assert await office.app.queue("line").paused() is None


async def test_the_audit_log_is_for_administrators_as_over_the_api(maria: Browser, noor: Browser) -> None:
    assert (await maria.get("/audit")).status_code == 200
    refused = await noor.get("/audit")
    assert refused.status_code == 403
    assert "is for administrators" in refused.text
    assert "/audit" not in (await noor.get("/")).text


async def test_a_page_of_the_audit_log_that_cannot_be_is_the_first(maria: Browser) -> None:
    await maria.post("/queues/line/pause")
    for before in ("9" * 30, "9" * 5_000, "x", "-1"):
        answer = await maria.get("/audit", before=before)
        assert answer.status_code == 200, before[:40]
        assert "pause</b>" in answer.text


async def test_who_may_only_send_does_not_look(office: Office) -> None:
    script = await office.browser().client.post(
        f"{BASE}/login", data={"name": "script", "password": PASSWORD, "next": ""}
    )
    assert script.status_code == 403


async def test_a_form_without_the_sessions_token_does_nothing(office: Office, maria: Browser) -> None:
    for method, path in CLOSED:
        if method == "POST":
            answer = await maria.post(filled(path), csrf=False, csrf_token="forged")
            assert answer.status_code == 403, path
    assert await office.app.queue("line").paused() is None


async def test_a_wrong_password_is_told_without_saying_which_part(office: Office) -> None:
    client = office.browser().client
    wrong = await client.post(f"{BASE}/login", data={"name": "maria", "password": "wrong", "next": ""})
    nobody = await client.post(f"{BASE}/login", data={"name": "nobody", "password": "wrong", "next": ""})
    assert wrong.status_code == nobody.status_code == 401
    said = "Name and password do not belong together."
    assert said in wrong.text
    assert said in nobody.text


@pytest.mark.parametrize(
    ("wanted", "reached"),
    [
        (f"{BASE}/errors", f"{BASE}/errors"),
        (f"{BASE}/queues/line?state=failed", f"{BASE}/queues/line?state=failed"),
        ("https://evil.test/", f"{BASE}/"),
        ("//evil.test/", f"{BASE}/"),
        (f"{BASE}/\\evil.test", f"{BASE}/"),
        ("/elsewhere", f"{BASE}/"),
        ("", f"{BASE}/"),
    ],
)
async def test_a_login_leads_to_our_pages_alone(office: Office, wanted: str, reached: str) -> None:
    form = {"name": "maria", "password": PASSWORD, "next": wanted}
    answer = await office.browser().client.post(f"{BASE}/login", data=form, follow_redirects=False)
    assert answer.headers["location"] == reached


async def test_another_sites_page_can_neither_log_in_nor_out(office: Office, maria: Browser) -> None:
    foreign = {"origin": "https://evil.test", "sec-fetch-site": "cross-site"}
    for path in ("/login", "/logout", "/theme", "/queues/line/pause"):
        answer = await maria.client.post(BASE + path, headers=foreign, data={"name": "maria"})
        assert answer.status_code == 403, path


async def test_a_session_ends_with_its_logout(maria: Browser) -> None:
    copied = dict(maria.client.cookies)
    await maria.post("/logout")
    answer = await maria.get("/errors")
    assert answer.url.path == f"{BASE}/login"
    maria.client.cookies.update(copied)
    answer = await maria.get("/errors")
    assert answer.url.path == f"{BASE}/login"


async def test_what_comes_after_the_session_is_not_done_and_leads_back(office: Office, maria: Browser) -> None:
    await maria.post("/logout")
    form = {"referer": f"http://shop.test{BASE}/queues/line?state=failed"}
    answer = await maria.client.post(f"{BASE}/queues/line/pause", headers=form)
    assert "nothing was done" in answer.text
    assert answer.url.params["next"] == f"{BASE}/queues/line?state=failed"
    assert await office.app.queue("line").paused() is None
    stranger = await office.browser().client.post(
        f"{BASE}/logout", headers={"referer": "https://evil.test/x"}, follow_redirects=False
    )
    assert stranger.headers["location"] == f"{BASE}/login"


async def test_a_form_that_cannot_be_done_leads_back_to_its_page(maria: Browser) -> None:
    page = f"{BASE}/queues/line?state=failed"
    answer = await maria.client.post(f"{BASE}/queues/line/pause", headers={"referer": f"http://shop.test{page}"})
    assert answer.status_code == 403
    assert answer.text.count(page) == 2  # of the page that says so, and of the choice of a theme


async def test_a_form_that_is_too_large_is_not_read(maria: Browser) -> None:
    answer = await maria.client.post(f"{BASE}/queues/line/add", content=b"x" * 2_100_000)
    assert answer.status_code == 413


async def test_a_theme_is_kept(maria: Browser) -> None:
    answer = await maria.post("/theme", theme="dark", back=f"{BASE}/errors")
    assert answer.url.path == f"{BASE}/errors"
    assert '<html lang="en" data-theme="dark">' in answer.text
    answer = await maria.post("/theme", theme="system", back=f"{BASE}/errors")
    assert 'data-theme="system"' in answer.text


async def test_read_only_refuses_everybody(office: Office) -> None:
    host = FastAPI()
    host.include_router(dashboard_router(office.app, read_only=True), prefix=BASE)
    maria = await Browser(host).login("maria")
    assert (await maria.post("/queues/line/pause")).status_code == 403
    assert "Pause…" not in (await maria.get("/queues/line")).text
    assert (await maria.get("/messages")).status_code == 404  # no mailer, no pages of mail
    await maria.client.aclose()


async def test_the_hosts_own_users_come_in_by_its_own_door(office: Office) -> None:
    async def authenticate(request: object) -> Principal | None:
        name = request.headers.get("x-user")  # type: ignore[attr-defined]
        return Principal(name, frozenset({Role.ADMIN})) if name else None

    host = FastAPI()

    @host.get(f"{BASE}/own")
    async def own() -> str:
        return "the host's"

    host.include_router(dashboard_router(office.app, authenticate=authenticate), prefix=BASE)
    browser = Browser(host)
    assert (await browser.get("/errors")).status_code == 401
    assert (await browser.get("/own")).json() == "the host's"
    answer = await browser.client.post(f"{BASE}/queues/line/pause", headers={"x-user": "root"}, data={"why": "x"})
    assert answer.status_code == 200
    assert (await office.app.queue("line").paused())["by"] == "root"
    await browser.client.aclose()


async def test_two_mounts_show_what_is_theirs(office: Office, tmp_path: object) -> None:
    other = Toril(f"sqlite:///{tmp_path}/other.db", settings=Settings(env={}, dotenv=None, secret_keys=KEY))
    await other.queue("of the other").add("anything")

    def everybody(_: object) -> Principal:
        return Principal("root", frozenset({Role.READ}))

    host = FastAPI()
    host.include_router(dashboard_router(office.app, authenticate=everybody), prefix="/one")
    host.include_router(dashboard_router(other, authenticate=everybody), prefix="/two")
    client = Browser(host).client
    one, two = (await client.get("/one/")).text, (await client.get("/two/")).text
    assert 'href="/one/queues/line"' in one
    assert "of the other" in two
    assert "/one/" not in two
    assert "/two/" not in one
    await client.aclose()
    await other.close()


async def test_two_mounts_with_users_of_their_own_do_not_sign_each_other_out(office: Office, tmp_path: Path) -> None:
    url = lay_tables(f"sqlite:///{tmp_path / 'other.db'}")
    other = Toril(
        f"sqlite:///{tmp_path}/jobs.db", settings=Settings(env={}, dotenv=None, secret_keys=KEY, mail_log_url=url)
    )
    await Users(Database.of(other), other.clock).put("maria", PASSWORD, ["read"])
    host = FastAPI()
    host.include_router(dashboard_router(office.app), prefix=BASE)
    host.include_router(dashboard_router(other), prefix="/two")
    maria = await Browser(host).login("maria")
    assert (await maria.client.get("/two/workers")).url.path == "/two/login"  # she is another one there
    await maria.client.post("/two/login", data={"name": "maria", "password": PASSWORD, "next": ""})
    assert "read only" in (await maria.client.get("/two/workers")).text
    assert "read only" not in (await maria.get("/workers")).text
    await maria.client.aclose()
    await other.close()


def test_without_a_secret_there_is_no_dashboard(settings: Settings) -> None:
    with pytest.raises(ConfigurationError, match="TORIL_SECRET_KEYS"):
        dashboard_router(Toril("sqlite:///x.db", settings=settings))
