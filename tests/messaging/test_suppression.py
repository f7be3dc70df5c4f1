"""Who gets no mail: by hand, after a bounce, a complaint or a click; and which mail each of these stops."""

import base64
import hashlib
import hmac
import json
import re

import pytest
from hostile import Hostile

from toril.errors import InvalidAddress, InvalidMessage, InvalidOption, WebhookRefused
from toril.messaging import Context, MessageType
from toril.messaging.endpoints import MailEndpoints

SECRET = "whsec_" + base64.b64encode(b"a secret of 24 bytes and more").decode()
WAY_OUT = "https://shop.example/mail/unsubscribe"


class News(Context):
    text: str


@pytest.fixture
def folder(tmp_path):
    for name in ("news", "offers"):
        (tmp_path / "templates" / name).mkdir(parents=True)
        (tmp_path / "templates" / name / "subject.txt").write_text("News")
        (tmp_path / "templates" / name / "body.html").write_text("<p>{{ text }}</p>")
    return tmp_path / "templates"


@pytest.fixture
def shop(open_shop, mailbox, folder, place):
    settings = {"mail_webhook_secret": SECRET}
    shop = open_shop(mailbox.url, log_url=place, templates=folder, unsubscribe_url=WAY_OUT, settings=settings)
    shop.mailer.register(MessageType("news", News, kind="subscribed", category="news"))
    shop.mailer.register(MessageType("offers", News, kind="subscribed"))
    return shop


async def statuses(shop, to="ana@example.com"):
    """Send one of each kind and return what became of them: transactional, news, offers."""
    subscribed = [await shop.mailer.send(name, to=to, context={"text": "hi"}) for name in ("news", "offers")]
    handles = [await shop.welcome(to), *subscribed]
    await shop.work()
    return [(await handle.status()).value for handle in handles]


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        ("all", ["suppressed", "suppressed", "suppressed"]),
        ("subscribed", ["sent", "suppressed", "suppressed"]),
        ("news", ["sent", "suppressed", "sent"]),
        ("marketing", ["sent", "sent", "suppressed"]),
    ],
)
async def test_a_scope_stops_what_it_says(shop, scope, expected):
    assert await shop.mailer.suppress("Ana@Example.com", scope=scope)
    assert not await shop.mailer.suppress("ana@example.com", scope=scope)
    assert await statuses(shop, "ANA@example.com") == expected
    assert await shop.mailer.unsuppress("ana@example.com") == 1
    assert await statuses(shop) == ["sent"] * 3


async def test_it_is_looked_up_when_sending_too(shop, mailbox):
    handle = await shop.welcome()
    await shop.mailer.suppress("ana@example.com", reason="asked on the phone")
    await shop.work()
    row = await handle.row()
    assert (row.status, row.error, row.attempts) == ("suppressed", "asked on the phone (scope all)", 0)
    assert await shop.story(handle) == ["queued", "suppressed"]
    assert mailbox.mails == []
    await shop.mailer.unsuppress("ana@example.com")
    await handle.retry()
    await shop.work()
    assert await handle.status() == "sent"


async def test_a_suppressed_mail_has_no_job(shop):
    await shop.mailer.suppress("ana@example.com")
    handle = await shop.welcome()
    assert await shop.story(handle) == ["queued", "suppressed"]
    assert await shop.job(handle) is None


@pytest.mark.parametrize(
    ("code", "dead"), [("550 5.1.1 no such user", True), ("554 5.7.1 spam", False), ("550 no", False)]
)
async def test_a_mailbox_that_does_not_exist_gets_nothing_more(open_shop, code, dead):
    async with Hostile(lambda _, step: code if step == "RCPT" else None) as server:
        shop = open_shop(server.url)
        await shop.welcome()
        await shop.work()
        found = await shop.mailer.suppressions()
        assert [(one.address, one.scope, one.reason) for one in found] == [
            ("ana@example.com", "all", "hard bounce")
        ] * dead


async def test_the_list_is_paged(shop):
    for number in range(5):
        await shop.mailer.suppress(f"ana+{number}@example.com")
        shop.clock.advance(1)
    first = await shop.mailer.suppressions(limit=3)
    rest = await shop.mailer.suppressions(limit=3, after=first[-1])
    assert [one.address for one in [*first, *rest]] == [f"ana+{number}@example.com" for number in (4, 3, 2, 1, 0)]
    assert [one.address for one in await shop.mailer.suppressions(address="ana+2@example.com")] == ["ana+2@example.com"]


