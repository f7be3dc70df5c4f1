"""`toril mail`: message types and their templates: make one, look at them, find what is wrong."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from toril.cli.output import show

if TYPE_CHECKING:
    from toril.messaging.composer import Composer
    from toril.messaging.message import Kind
    from toril.messaging.preview import Preview

__all__ = ["mail"]

mail = typer.Typer(no_args_is_help=True, help="Message types and their templates; messages, and what becomes of them.")
Where = Annotated[
    str | None,
    typer.Argument(
        metavar="[MAILER]",
        help="Where the mailer is, module:name. Default: the built-in types and TORIL_TEMPLATES.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@mail.command("new")
def new_type(
    name: Annotated[str, typer.Argument(help="Lower-case words with hyphens, or a built-in type to change.")],
    kind: Annotated[
        str, typer.Option(help="transactional: its recipient waits for it; subscribed: one can opt out.")
    ] = "transactional",
    folder: Annotated[Path | None, typer.Option(help="Of templates. Default: TORIL_TEMPLATES, or templates.")] = None,
) -> None:
    """Write the template of a new message type, and print its Python class.

    Example: toril mail new invoice-ready > mails.py
    """
    from toril.messaging.catalogue import BUILT_IN
    from toril.messaging.message import Context, MessageType
    from toril.messaging.scaffold import class_of, copy_built_in, scaffold
    from toril.settings import Settings

    root = folder or Settings().templates or Path("templates")
    if name in {known.name for known in BUILT_IN}:
        written = copy_built_in(name, root)
    else:
        checked: Kind = MessageType(name, Context, kind).kind  # type: ignore[arg-type]  # it says what is wrong
        written = scaffold(name, root)
        print(class_of(name, checked), end="")
    for path in written:
        print(f"wrote {path}", file=sys.stderr)


@mail.command("preview")
def preview_types(
    mailer: Where = None,
    name: Annotated[str | None, typer.Option("--type", help="One message type. Default: all.")] = None,
    locale: Annotated[str | None, typer.Option(help="A language tag such as vi. Default: all that there are.")] = None,
    out: Annotated[
        Path, typer.Option(help="A folder for the gallery, or FILE.html for one mail in one language.")
    ] = Path("mail-preview"),
    show_it: Annotated[bool, typer.Option("--open", help="Open it in a browser.")] = False,
    as_json: Json = False,
) -> None:
    """Write message types, rendered with their samples, as HTML and text.

    Example: toril mail preview --open
    """
    from toril.messaging.gallery import write_gallery, write_one
    from toril.messaging.preview import preview, previews

    composer = _composer(mailer)
    if out.suffix == ".html":
        if name is None:
            raise typer.BadParameter("expected --type beside a file; without it, --out is a folder")
        page = out
        shown = [preview(composer.find(name), composer.templates, locale or composer.templates.locale)]
        write_one(shown[0], page)
    else:
        kinds = [composer.find(name)] if name else composer.types
        shown = previews(kinds, composer.templates, [locale] if locale else None)
        page = write_gallery(shown, out)
    show([_row(one) for one in shown], as_json=as_json)
    print(f"wrote {page}", file=sys.stderr)
    if show_it:
        typer.launch(page.absolute().as_uri())


@mail.command("check")
def check_types(mailer: Where = None, as_json: Json = False) -> None:
    """Render every message type in every language and print what is wrong; the exit code is 1 if anything is.

    Example: toril mail check shop.jobs:mailer
    """
    from toril.messaging.check import check

    composer = _composer(mailer)
    faults = check(composer.types, composer.templates)
    if faults or as_json:
        show([asdict(fault) for fault in faults], as_json=as_json)
    else:
        locales = ", ".join(composer.templates.sources.locales())
        print(f"{len(composer.types)} message types in {locales}: nothing is wrong")
    if faults:
        raise typer.Exit(1)


def _composer(mailer: str | None) -> Composer:
    """Return the message types and templates of a mailer; None: the built-in types as the settings show them."""
    if mailer is not None:
        from toril.cli.loading import load_mailer

        return load_mailer(mailer).composer
    from toril.messaging.address import Address
    from toril.messaging.brand import Brand
    from toril.messaging.composer import Composer
    from toril.messaging.keys import Keys
    from toril.messaging.templates import Templates
    from toril.settings import Settings

    settings = Settings()
    sender = Address.parse(settings.mail_from or "Example Shop <shop@example.com>", "MAIL_FROM_ADDRESS")
    brand = Brand.of(settings, sender.name or sender.domain)
    return Composer(
        sender, Templates(settings.templates, brand=brand, locale=settings.locale), Keys(settings.secret_keys)
    )


def _row(shown: Preview) -> dict[str, Any]:
    return {
        "type": shown.kind.name,
        "locale": shown.locale,
        "kind": shown.kind.kind,
        "priority": shown.kind.priority,
        "subject": shown.subject,
        "bytes": len(shown.message),
    }
