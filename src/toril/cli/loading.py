"""Finding the application or mailer that a command names: `package.module:app`."""

from __future__ import annotations

import importlib
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from toril.app import Toril
from toril.errors import ConfigurationError, TorilError

if TYPE_CHECKING:
    from toril.messaging import Mailer

__all__ = ["beside", "find_app", "load_app", "load_mailer"]

T = TypeVar("T")


def find_app(place: str | None) -> Toril:
    """Return the application at `place`, else the one that TORIL_APP names, else one on the store of the settings.

    Raises ConfigurationError, InvalidSettings.
    """
    from toril.settings import Settings

    named = place or Settings().app
    return load_app(named) if named else Toril()


def load_app(place: str) -> Toril:
    """Import and return the Toril application at `module:name`; raise ConfigurationError that says what is wrong."""
    return _load(place, Toril, "a Toril application")


def load_mailer(place: str) -> Mailer:
    """Import and return the Mailer at `module:name`; raise ConfigurationError that says what is wrong."""
    from toril.messaging import Mailer

    return _load(place, Mailer, "a Mailer")


def beside(place: str, app: Toril) -> Mailer | None:
    """Return the Mailer of an application that stands in the same module, or None."""
    module = sys.modules[place.partition(":")[0]]
    for thing in vars(module).values():
        if type(thing).__module__.startswith("toril.messaging"):  # only then is the extra there
            from toril.messaging import Mailer

            if isinstance(thing, Mailer) and thing.app is app:
                return thing
    return None


def _load(place: str, kind: type[T], expected: str) -> T:
    module_name, _, name = place.partition(":")
    if not module_name or not name:
        raise ConfigurationError(f"{place!r}: expected module:name, such as shop.jobs:app")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        module = importlib.import_module(module_name)
    except TorilError:
        raise
    except Exception as error:
        missing = error.name if isinstance(error, ModuleNotFoundError) else None
        if missing and module_name.startswith(missing):
            raise ConfigurationError(f"{place}: no module {missing!r} in {here} or among the installed ones") from None
        raise ConfigurationError(f"{place}: cannot be imported: {_told(error)}") from error
    thing = getattr(module, name, None)
    if not isinstance(thing, kind):
        found = [key for key, value in vars(module).items() if isinstance(value, kind)]
        hint = f"; it has {', '.join(found)}" if found else ""
        raise ConfigurationError(f"{place}: expected {expected}, found {type(thing).__name__}{hint}")
    return thing


def _told(error: Exception) -> str:
    """Return what an import has raised, and the last line of the application's own that led there."""
    said = f"{type(error).__name__}: {error}"
    if isinstance(error, SyntaxError):  # says where by itself
        return said
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith("<frozen")]
    own = [frame for frame in frames if "site-packages" not in Path(frame.filename).parts]
    at = (own or frames)[-1]
    return f"{said} ({at.filename}, line {at.lineno})"