@pytest.mark.parametrize(
    ("arguments", "error", "fault"),
    [
        (("ana",), InvalidAddress, "^address: expected an address"),
        (("ana@example.com", "All mail"), InvalidOption, "^scope: expected all, subscribed or a category"),
        (("ana@example.com", "all", "a\nb"), InvalidMessage, "^reason: expected one line"),
    ],
)
async def test_bad_entries_are_refused(shop, arguments, error, fault):
    options = dict(zip(("scope", "reason"), arguments[1:], strict=False))
    with pytest.raises(error, match=fault):
        await shop.mailer.suppress(arguments[0], **options)


# -- one click out


async def link(shop, mailbox, name="news"):
    await shop.mailer.send(name, to="Ana <ana@example.com>", context={"text": "hi"})
    await shop.work()
    message = mailbox.mails[-1].message
    assert message["list-unsubscribe-post"] == "List-Unsubscribe=One-Click"
    found = message["list-unsubscribe"].strip("<>")
    assert found in message.get_body(("html",)).get_content().replace("&amp;", "&")
    assert found.startswith(f"{WAY_OUT}?token=")
    assert "example" not in found.removeprefix(WAY_OUT)  # "ana" stands in a random token now and then
    return found.partition("token=")[2]


async def test_only_subscribed_mail_has_a_way_out(shop, mailbox):
    await shop.welcome()
    await shop.work()
    assert mailbox.mails[0].message["list-unsubscribe"] is None
    await link(shop, mailbox)


async def test_a_click_stops_the_category_alone(shop, mailbox):
    token = await link(shop, mailbox)
    assert await shop.mailer.unsubscribe(token) == ("ana@example.com", "news")
    assert await statuses(shop) == ["sent", "suppressed", "sent"]
    assert [one.reason for one in await shop.mailer.suppressions()] == ["unsubscribed"]


async def test_a_link_outlives_a_change_of_keys_and_the_mail(open_shop, mailbox, shop, place):
    token = await link(shop, mailbox)
    keys = "another key of 32 characters or more,a key for tests of 32 characters or more"
    later = open_shop(mailbox.url, log_url=place, unsubscribe_url=WAY_OUT, settings={"secret_keys": keys})
    assert (await later.mailer.unsubscribe(token)).address == "ana@example.com"
    gone = open_shop(mailbox.url, log_url=place, unsubscribe_url=WAY_OUT, settings={"secret_keys": keys[:36]})
    with pytest.raises(InvalidMessage, match=r"^token: expected one that this application has made"):
        await gone.mailer.unsubscribe(token)


async def request(app, method, path, query="", body=b"", headers=()):
    sent = []
    scope = {"type": "http", "method": method, "path": path, "query_string": query.encode(), "headers": list(headers)}

    async def receive():
        return {"type": "http.request", "body": body}

    async def send(message):
        sent.append(message)

    await app(scope, receive, send)
    return sent[0]["status"], sent[1]["body"].decode()


async def test_the_page_asks_first_and_a_post_acts(shop, mailbox):
    token = await link(shop, mailbox)
    web = MailEndpoints(shop.mailer)
    status, page = await request(web, "GET", "/mail/unsubscribe", f"token={token}")
    assert (status, "Unsubscribe ana@example.com?" in page) == (200, True)
    assert await shop.mailer.suppressions() == []
    action = re.search('action="\\?token=([^"]+)"', page)[1]
    status, page = await request(web, "POST", "/mail/unsubscribe", f"token={action}", b"List-Unsubscribe=One-Click")
    assert (status, "You are unsubscribed" in page) == (200, True)
    assert len(await shop.mailer.suppressions()) == 1
    assert (await request(web, "POST", "/mail/unsubscribe", f"token={token}"))[0] == 200


@pytest.mark.parametrize(("method", "path", "expected"), [("GET", "/unsubscribe", 400), ("POST", "/unsubscribe", 400), ("PUT", "/unsubscribe", 404), ("GET", "/webhook", 404), ("POST", "/webhook", 401), ("GET", "/", 404), ("HEAD", "/unsubscribe", 400)])  # fmt: skip
async def test_other_requests_are_refused(open_shop, method, path, expected):
    shop = open_shop("memory://", unsubscribe_url=WAY_OUT)
    status, body = await request(MailEndpoints(shop.mailer), method, path, "token=<script>")
    assert status == expected
    assert "<script>" not in body


