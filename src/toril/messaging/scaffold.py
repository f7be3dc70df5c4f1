"""A first version of a message type: its template folder, and the class that says what the template may use."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from toril.errors import ConfigurationError
from toril.messaging.message import Kind, name_of
from toril.messaging.sources import BUILT_IN_FOLDER

__all__ = ["class_of", "copy_built_in", "scaffold"]

_SUBJECT = "{words} for {{{{ name }}}}\n"
_BODY = """\
<p class="preheader">What the inbox shows beside the subject.</p>
<h1>{words}</h1>
<p>Hello {{{{ name }}}}, this is what we have to tell you.</p>
<a class="button" href="{{{{ link }}}}">See more</a>
"""
_SAMPLE = {"name": "Ana Ruiz", "link": "https://example.com"}
_CLASS = '''\
from toril.messaging import Context, WebURL


class {class_name}(Context, kind="{kind}"{named}):
    """What its template may use. Register it with `mailer.register({class_name})`."""

    name: str
    link: WebURL
'''


def scaffold(name: str, folder: Path) -> Sequence[Path]:
    """Write subject.txt, body.html and sample.json of a new message type below `folder`, and return their paths.

    Raises ConfigurationError if it is there already.
    """
    words = name.replace("-", " ").capitalize()
    files = {
        "subject.txt": _SUBJECT.format(words=words),
        "body.html": _BODY.format(words=words),
        "sample.json": json.dumps(_SAMPLE, indent=2) + "\n",
    }
    return _write(folder / name, files)


def class_of(name: str, kind: Kind) -> str:
    """Return Python code: the class of the message type that `scaffold` writes the template of."""
    class_name = "".join(word.capitalize() for word in name.split("-"))
    if not class_name.isidentifier():
        class_name = f"Mail{class_name}"
    named = "" if name_of(class_name) == name else f', name="{name}"'
    return _CLASS.format(class_name=class_name, named=named, kind=kind)


def copy_built_in(name: str, folder: Path) -> Sequence[Path]:
    """Copy the template of a built-in type below `folder`, to be changed there, and return the paths.

    Raises ConfigurationError if there is an own one already.
    """
    paths = sorted((BUILT_IN_FOLDER / name).iterdir())
    return _write(folder / name, {path.name: path.read_text(encoding="utf-8") for path in paths})


def _write(folder: Path, files: dict[str, str]) -> Sequence[Path]:
    try:
        folder.mkdir(parents=True)
    except FileExistsError:
        raise ConfigurationError(f"{folder}: there is a template already") from None
    for file, text in files.items():
        (folder / file).write_text(text, encoding="utf-8")
    return [folder / file for file in files]
