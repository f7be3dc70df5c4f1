"""Many recipients in one call."""

import asyncio
import sqlite3

import pytest

from toril.errors import InvalidMessage, InvalidOption, PartlySent, ResultTimeout
from toril.messaging import Attachment, Recipient

LINK = {"link": "https://shop.example/start"}


def people(number, **options):
    return [Recipient(f"ana+{index}@example.com", {"name": f"Ana {index}"}, **options) for index in range(number)]


async def test_each_recipient_is_a_row_and_a_job(shop_at, mailbox):
    seen = []
    batch = await shop_at.mailer.send_many(
        "welcome", people(120), context=LINK, progress=lambda done, total: seen.append((done, total))
    )
    assert (batch.total, batch.accepted, batch.suppressed, batch.duplicates, batch.invalid) == (120, 120, 0, 0, [])
    assert seen == [(120, 120)]
    assert (await shop_at.queue.counts())["prioritized"] == 120
    await shop_at.work()
    assert await batch.ended(10) == {"sent": 120}
    assert {mail.message["subject"] for mail in mailbox.mails} == {
        f"Welcome to Shop, Ana {index}" for index in range(120)
    }
    assert [await handle.status() for handle in batch.handles[:2]] == ["sent", "sent"]


@pytest.mark.parametrize("number", [2_500, pytest.param(10_000, marks=pytest.mark.slow)])
async def test_rows_and_jobs_go_by_the_thousand(shop, monkeypatch, number):
    calls, seen = [], []
    add = shop.app.store.add

    async def counted(jobs):
        calls.append(len(jobs))
        return await add(jobs)

    monkeypatch.setattr(shop.app.store, "add", counted)
    batch = await shop.mailer.send_many(
        "welcome", people(number), context=LINK, progress=lambda done, _: seen.append(done)
    )
    assert calls == [1_000] * (number // 1_000) + [500] * (number % 1_000 == 500)
    assert seen == [sum(calls[: place + 1]) for place in range(len(calls))]
    assert await batch.counts() == {"pending": number}
    assert len(set(batch.ids)) == number
    with pytest.raises(ResultTimeout):
        await batch.ended(0)


async def test_a_dry_run_counts_and_writes_nothing(shop_at):
    await shop_at.mailer.send_many("welcome", people(3), context=LINK, key="spring")
    await shop_at.mailer.suppress("ana+5@example.com", reason="left")
    to = [*people(10), people(10)[9], Recipient("nobody@", {"name": "x"}), Recipient("bob@example.com", {"nam": "x"})]
    batch = await shop_at.mailer.send_many("welcome", to, context=LINK, key="spring", invalid="skip", dry_run=True)
    assert (batch.total, batch.accepted, batch.suppressed, batch.duplicates, batch.dry_run) == (13, 7, 1, 4, True)
    assert [place for place, _ in batch.invalid] == [11, 12]
    assert batch.invalid[1][1].startswith("context.name: field required")
    assert await shop_at.mailer.counts() == {"pending": 3}
    done = await shop_at.mailer.send_many("welcome", to, context=LINK, key="spring", invalid="skip")
    assert (done.accepted, done.suppressed, done.duplicates) == (7, 1, 4)
    assert await done.counts() == {"pending": 6, "suppressed": 1}
    assert (await shop_at.queue.counts())["prioritized"] == 9


async def test_a_repeated_call_sends_what_is_missing(shop, mailbox):
    await shop.mailer.send_many("welcome", people(5), context=LINK, key="k")
    again = await shop.mailer.send_many("welcome", people(8), context=LINK, key="k")
    assert (again.accepted, again.duplicates) == (3, 5)
    await shop.work()
    assert len(mailbox.mails) == 8
    other = await shop.mailer.send_many(
        "welcome", people(2), context={"link": "https://other.example"}, key="k", invalid="skip"
    )
    assert (other.accepted, other.duplicates) == (0, 0)
    assert [(place, fault[:35]) for place, fault in other.invalid] == [
        (0, "key: it was used for another messag"),
        (1, "key: it was used for another messag"),
    ]


@pytest.mark.parametrize(
    ("to", "options", "error", "fault"),
    [
        (
            ["a@example.com", "b@", "c"],
            {},
            InvalidMessage,
            r"^2 of 3 recipients: \[1\] to: expected an address .*; \[2\] to: expected",
        ),
        (
            [Recipient("a@example.com", locale="../x")],
            {},
            InvalidMessage,
            r"^1 of 1 recipients: \[0\] locale: expected a language",
        ),
        ([Recipient(7)], {"key": "k"}, InvalidMessage, r"^1 of 1 recipients: \[0\] to: expected an address"),
        ("ana@example.com", {}, InvalidMessage, r"^to: expected addresses or Recipient\(…\)s, .* got str"),
        (Recipient("ana@example.com"), {}, InvalidMessage, "^to: expected addresses .* got Recipient"),
        ([7], {}, InvalidMessage, r"^1 of 1 recipients: \[0\] expected an address or Recipient"),
        (["a@example.com"], {"cc": "b@example.com"}, InvalidOption, "^cc, bcc: belong to one message"),
        (["a@example.com"], {"invalid": "ignore"}, InvalidOption, "^invalid: expected raise or skip"),
    ],
)
async def test_bad_recipients_are_one_error_and_nothing_is_written(shop, to, options, error, fault):
    with pytest.raises(error, match=fault):
        await shop.mailer.send_many("welcome", to, context={"name": "Ana", **LINK}, **options)
    assert await shop.mailer.counts() == {}


async def test_what_one_has_of_its_own(shop, mailbox):
    to = [
        Recipient("Ana <ana@example.com>", {"name": "Ana"}, subject="For you"),
        Recipient("an@example.com", {"name": "An"}, locale="vi"),
    ]
    await shop.mailer.send_many("welcome", to, context=LINK, attachments=[Attachment(b"x", "a.txt")])
    await shop.work()
    ana, an = sorted((mail.message for mail in mailbox.mails), key=lambda message: message["to"])
    assert (ana["subject"], ana["to"]) == ("For you", "Ana <ana@example.com>")
    assert "Chào" in an["subject"]
    assert [len(list(message.iter_attachments())) for message in (ana, an)] == [1, 1]


async def test_a_batch_is_taken_back(shop, mailbox):
    batch = await shop.mailer.send_many("welcome", people(20), context=LINK)
    assert await batch.handles[0].cancel()
    assert await batch.cancel() == 19
    await shop.work()
    assert await batch.counts() == {"cancelled": 20}
    assert mailbox.mails == []


async def test_a_log_that_fails_on_the_way_tells_what_was_accepted(shop, tmp_path):
    await shop.mailer.open()
    stranger = sqlite3.connect(tmp_path / "mail.db", isolation_level=None)

    def lock(done, _):
        if done == 1_000:
            stranger.execute("BEGIN EXCLUSIVE")

    with pytest.raises(PartlySent, match=r"^1000 of 1200 messages were accepted") as caught:
        await shop.mailer.send_many("welcome", people(1_200), context=LINK, key="k", progress=lock)
    stranger.execute("ROLLBACK")
    stranger.close()
    assert len(caught.value.ids) == 1_000
    again = await shop.mailer.send_many("welcome", people(1_200), context=LINK, key="k")
    assert (again.accepted, again.duplicates) == (200, 1_000)


def test_blocking_callers(open_shop):
    shop = open_shop("memory://")
    batch = shop.mailer.send_many_sync("welcome", people(3), context=LINK)
    assert shop.app.run(batch.counts()) == {"pending": 3}
    asyncio.run(shop.work())
    assert shop.app.run(batch.ended(5)) == {"sent": 3}
    shop.app.run(shop.app.close())