# -- what the provider reports


def signed(report, clock, secret=SECRET, age=0):
    body = report if isinstance(report, bytes) else json.dumps(report).encode()
    stamp = str(clock.now() // 1000 - age)
    key = base64.b64decode(secret.removeprefix("whsec_"))
    mac = base64.b64encode(hmac.new(key, b"msg_1." + stamp.encode() + b"." + body, hashlib.sha256).digest()).decode()
    return body, {"Svix-Id": "msg_1", "Svix-Timestamp": stamp, "Svix-Signature": f"v1,bm8= v1,{mac}"}


def bounce(kind="Permanent", **data):
    parts = {"message": "The mailbox\r\ndoes not exist", "subType": "General", "type": kind}
    return {"type": "email.bounced", "data": {"email_id": "x", "to": ["Ana@example.com"], "bounce": parts, **data}}


@pytest.mark.parametrize("tagged", [True, False])
async def test_a_hard_bounce_stops_everything(shop, tagged):
    await shop.welcome("bob@example.com")
    handle = await shop.welcome()
    await shop.work()
    report = bounce(tags={"toril_id": handle.id} if tagged else None)
    for _ in range(2):
        await shop.mailer.webhook(*signed(report, shop.clock))
    row = await handle.row()
    assert (row.status, row.error) == ("failed", "bounced: Permanent General The mailbox does not exist")
    assert await shop.story(handle) == ["queued", "attempt", "sent", "bounced"]
    assert await statuses(shop) == ["suppressed"] * 3


async def test_a_soft_bounce_and_a_delivery_are_noted(shop):
    handle = await shop.welcome()
    await shop.work()
    await shop.mailer.webhook(*signed(bounce("Transient"), shop.clock))
    await shop.mailer.webhook(*signed({"type": "email.delivered", "data": {"to": ["ana@example.com"]}}, shop.clock))
    await shop.mailer.webhook(*signed({"type": "email.opened", "data": {"to": ["ana@example.com"]}}, shop.clock))
    assert await handle.status() == "sent"
    assert await shop.story(handle) == ["queued", "attempt", "sent", "soft bounce", "delivered"]
    assert await shop.mailer.suppressions() == []


async def test_a_complaint_stops_what_is_subscribed(shop):
    await statuses(shop)
    for _ in range(2):
        await shop.mailer.webhook(
            *signed({"type": "email.complained", "data": {"to": ["ana@example.com"]}}, shop.clock)
        )
    assert await statuses(shop) == ["sent", "suppressed", "suppressed"]


async def test_what_is_not_signed_is_refused(shop, open_shop):
    body, headers = signed(bounce(), shop.clock)
    other = "whsec_" + base64.b64encode(b"another secret of 24 bytes").decode()
    for bad in (
        {},
        headers | {"Svix-Id": "msg_2"},
        signed(bounce(), shop.clock, other)[1],
        signed(bounce(), shop.clock, age=301)[1],
    ):
        with pytest.raises(WebhookRefused):
            await shop.mailer.webhook(body, bad)
    with pytest.raises(WebhookRefused):
        await shop.mailer.webhook(body + b" ", headers)
    with pytest.raises(WebhookRefused, match="TORIL_MAIL_WEBHOOK_SECRET is not set"):
        await open_shop("memory://").mailer.webhook(body, headers)
    assert await shop.mailer.suppressions() == []


@pytest.mark.parametrize("report", [b"", b"[]", b"{}", {"type": "email.bounced", "data": {}}, {"type": "email.bounced", "data": {"to": []}}, {"type": "email.bounced", "data": {"to": ["nobody"]}}])  # fmt: skip
async def test_what_is_no_report_is_refused(shop, report):
    with pytest.raises(InvalidMessage):
        await shop.mailer.webhook(*signed(report, shop.clock))


async def test_the_endpoint_takes_reports(shop):
    body, headers = signed(bounce(), shop.clock)
    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    web = MailEndpoints(shop.mailer)
    assert await request(web, "POST", "/mail/webhook", body=body, headers=raw) == (204, "")
    assert (await request(web, "POST", "/mail/webhook", body=body + b" ", headers=raw))[0] == 401
    assert (await request(web, "POST", "/mail/webhook", body=b" " * 1_000_001, headers=raw))[0] == 413
    assert len(await shop.mailer.suppressions()) == 1
