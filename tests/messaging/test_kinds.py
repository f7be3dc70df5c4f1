"""The two kinds of mail: queues, slots, priorities, policies, and the one thing typed."""

import pytest

from toril import Exponential, Fixed, Worker
from toril.cli.worker import parse_queues
from toril.errors import ConfigurationError, InvalidMessage, InvalidOption, UnknownTemplate
from toril.messaging import Context, composer
from toril.messaging.catalogue import BUILT_IN, Promotion, Welcome
from toril.messaging.policy import Policy
from toril.messaging.preview import sample
from toril.retry import run_times


async def test_each_kind_has_a_queue_of_its_own(shop, mailbox):
    templates = shop.mailer.composer.templates
    for kind in BUILT_IN:
        await shop.mailer.send(sample(kind, templates, "en"), to="ana@example.com")
    subscribed = sum(kind.kind == "subscribed" for kind in BUILT_IN)
    bulk = shop.app.queue("email-queue-bulk")
    assert 0 < (await bulk.counts())["ready"] == subscribed
    assert (await shop.queue.counts())["ready"] == len(BUILT_IN) - subscribed
    await shop.work()
    assert len(mailbox.mails) == len(BUILT_IN)


async def test_urgent_mail_goes_first(shop, mailbox):
    names = ("welcome", "order-status", "verification-code")
    for name in names:
        kind = shop.mailer.composer.find(name)
        await shop.mailer.send(sample(kind, shop.mailer.composer.templates, "en"), to=f"{name}@example.com")
    await Worker(shop.app, queues={"email-queue": 1}, burst=True).run()
    assert [mail.recipients[0] for mail in mailbox.mails] == [f"{name}@example.com" for name in reversed(names)]


async def test_slots_come_from_the_setting(open_shop):
    shop = open_shop("memory://", settings={"email_queue_concurrency": 7})

    @shop.app.task(queue="reports")
    async def report() -> None: ...

    assert Worker(shop.app).queues == {"email-queue": 7, "email-queue-bulk": 7, "reports": 10}
    assert parse_queues("email-queue, reports=2", shop.app) == {"email-queue": 7, "reports": 2}


def test_the_usual_policy_outlasts_a_day():
    policy = Policy()
    worst = run_times(policy.attempts, policy.backoff)[-1] * (1 - policy.backoff.jitter)
    assert worst > 86_400
    assert run_times(policy.attempts, policy.backoff)[1:4] == [60, 180, 420]


async def test_a_type_may_have_a_policy_of_its_own(open_shop, clock):
    from hostile import Hostile

    async with Hostile(lambda _, step: "451 busy" if step == "RCPT" else None) as server:
        shop = open_shop(server.url, attempts=5, backoff=Fixed(30.0))
        shop.mailer.override("welcome", attempts=2, backoff=Exponential(7.0), priority=9)
        handle = await shop.welcome()
        await shop.work()
        row = await handle.row()
        assert (row.priority, row.send_at) == (9, clock.now() + 7_000)
        clock.advance(7)
        await shop.work()
        assert await handle.status() == "failed"


@pytest.mark.parametrize(
    ("name", "options", "error", "fault"),
    [
        ("nothing", {}, UnknownTemplate, "no message type 'nothing'"),
        ("welcome", {"attempts": 0}, InvalidOption, "^attempts: expected a whole number from 1 to 1,000"),
        ("welcome", {"backoff": 5}, InvalidOption, r"^backoff: expected Fixed\(…\) or Exponential"),
        ("welcome", {"priority": -1}, InvalidOption, "^priority: expected a whole number from 0"),
    ],
)
def test_a_bad_policy_is_refused(open_shop, name, options, error, fault):
    with pytest.raises(error, match=fault):
        open_shop("memory://").mailer.override(name, **options)


class Stranger(Context, kind="transactional"):
    name: str


async def test_a_context_is_sent_as_it_is(shop, mailbox):
    handle = await shop.mailer.send(Welcome(name="Ana", link="https://shop.example"), to="ana@example.com")
    assert (await handle.row()).type == "welcome"
    with pytest.raises(UnknownTemplate, match=r"^Stranger: expected the context of one message type, is of none"):
        await shop.mailer.send(Stranger(name="x"), to="ana@example.com")
    with pytest.raises(InvalidMessage, match=r"^context: expected none beside"):
        await shop.mailer.send(Welcome(name="Ana", link="https://shop.example"), to="a@example.com", context={})
    with pytest.raises(InvalidMessage, match=r"^context: expected a mapping"):
        await shop.mailer.send("welcome", to="a@example.com")


async def test_a_test_mail_is_marked(open_shop, mailbox):
    shop = open_shop(mailbox.url, settings={"environment": "development"})
    handle = await shop.mailer.send_test("verification-code", "ana@example.com", locale="vi")
    await shop.work()
    assert await handle.status() == "sent"
    message = mailbox.mails[0].message
    assert message["subject"].startswith("[Test] ")
    assert message["x-toril-test"] == "yes"
    assert message.get_body(("plain",)).get_content()


@pytest.mark.parametrize(("settings", "allowed"), [({}, False), ({"test_mail": True}, True)])
async def test_a_test_mail_needs_leave_in_production(open_shop, settings, allowed):
    shop = open_shop("memory://", settings=settings)
    if allowed:
        await shop.mailer.send_test("welcome", "ana@example.com")
        return
    with pytest.raises(
        ConfigurationError, match=r"^test mail: expected TORIL_ENVIRONMENT=development or TORIL_TEST_MAIL"
    ):
        await shop.mailer.send_test("welcome", "ana@example.com")


async def test_subscribed_mail_without_a_way_out_is_told_once(open_shop, caplog):
    composer._say_that_nobody_can_leave.cache_clear()
    shop = open_shop("memory://")
    context = sample(Promotion.type, shop.mailer.composer.templates, "en")
    for _ in range(2):
        await shop.mailer.send(context, to="ana@example.com")
    assert caplog.text.count("subscribed mail has no unsubscribe link: set TORIL_UNSUBSCRIBE_URL") == 1


def test_promotions_are_subscribed():
    assert Promotion.type.kind == "subscribed"
