"""What is wrong with templates, found before a recipient does."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from toril.errors import TorilError
from toril.messaging.message import MessageType
from toril.messaging.preview import UNSUBSCRIBE_URL, Preview, preview, sample
from toril.messaging.templates import Template, Templates

__all__ = ["LARGEST", "Fault", "check"]

LARGEST = 100_000  # bytes; Gmail cuts off what is beyond 102 kB

_FILE = re.compile(r"(subject|body|sample)(\.[A-Za-z]{2,3}(-[A-Za-z0-9]+)*)?\.(txt|html|json)")
_ENDINGS = {"subject": ("txt",), "body": ("html", "txt"), "sample": ("json",)}
_LINKS = {"http", "https", "mailto", "tel", "sms"}
_IMAGES = {"http", "https", "cid"}
_TAG = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing to mend. `part` is subject, html, text, sample, template or file."""

    type: str
    locale: str
    part: str
    fault: str


def check(kinds: Iterable[MessageType[Any]], templates: Templates) -> list[Fault]:
    """Return what is wrong: each type is rendered with its sample in each locale that any template is in."""
    known = list(kinds)
    faults = [
        fault
        for kind in known
        for locale in templates.sources.locales()
        for fault in _check_one(kind, templates, locale)
    ]
    return [*faults, *_unused(templates, {kind.name for kind in known})]


def _check_one(kind: MessageType[Any], templates: Templates, locale: str) -> Iterator[Fault]:
    part = "template"
    try:
        template = templates.load(kind, locale)
        part = "sample"
        sample(kind, templates, locale)
        part = "template"
        shown = preview(kind, templates, locale)
    except TorilError as error:
        yield Fault(kind.name, locale, part, str(error))
        return
    for part, fault in (*_languages(template), *_content(kind, template, shown), *_addresses(shown)):
        yield Fault(kind.name, locale, part, fault)


def _languages(template: Template) -> Iterator[tuple[str, str]]:
    """Yield the parts that are in another language than the body: half of a mail was translated."""
    body = _language(template.locale)
    for source in template.sources:
        part = source.path.name.partition(".")[0]
        words = re.search(r"[^\W\d_]", _TAG.sub("", source.text))
        if part in {"subject", "body"} and words and _language(source.locale) != body:
            yield part, f"{source.path} is in {_language(source.locale)}, the body is in {body}"


def _content(kind: MessageType[Any], template: Template, shown: Preview) -> Iterator[tuple[str, str]]:
    if not shown.subject:
        yield "subject", "is empty"
    if not template.plain.strip():
        yield "text", "says nothing: write a body.txt, or words into body.html"
    if len(shown.message) > LARGEST:
        yield "html", f"makes a mail of {len(shown.message):,} bytes, expected at most {LARGEST:,}"
    if kind.kind == "subscribed":
        for part, content in (("html", shown.html), ("text", shown.text)):
            if UNSUBSCRIBE_URL not in content:
                yield part, "does not show unsubscribe_url, which a subscribed mail must"


def _addresses(shown: Preview) -> Iterator[tuple[str, str]]:
    reader = _Reader()
    reader.feed(shown.html)
    for tag, attributes in reader.found:
        if tag == "a" and urlsplit(attributes.get("href") or "").scheme not in _LINKS:
            yield "html", f"link to {attributes.get('href')!r}, expected an absolute address"
        if tag == "img":
            if urlsplit(attributes.get("src") or "").scheme not in _IMAGES:
                yield "html", f"image from {attributes.get('src')!r}, expected an absolute address"
            if attributes.get("alt") is None:
                yield "html", f'image {attributes.get("src")!r} has no alt text (alt="" if it is for decoration)'


def _unused(templates: Templates, names: set[str]) -> Iterator[Fault]:
    """Yield what lies in the own folder and has no effect."""
    for folder in templates.sources.own_folders():
        if folder.name not in names:
            yield Fault(
                folder.name,
                "",
                "file",
                f"{folder} belongs to no message type: mistyped, or one that only its mailer knows",
            )
            continue
        for path in sorted(folder.iterdir()):
            if not _takes_part(path):
                expected = "subject[.locale].txt, body[.locale].html or .txt, sample[.locale].json"
                yield Fault(folder.name, "", "file", f"{path} is not read, expected {expected}")


def _takes_part(path: Path) -> bool:
    found = _FILE.fullmatch(path.name)
    return found is not None and found[4] in _ENDINGS[found[1]]


def _language(locale: str) -> str:
    return locale.partition("-")[0]


class _Reader(HTMLParser):
    """Collects the links and images of a mail."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        if tag == "img" or (tag == "a" and "href" in attributes):
            self.found.append((tag, attributes))
