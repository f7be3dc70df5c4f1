"""Every setting, typed: argument, else environment, else `.env`, else default; empty means unset."""

from __future__ import annotations

import os
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PrivateAttr, SecretStr
from pydantic import ValidationError as PydanticError
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from toril.errors import InvalidSettings
from toril.settings.brand import BrandSettings
from toril.settings.environment import Layer, Origin, Variable, read_dotenv
from toril.settings.forms import Key, hide
from toril.settings.jobs import JobSettings
from toril.settings.logs import LogSettings
from toril.settings.mail import MailSettings
from toril.settings.workers import WorkerSettings

__all__ = ["Settings"]

DOTENV = Path(".env")


def _split(value: object) -> object:
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else value


class Settings(BaseSettings, BrandSettings, MailSettings, LogSettings, WorkerSettings, JobSettings):
    """All settings of Toril, read when the object is made.

    env: the variables to read instead of those of the process.
    dotenv: the file to read below them (default: `.env` in the working directory, if any); None: no file.
    arguments: settings by field name; None and "" leave a setting to the environment.

    Raises InvalidSettings, which names the variable of each bad value and what was expected.
    """

    model_config = SettingsConfigDict(case_sensitive=True, extra="forbid", frozen=True)

    secret_keys: Annotated[
        tuple[Key, ...],
        BeforeValidator(_split),
        Variable(
            "TORIL_SECRET_KEYS",
            "Secrets",
            "keys of 32 characters or more, separated by commas",
            also="TORIL_SECRET_KEY",
            mask=hide,
        ),
    ] = ()
    """What encrypts `Secret` arguments and the secret fields of messages, and signs the dashboard's sessions: the
    first one does so, all of them are accepted."""

    crash_at: Annotated[
        int | None, Field(ge=1), Variable("TORIL_CRASH_AT", "Tests", "a whole number, 1 or more", example="7")
    ] = None
    """After so many calls of the store the process kills itself, to show what a crash at that point loses: nothing."""

    _origins: dict[str, Origin] = PrivateAttr(default_factory=dict)

    def __init__(
        self, *, env: Mapping[str, str] | None = None, dotenv: str | Path | None = DOTENV, **arguments: Any
    ) -> None:
        if dotenv is DOTENV and not DOTENV.exists():
            dotenv = None
        layers = (
            Layer(type(self), "environment", os.environ if env is None else env),
            Layer(type(self), ".env", read_dotenv(Path(dotenv)) if dotenv else {}),
        )
        given = {name: value for name, value in arguments.items() if value not in (None, "")}
        problems: list[str] = []
        try:
            super().__init__(layers=layers, **given)
        except PydanticError as error:
            problems = [_problem(detail, layers) for detail in error.errors()]
        if problems:  # raised out here, so that no traceback leads to the bad values themselves
            raise InvalidSettings("\n".join(dict.fromkeys(problems)))
        self._origins = {name: Origin("argument", name) for name in given}
        for layer in layers:
            self._origins |= {name: found.origin for name, found in layer.found.items()}

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Have our own layers read after the arguments (called by pydantic-settings)."""
        assert isinstance(init_settings, InitSettingsSource)
        return init_settings, *init_settings.init_kwargs.pop("layers")

    def origin(self, name: str) -> Origin:
        """Return where the setting `name` (a field) has its value from."""
        return self._origins.get(name, Origin("default", Variable.of(type(self).model_fields[name]).name))

    def shown(self, name: str) -> Any:
        """Return the value of the setting `name` (a field) fit to be shown; None: not set."""
        value, mask = getattr(self, name), Variable.of(type(self).model_fields[name]).mask
        if value in (None, ()):
            return None
        if mask:
            return mask(value.get_secret_value() if isinstance(value, SecretStr) else "")
        return str(value) if isinstance(value, Path) else value


def _problem(detail: ErrorDetails, layers: tuple[Layer, ...]) -> str:
    """Return one line: the variable, its value fit to be shown, and what was expected."""
    name = str(detail["loc"][0])
    if name not in Settings.model_fields:
        near = get_close_matches(name, Settings.model_fields, n=1)
        return f"{name} (argument): there is no such setting{f'; did you mean {near[0]}?' if near else ''}"
    variable = Variable.of(Settings.model_fields[name])
    found = next((layer.found[name] for layer in layers if name in layer.found), None)
    value, origin = found or (str(detail["input"]), Origin("argument", name))
    shown = variable.mask(value) if variable.mask else value
    return f"{origin.name}={shown!r} ({origin.source}): expected {variable.expected}"
