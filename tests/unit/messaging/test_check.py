"""What `check` finds: one case for each kind of fault, and nothing where nothing is wrong."""

import json

import pytest

from toril.messaging import Brand, Context, MessageType, WebURL
from toril.messaging.check import LARGEST, check
from toril.messaging.templates import Templates


class Note(Context):
    name: str
    link: WebURL = "https://x.example"


NOTE = MessageType("note", Note, kind="transactional")
GOOD = {
    "subject.txt": "To {{ name }}",
    "body.html": '<p>Hi <a href="{{ link }}">there</a></p>',
    "sample.json": '{"name": "Ana"}',
}


@pytest.fixture
def faults(tmp_path):
    def find(files, kind=NOTE, folder="note"):
        for name, text in {**GOOD, **files}.items():
            path = tmp_path / folder / name
            path.parent.mkdir(exist_ok=True)
            if text is not None:
                path.write_text(text, encoding="utf-8")
        found = check([kind], Templates(tmp_path, brand=Brand("Shop")))
        return sorted({(fault.part, fault.fault.replace(f"{tmp_path}/", "")) for fault in found})

    return find


def test_nothing_is_wrong(faults):
    assert faults({}) == []
    assert faults({"body.html": '<a href="mailto:a@x.example">a</a><a name="x">b</a><img src="cid:1" alt="">'}) == []


@pytest.mark.parametrize(
    ("files", "fault"),
    [
        ({"subject.txt": None}, ("template", "template 'note': expected a file note/subject.txt")),
        ({"sample.json": None}, ("sample", "template 'note': expected a file note/sample.json")),
        ({"sample.json": '{\n"name": }'}, ("sample", "template note/sample.json, line 2: Expecting value")),
        ({"sample.json": "{}"}, ("sample", "template note/sample.json: context.name: field required (type 'note' takes: name, link)")),
        ({"body.html": "<p>\n{{ nmae }}"}, ("template", "template note/body.html, line 2: 'nmae' is not in its context (known: brand, link, locale, name, subject, unsubscribe_url)")),
        ({"body.html": "{{ name.first }}"}, ("template", "template note/body.html, line 1: 'str object' has no attribute 'first'")),
        ({"body.html": '<a href="/orders">x</a>'}, ("html", "link to '/orders', expected an absolute address")),
        ({"body.html": '<a href="javascript:x()">x</a>'}, ("html", "link to 'javascript:x()', expected an absolute address")),
        ({"body.html": '<p>x<img src="logo.png" alt="x">'}, ("html", "image from 'logo.png', expected an absolute address")),
        ({"body.html": '<p>x<img src="https://x.example/a.png">'}, ("html", "image 'https://x.example/a.png' has no alt text (alt=\"\" if it is for decoration)")),
        ({"body.html": '<img src="https://x.example/a.png" alt="">'}, ("text", "says nothing: write a body.txt, or words into body.html")),
        ({"subject.txt": "{% if false %}x{% endif %}"}, ("subject", "is empty")),
        ({"subject.txt": "a\nb"}, ("template", "subject of 'note': expected one line of text, without line breaks or control characters")),
        ({"body.vi.html": "<p>Chào</p>"}, ("subject", "note/subject.txt is in en, the body is in vi")),
        ({"body.html": "<p>Hi</p>", "body.vi.txt": "Chào"}, ("body", "note/body.vi.txt is in vi, the body is in en")),
        ({"subjetc.txt": "x"}, ("file", "note/subjetc.txt is not read, expected subject[.locale].txt, body[.locale].html or .txt, sample[.locale].json")),
    ],
)  # fmt: skip
def test_each_fault_is_found(faults, files, fault):
    assert faults(files) == [fault]


def test_a_mail_that_is_too_large(faults):
    ((part, fault),) = faults({"body.html": f"<p>{'word ' * 10_000}</p>"})
    assert part == "html"
    assert fault.endswith(f"bytes, expected at most {LARGEST:,}")


def test_a_subscribed_mail_without_a_way_out(faults):
    kind = MessageType("note", Note, kind="subscribed")
    files = {"body.html": "<!doctype html><html><body><p>Hi</p></body></html>"}
    assert faults(files, kind) == [("html", "does not show unsubscribe_url, which a subscribed mail must")]
    assert faults(GOOD, kind) == []


def test_a_folder_of_no_type(faults):
    assert ("file", "noet belongs to no message type: mistyped, or one that only its mailer knows") in faults(
        {}, folder="noet"
    )


def test_what_is_right_in_english_and_wrong_in_another_language_is_told_with_it(tmp_path):
    folder = tmp_path / "note"
    folder.mkdir()
    for name, text in {
        **GOOD,
        "body.vi.html": "<p>{{ tên }}</p>",
        "subject.vi.txt": "x",
        "sample.vi.json": json.dumps({"name": "Lan"}),
    }.items():
        (folder / name).write_text(text, encoding="utf-8")
    (fault,) = check([NOTE], Templates(tmp_path, brand=Brand("Shop")))
    assert (fault.type, fault.locale, fault.part) == ("note", "vi", "template")
