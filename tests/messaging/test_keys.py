"""One key, one message, for ever: in one process or two, after retention, and with other keys for secrets."""

import asyncio
from datetime import timedelta

import pytest

from toril.errors import InvalidMessage, KeyConflict
from toril.messaging.forgetting import trim

RESET = {"name": "Ana", "link": "https://shop.example/reset?t=4711"}


async def test_the_same_key_is_the_same_mail(shop_at, mailbox):
    handles = [await shop_at.welcome(key="welcome:42") for _ in range(3)]
    assert len({handle.id for handle in handles}) == 1
    await shop_at.work()
    assert (await shop_at.welcome(key="welcome:42", delay=60, priority=7)).id == handles[0].id
    await shop_at.work()
    assert len(mailbox.mails) == 1
    assert (await handles[0].row()).key == "welcome:42"


@pytest.mark.parametrize(
    "other", [{"to": "bob@example.com"}, {"subject": "Hi"}, {"locale": "vi"}, {"cc": "eve@example.com"}]
)
async def test_the_same_key_for_other_content_is_an_error(shop, other):
    handle = await shop.welcome(key="k")
    with pytest.raises(KeyConflict, match=rf"^key: it was used for another message, {handle.id}") as caught:
        await shop.welcome(**{"key": "k", **other})
    assert caught.value.mail_id == handle.id
    assert len((await shop.mailer.log()).mails) == 1


async def test_a_secret_that_differs_is_other_content(shop):
    await shop.mailer.send("password-reset", to="ana@example.com", context=RESET, key="k")
    other = {**RESET, "link": "https://shop.example/reset?t=4712"}
    with pytest.raises(KeyConflict) as caught:
        await shop.mailer.send("password-reset", to="ana@example.com", context=other, key="k")
    assert "4712" not in str(caught.value)


async def test_a_key_outlives_its_row_and_a_change_of_secrets(open_shop, mailbox, place, clock):
    old, new = "an old key of 32 characters or more", "a new key of 32 characters or more"
    shop = open_shop(mailbox.url, log_url=place, settings={"secret_keys": old})
    first = await shop.mailer.send("password-reset", to="ana@example.com", context=RESET, key="k")
    await shop.work()
    clock.advance(timedelta(days=91).total_seconds())
    async with shop.mailer._home.stay() as log:
        assert await trim(log, 90 * 86_400_000) == 1
    later = open_shop(mailbox.url, log_url=place, settings={"secret_keys": f"{new},{old}"})
    again = await later.mailer.send("password-reset", to="ana@example.com", context=RESET, key="k")
    assert again.id == first.id
    await later.work()
    assert len(mailbox.mails) == 1


@pytest.mark.parametrize("processes", [1, 2])
async def test_of_many_at_once_one_wins(open_shop, mailbox, place, processes):
    shops = [open_shop(mailbox.url, log_url=place) for _ in range(processes)]
    handles = await asyncio.gather(*(shop.welcome(key="k") for shop in shops for _ in range(20)))
    assert len({handle.id for handle in handles}) == 1
    await shops[0].work()
    assert len(mailbox.mails) == 1


@pytest.mark.parametrize("key", ["", "x" * 301, "a\nb", 7])
async def test_a_key_is_one_line(shop, key):
    with pytest.raises(InvalidMessage, match=r"^key: expected"):
        await shop.welcome(key=key)


async def test_the_table_of_keys_names_nobody(shop, tmp_path):
    await shop.welcome(key="welcome:ana@example.com")
    await shop.mailer.forget("ana@example.com")
    written = b"".join(path.read_bytes() for path in tmp_path.glob("mail.db*"))
    assert b"email_keys" in written
    assert b"ana@example.com" not in written
