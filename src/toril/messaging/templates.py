"""Templates: one folder a message type with subject.txt, body.html and body.txt, and a layout around them.

A message type's folder is looked for in your own folder first, then among the built-in ones, and taken as a
whole. `body.html` goes where `{{ body }}` stands in layout.html, unless it is a whole document; `body.txt`
goes into layout.txt and is derived from `body.html` when it is missing. Every template may also use `subject`
and `sender_name`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import jinja2
import jinja2.meta
from pydantic import BaseModel

from toril import Secret
from toril.errors import ConfigurationError, InvalidContext, InvalidMessage
from toril.messaging.header import check_line
from toril.messaging.inlining import derive_text, inline_css
from toril.messaging.message import MessageType

__all__ = ["BUILT_IN_FOLDER", "Template", "Templates"]

BUILT_IN_FOLDER = Path(__file__).parent / "catalogue"

_COMMON = frozenset({"subject", "sender_name"})
_BODY = re.compile(r"\{\{-?\s*body\s*-?\}\}")
_BLANK_LINES = re.compile(r"\n{3,}")
_DOCUMENT = re.compile(r"\s*<(!doctype|html)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Template:
    """The three compiled parts of a message type."""

    name: str
    subject: jinja2.Template
    html: jinja2.Template
    text: jinja2.Template

    def render_subject(self, context: BaseModel, sender_name: str) -> str:
        """Return the subject: one line, without secrets, because it stands in the delivery log.

        Raises InvalidContext when a value would break the line, ConfigurationError when it shows a secret.
        """
        values: dict[str, Any] = {**dict(context), "sender_name": sender_name}
        try:
            subject = self.subject.render(values).strip()
            return check_line(subject, f"subject of {self.name!r}")
        except jinja2.TemplateError as error:
            raise ConfigurationError(f"template {self.name!r}, subject.txt: {error.message}") from None
        except InvalidMessage as error:
            raise InvalidContext(str(error)) from None

    def render(self, context: BaseModel, subject: str, sender_name: str) -> tuple[str, str]:
        """Return the text and the HTML of a mail."""
        values = {**dict(context), "subject": subject, "sender_name": sender_name}
        # A condition that does not hold leaves the blank lines around it.
        text = _BLANK_LINES.sub("\n\n", self.text.render(values))
        return text, self.html.render(values)


class Templates:
    """Finds, checks and compiles templates, each once.

    folder: your own templates, which come before the built-in ones; None: only those.
    Raises ConfigurationError if `folder` does not exist.
    """

    def __init__(self, folder: str | Path | None = None) -> None:
        if folder is not None and not Path(folder).is_dir():
            raise ConfigurationError(f"templates: expected a folder, {str(folder)!r} is none")
        self._folders = [*([Path(folder)] if folder is not None else []), BUILT_IN_FOLDER]
        self._html = self._environment(autoescape=True, finalize=_reveal)
        self._text = self._environment(autoescape=False, finalize=_reveal)
        self._subject = self._environment(autoescape=False, finalize=_refuse_secret)
        self._loaded: dict[str, Template] = {}

    def load(self, kind: MessageType[Any]) -> Template:
        """Return the template of a message type.

        Raises ConfigurationError: a folder or file is missing, a syntax error, or a name that the type's
        context does not have.
        """
        if kind.name not in self._loaded:
            self._loaded[kind.name] = self._compile(kind)
        return self._loaded[kind.name]

    def _compile(self, kind: MessageType[Any]) -> Template:
        folder = self._folder_of(kind.name)
        names = _COMMON | set(kind.context.model_fields)
        subject = self._read(folder / "subject.txt", names - {"subject"})
        body = self._read(folder / "body.html", names)
        written = folder / "body.txt"
        text = self._read(written, names) if written.is_file() else derive_text(body)
        whole = body if _DOCUMENT.match(body) else _insert(body, self._layout("layout.html"))
        return Template(
            kind.name,
            self._subject.from_string(subject),
            self._html.from_string(inline_css(whole)),
            self._text.from_string(_insert(text, self._layout("layout.txt"))),
        )

    def _folder_of(self, name: str) -> Path:
        for folder in self._folders:
            if (folder / name).is_dir():
                return folder / name
        looked = " or ".join(str(folder) for folder in self._folders)
        raise ConfigurationError(f"template {name!r}: expected a folder of that name in {looked}")

    def _layout(self, file: str) -> str:
        path = next(folder / file for folder in self._folders if (folder / file).is_file())
        source = self._read(path, _COMMON | {"body"})
        if not _BODY.search(source):
            raise ConfigurationError(f"template {path}: expected {{{{ body }}}} where the body goes")
        return source

    def _read(self, path: Path, names: AbstractSet[str]) -> str:
        if not path.is_file():
            raise ConfigurationError(f"template {path.parent.name!r}: expected a file {path}")
        source = path.read_text(encoding="utf-8")
        try:
            used = jinja2.meta.find_undeclared_variables(self._text.parse(source))
        except jinja2.TemplateSyntaxError as error:
            raise ConfigurationError(f"template {path}, line {error.lineno}: {error.message}") from None
        if unknown := sorted(used - names - set(self._text.globals)):
            known = ", ".join(sorted(names))
            raise ConfigurationError(f"template {path}: {unknown[0]!r} is not in its context (known: {known})")
        return source

    def _environment(self, *, autoescape: bool, finalize: Callable[[Any], Any]) -> jinja2.Environment:
        environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(self._folders),
            autoescape=autoescape,  # noqa: S701  (off for plain text only)
            finalize=finalize,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.filters["money"] = _money
        return environment


def _insert(body: str, layout: str) -> str:
    return _BODY.sub(lambda _: body.strip(), layout, count=1)


def _reveal(value: Any) -> Any:
    return value.reveal() if isinstance(value, Secret) else value


def _refuse_secret(value: Any) -> Any:
    if isinstance(value, Secret):
        raise jinja2.TemplateRuntimeError("a secret field must not stand in the subject, which is logged")
    return value


def _money(amount: Decimal, currency: str) -> str:
    return f"{amount:,} {currency}"
