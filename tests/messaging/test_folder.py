"""Mail into a folder."""

import pytest
from test_smtp import MAIL

from toril.messaging.transport import Envelope, Folder, NotSent


async def begin():
    """Begin."""


async def test_each_mail_is_a_file_and_a_repetition_the_same(tmp_path):
    folder = Folder(tmp_path / "out")
    mail = Envelope(MAIL.sender, MAIL.recipient, MAIL.message, key="m1")
    for _ in range(2):
        assert await folder.send(mail, begin) == "written to m1-ana@example.com.eml"
    await folder.send(MAIL, begin)
    files = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert len(files) == 2
    assert (tmp_path / "out" / "m1-ana@example.com.eml").read_bytes() == MAIL.message


async def test_a_recipient_cannot_leave_the_folder(tmp_path):
    await Folder(tmp_path / "out").send(Envelope("a@b.c", "../../x/@d.e", b"Subject: x\r\n\r\n", key="m1"), begin)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["m1-.._.._x_@d.e.eml"]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


async def test_what_does_not_begin_leaves_nothing(tmp_path):
    async def refuse():
        raise LookupError

    with pytest.raises(LookupError):
        await Folder(tmp_path).send(MAIL, refuse)
    assert list(tmp_path.iterdir()) == []


async def test_a_folder_that_cannot_be_is_not_sent(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(NotSent, match="cannot be written"):
        await Folder(tmp_path / "file").send(MAIL, begin)
