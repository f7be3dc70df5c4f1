"""Templates: one folder a message type with subject.txt and body.html, and a layout around them.

Each file is looked for by itself, in the recipient's language first and in your own folder before the built-in one:
`body.vi.html`, else `body.html`. A body goes where `{{ body }}` stands in layout.html, unless it is a whole document;
its `<p class="preheader">` goes where `{{ preheader }}` stands, and footer.html where `{{ footer }}` does. Plain text
is derived from the HTML, unless a body.txt is as near. Every template may use `subject`, `brand`, `locale` and
`unsubscribe_url`, which is None where there is nothing to unsubscribe from.
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import jinja2.meta
from markupsafe import Markup, escape
from pydantic import BaseModel

from toril import Secret
from toril.errors import ConfigurationError, InvalidContext, InvalidMessage
from toril.messaging.brand import Brand
from toril.messaging.branding import branded
from toril.messaging.header import check_line
from toril.messaging.inlining import inline_css
from toril.messaging.locales import FILTERS, SOURCE, normal
from toril.messaging.message import MessageType
from toril.messaging.plaintext import derive_text
from toril.messaging.sources import Source, Sources

__all__ = ["Template", "Templates"]

_COMMON = frozenset({"brand", "locale", "subject", "unsubscribe_url"})
_FILLED = frozenset({"body", "footer", "preheader"})  # where a layout wants the other files
_AROUND = (("footer", ".html"), ("layout", ".html"), ("layout", ".txt"))
_BLANK_LINES = re.compile(r"\n{3,}")
_DOCUMENT = re.compile(r"\s*<(!doctype|html)\b", re.IGNORECASE)
_PREHEADER = re.compile(r'\s*<p class="preheader">(.*?)</p>\s*', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Template:
    """The three compiled parts of a message type for one locale."""

    name: str
    locale: str
    """What it came to: that of the body that was found."""
    subject: jinja2.Template
    html: jinja2.Template
    text: jinja2.Template
    plain: str
    """The plain text of the body alone, as a template."""
    sources: tuple[Source, ...]
    """What they were made of, the subject first."""
    _blame: Callable[[Exception, Mapping[str, Any]], str]

    def render_subject(self, context: BaseModel) -> str:
        """Return the subject: one line, without secrets, because it stands in the delivery log.

        Raises InvalidContext when a value would break the line, ConfigurationError when the template is at fault.
        """
        values = {**dict(context), "locale": self.locale}
        try:
            return check_line(_fill_in(self.subject, values).replace("\xa0", " ").strip(), f"subject of {self.name!r}")
        except InvalidMessage as error:
            raise InvalidContext(str(error)) from None
        except Exception as error:  # noqa: BLE001  (whatever a template does; its text may hold values)
            raise ConfigurationError(self._blame(error, values)) from None

    def render(self, context: BaseModel, subject: str, unsubscribe_url: str | None = None) -> tuple[str, str]:
        """Return the text and the HTML of a mail; raise ConfigurationError that names the file and line at fault."""
        values = {name: value.reveal() if isinstance(value, Secret) else value for name, value in context}
        values |= {"subject": subject, "locale": self.locale, "unsubscribe_url": unsubscribe_url}
        try:
            # A condition that does not hold leaves the blank lines around it.
            text = _BLANK_LINES.sub("\n\n", _fill_in(self.text, values)).strip()
            return text, _fill_in(self.html, values)
        except Exception as error:  # noqa: BLE001  (whatever a template does; its text may hold values)
            raise ConfigurationError(self._blame(error, values)) from None


class Templates:
    """Finds, checks and compiles templates, each once.

    folder: your own templates, which come before the built-in ones; None: only those. brand: what all of them show
    of the sender. locale: of recipients without one. Raises ConfigurationError if `folder` does not exist.
    """

    def __init__(self, folder: str | Path | None = None, *, brand: Brand, locale: str = SOURCE) -> None:
        self.brand, self.locale = brand, normal(locale)
        self.sources = Sources(folder, self.locale)
        self._html = self._environment(autoescape=True, finalize=_reveal)
        self._text = self._environment(autoescape=False, finalize=_reveal)
        self._subject = self._environment(autoescape=False, finalize=_refuse_secret)
        self._loaded: dict[tuple[str, str], Template] = {}

    def load(self, kind: MessageType[Any], locale: str | None = None) -> Template:
        """Return the template of a message type for recipients of `locale`, such as "vi"; None: the usual one.

        Raises InvalidOption for what is no locale, and ConfigurationError: a folder or file is missing, a syntax
        error, a name that the type's context does not have, a secret in the subject.
        """
        wanted = self.locale if locale is None else normal(locale)
        template = self._loaded.get((kind.name, wanted))
        if template is None:
            template = self._loaded[kind.name, wanted] = self._compile(kind, wanted)
        return template

    def _compile(self, kind: MessageType[Any], locale: str) -> Template:
        names = _COMMON | set(kind.context.model_fields)
        subject = self.sources.get(kind.name, "subject", ".txt", locale)
        self._check(subject, names - kind.secrets - {"subject", "unsubscribe_url"}, kind.secrets)
        body = self.sources.get(kind.name, "body", ".html", locale)
        written = self.sources.find(kind.name, "body", ".txt", locale)
        if written is None or written.rank > body.rank:
            written = None
        parts = (body, written) if written else (body,)
        for part in parts:
            self._check(part, names)
        footer, html_layout, text_layout = (self._around(*part, body.locale) for part in _AROUND)
        sources = (subject, *parts, footer, html_layout, text_layout)
        preheader, inside = _split(body.text)
        plain = written.text if written else derive_text(inside)
        html = (
            inside
            if _DOCUMENT.match(inside)
            else _fill(html_layout.text, preheader=preheader, body=inside, footer=footer.text)
        )
        text = _fill(text_layout.text, body=plain, footer=derive_text(footer.text))
        return Template(
            kind.name,
            body.locale,
            self._compiled(self._subject, subject.text),
            self._compiled(self._html, inline_css(html)),
            self._compiled(self._text, text),
            plain,
            sources,
            lambda error, values: self._blame(error, sources, values),
        )

    def _compiled(self, environment: jinja2.Environment, source: str) -> jinja2.Template:
        code = environment.compile(branded(environment.parse(source), self.brand))
        return jinja2.Template.from_code(environment, code, environment.globals)

    def _around(self, part: str, ending: str, locale: str) -> Source:
        source = self.sources.get("", part, ending, locale)
        self._check(source, _COMMON | _FILLED)
        if part == "layout" and not _place("body").search(source.text):
            raise ConfigurationError(f"template {source.path}: expected {{{{ body }}}} where the body goes")
        return source

    def _check(self, source: Source, names: AbstractSet[str], secrets: AbstractSet[str] = frozenset()) -> None:
        """Raise ConfigurationError with file and line for a syntax error or a name that is not among `names`."""
        try:
            tree = self._text.parse(source.text)
            used = jinja2.meta.find_undeclared_variables(tree)
        except jinja2.TemplateSyntaxError as error:
            raise ConfigurationError(f"template {source.path}, line {error.lineno}: {error.message}") from None
        lines = {node.name: node.lineno for node in reversed(list(tree.find_all(jinja2.nodes.Name)))}
        for name in sorted(used - names - set(self._text.globals), key=lambda name: lines[name]):
            place = f"template {source.path}, line {lines[name]}"
            if name in secrets:
                raise ConfigurationError(f"{place}: {name!r} is secret, and the subject is logged")
            known = ", ".join(sorted(names))
            raise ConfigurationError(f"{place}: {name!r} is not in its context (known: {known})")

    def _blame(self, error: Exception, sources: tuple[Source, ...], values: Mapping[str, Any]) -> str:
        """Return where a template failed, found by rendering its files one by one, and how, without any value."""
        values = {**values, **dict.fromkeys(_FILLED, "")}
        for number, source in enumerate(sources):
            environment = self._html if source.path.suffix == ".html" else self._text
            try:
                (environment if number else self._subject).from_string(source.text).render(values)
            except Exception as again:  # noqa: BLE001
                return f"template {source.path}, line {_line(again)}: {_what(again)}"
        return f"template {sources[0].path.parent}: {_what(error)}"

    def _environment(self, *, autoescape: bool, finalize: Callable[[Any], Any]) -> jinja2.Environment:
        environment = jinja2.Environment(
            autoescape=autoescape,  # noqa: S701  (off for plain text only)
            finalize=finalize,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.filters |= FILTERS
        environment.filters["lines"] = _broken if autoescape else str
        environment.globals["brand"] = self.brand
        return environment


def _fill_in(template: jinja2.Template, values: Mapping[str, Any]) -> str:
    """Do what `template.render` does, which looks at each global twice through a chain of mappings."""
    context = template.new_context({**template.environment.globals, **values}, shared=True)
    return "".join(template.root_render_func(context))


def _split(body: str) -> tuple[str, str]:
    """Return the preheader of a body and the rest."""
    found = _PREHEADER.match(body)
    return (found[1], body[found.end() :]) if found else ("", body)


def _place(name: str) -> re.Pattern[str]:
    return re.compile(rf"\{{\{{-?\s*{name}\s*-?\}}\}}")


def _fill(layout: str, **parts: str) -> str:
    for name, part in parts.items():
        layout = _place(name).sub(part.strip().replace("\\", r"\\"), layout)
    return layout


def _line(error: Exception) -> int | str:
    """Return the line of a template that an error came from: Jinja puts it into the traceback."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == "<template>"]
    return (lines[-1] if lines else None) or "?"


def _what(error: Exception) -> str:
    """Return what went wrong: Jinja's texts hold no values, others may."""
    return str(error.message) if isinstance(error, jinja2.TemplateError) else type(error).__name__


def _broken(value: object) -> Markup:
    """`{{ address | lines }}`: with the line breaks of the text, which HTML would take for spaces."""
    return Markup("<br>").join(escape(line) for line in str(value).splitlines())


def _reveal(value: Any) -> Any:
    return value.reveal() if isinstance(value, Secret) else value


def _refuse_secret(value: Any) -> Any:
    if isinstance(value, Secret):
        raise jinja2.TemplateRuntimeError("a secret must not stand in the subject, which is logged")
    return value
