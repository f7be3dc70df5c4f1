"""How fast mail goes: what is over a limit waits, and uses no attempt."""

import pytest

from toril import Rate
from toril.errors import InvalidOption
from toril.messaging.limits import MailLimits, Throttle

ANA, BEN, CY = "ana@example.com", "ben@example.com", "cy@else.example"


@pytest.mark.parametrize(
    ("limits", "fault"),
    [
        ({"total": 14}, r"^limits\.total: expected Rate\(…\), got 14"),
        ({"domains": {"gmail.com": 5}}, r"^limits\.domains\['gmail\.com'\]: expected Rate"),
        (
            {"domains": {"Gmail.com": Rate(5)}},
            r"^limits\.domains: expected names such as gmail\.com .* got \['Gmail\.com'\]",
        ),
    ],
)
def test_what_would_limit_nothing_is_refused(limits, fault):
    with pytest.raises(InvalidOption, match=fault):
        MailLimits(**limits)


def test_no_limits_are_no_wait(clock):
    throttle = Throttle(MailLimits(), clock)
    assert throttle.closed_for("subscribed") == 0
    assert [throttle.wait("m1", ANA) for _ in range(100)] == [0] * 100


def test_a_domains_mails_get_a_time_each(clock):
    throttle = Throttle(MailLimits(domain=Rate(2, 10)), clock)
    waits = [round(throttle.wait(f"m{number}", recipient)) for number, recipient in enumerate([ANA, BEN, ANA, BEN, CY])]
    assert waits == [0, 0, 5, 10, 0]
    clock.advance(5)
    assert throttle.wait("m2", ANA) == 0  # its time has come
    assert round(throttle.wait("m3", BEN)) == 5
    assert round(throttle.wait("m5", BEN)) == 10


def test_a_domain_of_its_own_and_each_recipient(clock):
    throttle = Throttle(MailLimits(domains={"example.com": Rate(1, 20)}, recipient=Rate(1, 60)), clock)
    assert [round(throttle.wait(f"m{number}", to)) for number, to in enumerate([ANA, BEN, CY, CY])] == [0, 20, 0, 60]


def test_far_ahead_nobody_gets_a_time(clock):
    throttle = Throttle(MailLimits(domain=Rate(1, 50)), clock)
    assert [round(throttle.wait(f"m{number}", ANA)) for number in range(4)] == [0, 50, 60, 60]


def test_subscribed_mail_leaves_a_tenth_of_the_whole(clock):
    throttle = Throttle(MailLimits(total=Rate(10, 10)), clock)
    went = 0
    while throttle.closed_for("subscribed") <= 0.001:
        assert throttle.wait(f"m{went}", ANA) == 0
        went += 1
    assert went == 9
    assert throttle.closed_for("transactional") <= 0.001
    throttle.wait("reset", ANA)
    assert round(throttle.closed_for("transactional")) == 1


async def test_over_its_own_limit_a_mail_waits_without_an_attempt(open_shop, mailbox, clock):
    shop = open_shop(mailbox.url, limits=MailLimits(recipient=Rate(1, 30)))
    handles = [await shop.welcome() for _ in range(2)]
    await shop.work()
    assert len(mailbox.mails) == 1
    waiting = next(row for row in (await shop.mailer.log()).mails if row.status == "pending")
    assert waiting.attempts == 0
    job = await shop.queue.get(waiting.id)
    assert (job.record.due, job.record.attempts) == (clock.now() + 30_000, 0)
    clock.advance(30)
    await shop.work()
    assert [await handle.status() for handle in handles] == ["sent", "sent"]


async def test_over_the_whole_rate_the_queue_waits(open_shop, mailbox, clock):
    shop = open_shop(mailbox.url, limits=MailLimits(total=Rate(3, 60)))
    for _ in range(5):
        await shop.welcome()
    for expected in (3, 4, 5):
        await shop.work()
        assert len(mailbox.mails) == expected
        clock.advance(20)
    assert {row.attempts for row in (await shop.mailer.log()).mails} == {1}
