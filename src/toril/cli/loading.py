"""Finding the application that a command names: `package.module:app`."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

from toril.app import Toril
from toril.errors import ConfigurationError

__all__ = ["load_app"]


def load_app(place: str) -> Toril:
    """Import and return the Toril application at `module:name`; raise ConfigurationError that says what is wrong."""
    module_name, _, name = place.partition(":")
    if not module_name or not name:
        raise ConfigurationError(f"{place!r}: expected module:name, such as shop.jobs:app")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not module_name.startswith(error.name):
            raise
        raise ConfigurationError(f"{place}: no module {error.name!r} in {here} or among the installed ones") from None
    app = getattr(module, name, None)
    if not isinstance(app, Toril):
        found = [key for key, value in vars(module).items() if isinstance(value, Toril)]
        hint = f"; it has {', '.join(found)}" if found else ""
        raise ConfigurationError(f"{place}: expected a Toril application, found {type(app).__name__}{hint}")
    return app
