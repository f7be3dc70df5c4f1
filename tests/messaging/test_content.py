"""What a message looks like to those who look after it: as it was sent, but for its secrets."""

import pytest

from toril.errors import MailNotFound

LINK = "https://shop.example/reset/7f3a9c51"
RESET = {"name": "Ana", "link": LINK}


async def test_content_is_what_was_sent_with_masks_for_secrets(open_shop, mailbox):
    shop = open_shop(mailbox.url)
    handle = await shop.mailer.send("password-reset", to="ana@example.com", context=RESET)
    await shop.work()
    sent = mailbox.mails[0].message
    assert LINK in sent.get_body(("plain",)).get_content()

    shown = await shop.mailer.content(handle.id)

    assert shown.subject == sent["subject"]
    assert "Ana" in shown.html
    assert "********" in shown.html
    assert "********" in shown.text
    for view in (shown.html, shown.text, shown.message.decode()):
        assert "7f3a9c51" not in view


async def test_content_of_what_was_forgotten_is_not_known(open_shop, mailbox):
    shop = open_shop(mailbox.url)
    handle = await shop.welcome()
    await shop.work()
    assert "Ana" in (await shop.mailer.content(handle.id)).text
    await shop.mailer.forget("ana@example.com")
    assert await shop.mailer.content(handle.id) is None
    with pytest.raises(MailNotFound, match="no mail m0"):
        await shop.mailer.content("m0")
