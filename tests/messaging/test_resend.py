"""The HTTP provider, against a server on this machine that speaks its documented API."""

import asyncio
import base64
import contextlib
import json
from email.message import EmailMessage
from types import SimpleNamespace

import pytest

from toril.messaging.transport import Busy, Envelope, NotNow, NotSent, Resend, Undecided

ACCEPTED = (200, {"id": "49a3999c-0ce1-4ea6-ab68-afcd6dc2e794"}, {})


def refusal(status, name, message="no", **headers):
    return (status, {"statusCode": status, "name": name, "message": message}, headers)


class Api:
    """`POST /emails`: an answer a request, or None to hang up."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.requests = []
        self.story = []

    async def __aenter__(self):
        self.tasks = set()
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self.server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_):
        self.server.close()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self.server.wait_closed()

    async def _serve(self, reader, writer):
        self.tasks.add(asyncio.current_task())
        self.story.append("connected")
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
                await self._talk(reader, writer)
        finally:
            writer.close()

    async def _talk(self, reader, writer):
        while head := await reader.readuntil(b"\r\n\r\n"):
            first, *lines = head.decode().strip().split("\r\n")
            headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
            body = json.loads(await reader.readexactly(int(headers["content-length"])))
            self.story.append("requested")
            self.requests.append(SimpleNamespace(line=first, headers=headers, body=body))
            answer = self.answers.pop(0)
            if answer is None:
                break
            status, body, extra = answer
            text = json.dumps(body).encode()
            top = {"content-type": "application/json", "content-length": str(len(text)), **extra}
            fields = "".join(f"{name}: {value}\r\n" for name, value in top.items())
            writer.write(f"HTTP/1.1 {status} X\r\n{fields}\r\n".encode() + text)


def a_mail():
    message = EmailMessage()
    message["From"] = "Shop <shop@example.com>"
    message["To"] = "Ana Ruiz <ana@example.com>"
    message["Subject"] = "Xin chào 🐂"
    message["Message-ID"] = "<m1@example.com>"
    message["Reply-To"] = "help@example.com"
    message["List-Unsubscribe"] = "<https://shop.example/u>"
    message.set_content("Hello\n")
    message.add_alternative("<p>Hello</p>\n", subtype="html")
    message.add_attachment(b"%PDF", maintype="application", subtype="pdf", filename="bill.pdf")
    return Envelope("shop@example.com", "ana@example.com", message.as_bytes(), key="m1")


async def attempt(api, mail=None, began=None, **options):
    async def begin():
        api.story.append("began")
        if began:
            raise began

    transport = Resend("re_key", base_url=api.url, **options)
    try:
        return await transport.send(mail or a_mail(), begin)
    finally:
        await transport.close()


async def test_a_mail_is_handed_over_as_documented():
    async with Api(ACCEPTED) as api:
        assert await attempt(api) == f"200 {ACCEPTED[1]['id']}"
    (request,) = api.requests
    assert request.line == "POST /emails HTTP/1.1"
    assert request.headers["authorization"] == "Bearer re_key"
    assert request.headers["idempotency-key"] == "m1"
    assert request.body == {
        "from": "Shop <shop@example.com>",
        "to": ["Ana Ruiz <ana@example.com>"],
        "subject": "Xin chào 🐂",
        "headers": {"Message-ID": "<m1@example.com>", "List-Unsubscribe": "<https://shop.example/u>"},
        "tags": [{"name": "toril_id", "value": "m1"}],
        "reply_to": ["help@example.com"],
        "text": "Hello\n",
        "html": "<p>Hello</p>\n",
        "attachments": [
            {
                "filename": "bill.pdf",
                "content": base64.b64encode(b"%PDF").decode(),
                "content_type": "application/pdf",
            }
        ],
    }


async def test_it_begins_between_the_connection_and_the_first_byte():
    async with Api(ACCEPTED) as api:
        await attempt(api)
        assert api.story == ["connected", "began", "requested"]
        with pytest.raises(LookupError):
            await attempt(api, began=LookupError("somebody else sends it"))
        assert len(api.requests) == 1


@pytest.mark.parametrize(
    ("answer", "code", "permanent", "unreachable"),
    [
        (refusal(422, "validation_error", "Invalid `to` field"), "422 validation_error", True, False),
        (refusal(400, "invalid_attachment"), "400 invalid_attachment", True, False),
        (refusal(401, "missing_api_key"), "401 missing_api_key", False, True),
        (refusal(403, "invalid_api_key"), "403 invalid_api_key", False, True),
        (refusal(404, "not_found"), "404 not_found", False, True),
    ],
)
async def test_refusals_by_class(answer, code, permanent, unreachable):
    async with Api(answer) as api:
        with pytest.raises(NotSent) as outcome:
            await attempt(api)
    assert (outcome.value.code, outcome.value.permanent, outcome.value.unreachable) == (code, permanent, unreachable)
    assert outcome.value.text == f"{code}: {answer[1]['message']}"


@pytest.mark.parametrize(
    ("answer", "pause"),
    [
        (refusal(429, "rate_limit_exceeded", **{"retry-after": "7"}), 7),
        (refusal(429, "daily_quota_exceeded"), 3600),
        (refusal(429, "rate_limit_exceeded"), 2),  # the lane's own
    ],
)
async def test_too_many_requests_name_the_time(answer, pause):
    async with Api(answer) as api:
        with pytest.raises(Busy) as outcome:
            await attempt(api)
    assert round(outcome.value.retry_after) == pause


async def test_after_too_many_requests_nothing_is_tried_for_a_while():
    async with Api(refusal(429, "rate_limit_exceeded", **{"retry-after": "7"})) as api:
        transport = Resend("re_key", base_url=api.url)
        for outcome in (Busy, NotNow):
            with pytest.raises(outcome):
                await transport.send(a_mail(), lambda: asyncio.sleep(0))
        await transport.close()
        assert len(api.requests) == 1


@pytest.mark.parametrize(
    ("answer", "repeatable"),
    [
        (None, True),
        (refusal(500, "application_error"), True),
        (refusal(409, "concurrent_idempotent_requests"), True),
        (refusal(409, "invalid_idempotent_request"), False),
    ],
)
async def test_what_may_have_been_taken_is_undecided(answer, repeatable):
    async with Api(answer) as api:
        with pytest.raises(Undecided) as outcome:
            await attempt(api)
    assert outcome.value.repeatable is repeatable


async def test_no_connection_is_not_sent_and_nothing_began():
    async with Api() as api:
        pass
    with pytest.raises(NotSent, match="no connection"):
        await attempt(api)
    assert api.story == []


async def test_an_answer_that_was_lost_is_asked_for_again_under_the_same_key(open_shop, clock):
    """The key makes the repetition harmless, whatever the type's policy."""
    async with Api(None, ACCEPTED) as api:
        shop = open_shop(api.url.replace("http://", "resend://:re_key@"))
        handle = await shop.welcome()
        await shop.work()
        clock.advance(60)
        await shop.work()
        assert await shop.story(handle) == ["queued", "attempt", "unknown", "resend", "attempt", "sent"]
    assert [request.headers["idempotency-key"] for request in api.requests] == [handle.id] * 2
    first, second = (request.body for request in api.requests)
    assert first == second
