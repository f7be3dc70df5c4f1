"""Where settings are read from: the environment, a `.env` file, files named by `NAME_FILE`."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple

from dotenv.parser import parse_stream
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from toril.errors import InvalidSettings

__all__ = ["Found", "Layer", "Origin", "Variable", "read_dotenv"]

# A service called "toril-web" makes Kubernetes put TORIL_WEB_PORT=tcp://… and the like into every container.
_KUBERNETES = re.compile(r"\w+_(SERVICE_HOST=|SERVICE_PORT|PORT_\d+_(TCP|UDP|SCTP)|PORT=(tcp|udp|sctp)://)")


@dataclass(frozen=True, slots=True)
class Variable:
    """How a setting is called outside of Python, and what is said about it.

    also: another name of the same thing, read when `name` is not set.
    section, example: for the documents. expected: which values it takes, also for error messages.
    mask: makes a value fit to be shown; None: it is no secret.
    """

    name: str
    section: str
    expected: str = "text"
    also: str = ""
    example: str = ""
    mask: Callable[[str], str] | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The environment names, in the order in which they are tried."""
        return (self.name, self.also) if self.also else (self.name,)

    @staticmethod
    def of(field: FieldInfo) -> Variable:
        """Return the variable that a field of the settings was declared with."""
        return next(item for item in field.metadata if isinstance(item, Variable))


class Origin(NamedTuple):
    """Where a value came from: `source` is argument, environment, .env, file or default; `name` its name."""

    source: str
    name: str


class Found(NamedTuple):
    """The text of a setting and where it came from."""

    value: str
    origin: Origin


class Layer(PydanticBaseSettingsSource):
    """The variables of one origin; what an earlier layer knows is not looked up again.

    Raises InvalidSettings for a TORIL_ name that is no setting, and for a NAME_FILE that cannot be used.
    """

    def __init__(self, settings_cls: type[BaseSettings], origin: str, variables: Mapping[str, str]) -> None:
        super().__init__(settings_cls)
        self.origin = origin
        self.variables = {name: value for name, value in variables.items() if value.strip()}
        self.found: dict[str, Found] = {}
        fields = settings_cls.model_fields.values()
        self._refuse_unknown([name for field in fields for name in Variable.of(field).names])

    def __call__(self) -> dict[str, str]:
        """Return the values that this layer has, by field name."""
        for name, field in self.settings_cls.model_fields.items():
            if name not in self.current_state:
                self.get_field_value(field, name)
        return {name: found.value for name, found in self.found.items()}

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Return the value of the first of the field's names that has one (a source's duty)."""
        for name in Variable.of(field).names:
            found = self._find(name)
            if found:
                self.found[field_name] = found
                return found.value, field_name, False
        return None, field_name, False

    def _find(self, name: str) -> Found | None:
        file = f"{name}_FILE"
        if name in self.variables and file in self.variables:
            raise InvalidSettings(f"{name} and {file} ({self.origin}): expected one of them, both are set")
        if name in self.variables:
            return Found(self.variables[name], Origin(self.origin, name))
        if file not in self.variables:
            return None
        value = _read(Path(self.variables[file]), file).rstrip("\r\n")
        return Found(value, Origin("file", file)) if value else None

    def _refuse_unknown(self, names: Iterable[str]) -> None:
        known = [spelling for name in names for spelling in (name, f"{name}_FILE")]
        tails = {name.removeprefix("TORIL_"): name for name in known}  # the prefix would make any two look alike
        for name, value in self.variables.items():
            if name.startswith("TORIL_") and name not in known and not _KUBERNETES.match(f"{name}={value}"):
                near = get_close_matches(name.removeprefix("TORIL_"), tails, n=1)
                hint = f"did you mean {tails[near[0]]}?" if near else "docs/settings.md lists them"
                raise InvalidSettings(f"{name} ({self.origin}): there is no such setting; {hint}")


def read_dotenv(path: Path) -> dict[str, str]:
    """Return the variables of a `.env` file. `$` has no meaning in it, so that a password may hold one."""
    variables = {}
    for binding in parse_stream(io.StringIO(_read(path, "dotenv"))):
        text = binding.original.string
        if binding.error:
            line = binding.original.line + len(text) - len(text.lstrip("\n"))
            raise InvalidSettings(f"{path}, line {line}: expected NAME=value")
        # python-dotenv before 1.2.4 takes the comment of `NAME=  # comment` for the value.
        only_comment = re.match(r"[^=]+=[ \t]+#", text)
        if binding.key and binding.value and not only_comment:
            variables[binding.key] = binding.value
    return variables


def _read(path: Path, name: str) -> str:
    try:
        return path.read_text("utf-8-sig")
    except OSError as error:
        reason = error.strerror
    except UnicodeDecodeError:
        reason = "not UTF-8"
    raise InvalidSettings(f"{name}={str(path)!r}: expected a text file that can be read ({reason})")
