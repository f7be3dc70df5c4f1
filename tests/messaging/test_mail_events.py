"""What the log tells of a mail, from the call to its end."""

import logging


def told(caplog, *fields):
    return [(record.event, *(getattr(record, name, None) for name in fields)) for record in caplog.records if record.name == "toril.mail"]  # fmt: skip


async def test_a_mail_that_is_sent(shop, caplog):
    caplog.set_level(logging.DEBUG)
    handle = await shop.welcome()
    await shop.work()
    assert told(caplog, "mail", "template", "attempt") == [
        ("mail.queued", handle.id, "welcome", None),
        ("mail.processing", handle.id, "welcome", 1),
        ("mail.sent", handle.id, "welcome", 1),
    ]
    [(_, took)] = [line for line in told(caplog, "duration") if line[0] == "mail.sent"]
    assert 0 <= took < 60


async def test_a_mail_that_is_put_off_and_one_that_is_refused(shop, caplog):
    caplog.set_level(logging.INFO)
    later, never = await shop.welcome("later@example.com"), await shop.welcome("nobody@example.com")
    await shop.work()
    assert sorted(told(caplog, "mail", "error")) == sorted(
        [("mail.deferred", later.id, "451 4.7.1"), ("mail.failed", never.id, "550 5.1.1")]
    )
    assert "example.com" not in caplog.text


async def test_by_default_what_goes_well_is_not_told(shop, caplog):
    caplog.set_level(logging.INFO)
    await shop.welcome()
    await shop.work()
    assert told(caplog) == []
