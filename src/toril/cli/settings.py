"""`toril settings`: the effective settings, and the two documents that are made of their declarations."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from itertools import groupby, pairwise
from textwrap import fill
from typing import TYPE_CHECKING, Annotated

import typer

from toril.cli.output import show

if TYPE_CHECKING:
    from toril.settings.environment import Variable

__all__ = ["env_example", "markdown", "settings"]

_MARKDOWN = """\
# Settings

<!-- Made by `toril settings --markdown`. -->

A setting is an argument of `Settings(...)`, else a variable of the environment, else a line of `.env` in the
working directory, else its default. `toril settings` prints what is in force and where each value came from,
with secrets masked; `--json` prints the same for programs.

- **Empty means unset.** `REDIS_PASSWORD=` is the same as no line at all.
- **Secrets in files.** For every variable `NAME`, `NAME_FILE` may name a file that holds the value,
  as `MAIL_PASSWORD_FILE=/run/secrets/mail_password`; the line break at its end is left out. It is an error to
  set `NAME` beside `NAME_FILE` in the environment, or both in `.env`.
- **Two names for one thing.** Where two are listed, the first that is set wins, in the environment and then
  in `.env`.
- **In `.env`** a `#` after a space begins a comment, and `$` has no meaning. A value with ` #`, or with a
  space at an end, stands in single quotes.
- **Mistakes are found at start.** A value that cannot be used, or a `TORIL_` name that does not exist, is one
  error that names the variable and what was expected. What Kubernetes sets for a service called `toril` is
  let be. (For one called `redis` it sets `REDIS_PORT=tcp://…`; `enableServiceLinks: false` turns that off.)

From these settings Toril works out:

- `store_url`: `TORIL_URL`; else, if `REDIS_QUEUE_HOST` or `REDIS_HOST` is set, `redis://` with that host (the
  first wins), `REDIS_PORT` and `REDIS_PASSWORD`; else `sqlite:///toril.db`.
- `mail_url`: `TORIL_MAIL_URL`; else the server `MAIL_HOST`, or that of `EMAIL_SERVICE`, with `MAIL_PORT`,
  `MAIL_USER` and `MAIL_PASSWORD`: `smtps://` (TLS) on port 465, `smtp+starttls://` (STARTTLS or nothing) on
  587, `smtp://` on any other; else none, and no mail can be sent. (A password goes in clear to
  this machine only: for another server on a port of its own give `TORIL_MAIL_URL=smtp+starttls://…`.)
- `mail_from`: `MAIL_FROM_NAME` and `MAIL_FROM_ADDRESS`, or the login if that is an address.
"""

_ENV_EXAMPLE = """\
# Settings of Toril. Copy this file to .env and take the "#" from the lines that you need.
# docs/settings.md says more; `toril settings` prints what is in force.
# Made by `toril settings --env-example`.
"""


def settings(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    for_env: Annotated[bool, typer.Option("--env-example", help="Print a documented .env file.")] = False,
    for_docs: Annotated[bool, typer.Option("--markdown", help="Print docs/settings.md.")] = False,
) -> None:
    """Print the settings in force and where each came from, secrets masked."""
    if as_json + for_env + for_docs > 1:
        raise typer.BadParameter("expected one of --json, --env-example, --markdown")
    if for_env:
        print(env_example(), end="")
    elif for_docs:
        print(markdown(), end="")
    else:
        show(list(_rows()), as_json=as_json)


def _rows() -> Iterator[dict[str, object]]:
    from toril.settings import Settings, mask_url

    now = Settings()
    for name in Settings.model_fields:
        source, variable = now.origin(name)
        yield {"setting": name, "value": now.shown(name), "source": source, "variable": variable}
    mail_url = now.mail_url and mask_url(now.mail_url)
    worked_out = {"store_url": mask_url(now.store_url), "mail_url": mail_url, "mail_from": now.mail_from}
    for name, value in worked_out.items():
        yield {"setting": name, "value": value, "source": "worked out", "variable": ""}


def env_example() -> str:
    """Return the text of `.env.example`: every variable, commented out, with its default or an example."""
    lines = [_ENV_EXAMPLE]
    for section, entries in _sections():
        lines.append(f"\n# {section}\n")
        for variable, default, help_ in entries:
            also = f" Also read: {variable.also}." if variable.also else ""
            lines.append(f"\n{_comment(help_ + also)}#{variable.name}={default or variable.example}\n")
    return "".join(lines)


def markdown() -> str:
    """Return the text of `docs/settings.md`."""
    lines = [_MARKDOWN]
    for section, entries in _sections():
        lines += [
            f"\n## {section}\n\n",
            "| variable | what it does | values | default |\n| --- | --- | --- | --- |\n",
        ]
        for variable, default, help_ in entries:
            names = ", ".join(f"`{name}`" for name in variable.names)
            lines.append(f"| {names} | {help_} | {variable.expected} | {default and f'`{default}`'} |\n")
    return "".join(lines)


def _sections() -> Iterator[tuple[str, list[tuple[Variable, str, str]]]]:
    """Yield each section's name and its variables, with their defaults and what they do."""
    from toril.settings import Settings
    from toril.settings.environment import Variable

    helps = _helps(Settings)
    entries = [(Variable.of(field), _text(field.default), helps[name]) for name, field in Settings.model_fields.items()]
    for section, group in groupby(entries, key=lambda entry: entry[0].section):
        yield section, list(group)


def _helps(declared: type) -> dict[str, str]:
    """Return the string below each field (pydantic would read them, too, but whenever the class is made)."""
    helps = {}
    for part in declared.__mro__:
        if part.__module__.startswith("toril."):
            (the_class,) = ast.parse(inspect.getsource(part)).body
            for field, below in pairwise(ast.iter_child_nodes(the_class)):
                match field, below:
                    case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                        helps[name] = " ".join(text.split())
    return helps


def _text(default: object) -> str:
    if default in (None, ()):
        return ""
    return f"{default:g}" if isinstance(default, float) else str(default)


def _comment(text: str) -> str:
    return fill(text, 100, initial_indent="# ", subsequent_indent="# ") + "\n"
