"""A mail is sent in the trace in which it was accepted, by whatever way it gets there."""

import re
import sqlite3

import pytest
import sqlalchemy as sa
from opentelemetry.trace import SpanKind, StatusCode
from shops import WELCOME
from test_resend import ACCEPTED, Api

from toril.messaging import Recipient
from toril.messaging.database import log_url, open_engine
from toril.messaging.transport import Resend
from traces import is_child, trace_of


async def test_from_the_request_to_the_server(shop_at, mailbox, traces):
    with traces.request() as request:
        handle = await shop_at.welcome()
    await shop_at.work()
    added, ran, (sent,) = traces.one("enqueue email-queue"), traces.one("process email-queue"), clients(traces)
    assert {trace_of(span) for span in traces.all()} == {request}
    assert is_child(added, traces.one("request"))
    assert is_child(ran, added)
    assert is_child(sent, ran)
    assert sent.kind is SpanKind.CLIENT
    port = int(mailbox.url.rpartition(":")[2])
    assert sent.name == f"send 127.0.0.1:{port}"
    assert sent.attributes == {
        "messaging.system": "smtp",
        "messaging.operation.name": "send",
        "messaging.operation.type": "send",
        "messaging.message.id": handle.id,
        "server.address": "127.0.0.1",
        "server.port": port,
    }
    assert ran.attributes["toril.mail.id"] == handle.id
    assert ran.attributes["toril.mail.template"] == "welcome"
    assert ran.attributes["toril.mail.attempt"] == 1


def clients(traces):
    return [span for span in traces.all() if span.kind is SpanKind.CLIENT]


async def test_what_waits_for_its_time_goes_on_with_its_own_trace(shop_at, clock, traces):
    """The relay offers rows of several requests at once: no request is there any more."""
    requests = []
    for number in range(3):
        with traces.request() as request:
            await shop_at.welcome(f"ana+{number}@example.com", delay=60)
        requests.append(request)
    await shop_at.welcome("untraced@example.com", delay=60)
    clock.advance(120)
    assert await shop_at.relay() == 4
    await shop_at.work()
    assert {trace_of(span) for span in clients(traces)} > set(requests)
    assert len({trace_of(span) for span in clients(traces)}) == 4


async def test_in_the_callers_transaction_by_send_many_and_to_copies(shop, mailbox, traces, tmp_path):
    with traces.request() as many:
        await shop.mailer.send_many("welcome", [Recipient(f"a{n}@example.com") for n in range(3)], context=WELCOME)
    with traces.request() as copies:
        await shop.welcome(cc="bob@example.com")
    await shop.work()
    assert sorted(trace_of(span) for span in clients(traces)) == sorted([many] * 3 + [copies] * 2)
    assert len(mailbox.mails) == 5


async def test_each_attempt_is_a_span_and_tells_a_code_alone(shop, clock, traces):
    with traces.request() as request:
        await shop.welcome("later@example.com")
        await shop.welcome("nobody@example.com")
    for _ in range(2):
        await shop.work()
        clock.advance(60)
    failed = [span for span in clients(traces) if span.status.status_code is StatusCode.ERROR]
    assert len(failed) >= 2
    assert {trace_of(span) for span in clients(traces)} == {request}
    for span in failed:
        assert span.status.description == span.attributes["error.type"]
        assert re.fullmatch(r"[45]\d\d( \d\.\d+\.\d+)?", span.attributes["error.type"])
    final = [span for span in traces.named("process email-queue") if span.status.status_code is StatusCode.ERROR]
    assert [span.status.description for span in final] == ["PermanentFailure 550 5.1.1"]
    assert "@example.com" not in traces.text()


async def test_a_providers_api(open_shop, traces):
    async with Api(ACCEPTED) as api:
        shop = open_shop(Resend("key", base_url=api.url))
        with traces.request() as request:
            await shop.welcome()
        await shop.work()
        (sent,) = clients(traces)
        assert trace_of(sent) == request
        assert sent.attributes["messaging.system"] == "resend"
        await shop.app.close()


async def test_the_key_of_a_message_knows_nothing_of_traces(shop, traces):
    with traces.request():
        first = await shop.welcome(key="k")
    with traces.request():
        assert (await shop.welcome(key="k")).id == first.id


@pytest.mark.parametrize("traced", [True, False])
async def test_the_row_has_what_was_carried(shop, traces, tmp_path, traced):
    if traced:
        with traces.request() as request:
            await shop.welcome()
    else:
        await shop.welcome()
    with sqlite3.connect(tmp_path / "mail.db") as connection:
        [(carried,)] = connection.execute("SELECT trace FROM email_logs").fetchall()
    assert (request in carried) if traced else (carried is None)


async def test_a_log_of_before_gets_the_column(shop_at, place):
    """The schema of the version before, with a mail in it."""
    await shop_at.welcome("old@example.com")
    await shop_at.app.close()
    engine = await open_engine(log_url(place))
    async with engine.begin() as connection:
        await connection.execute(sa.text("ALTER TABLE email_logs DROP COLUMN trace"))
        await connection.execute(sa.text("UPDATE toril_mail_version SET version_num = '0001'"))
    await engine.dispose()
    await shop_at.welcome("new@example.com")
    await shop_at.work()
    assert {mail.status for mail in (await shop_at.mailer.log()).mails} == {"sent"}
