"""A function's parameters as the shape of its jobs' data: checked at the call, checked again before the run."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Literal, Never, NoReturn, NotRequired, get_args, get_type_hints

from pydantic import ConfigDict, SecretStr, TypeAdapter, ValidationError
from pydantic.alias_generators import to_camel
from pydantic.errors import PydanticSchemaGenerationError, PydanticUserError
from pydantic_core import PydanticSerializationError
from typing_extensions import TypedDict  # pydantic reads typing's own only from Python 3.12 on

from toril.cipher import Cipher
from toril.context import JobContext
from toril.errors import ConfigurationError, InvalidArguments
from toril.json import check, invalid
from toril.secret import holds_secret, veil

__all__ = ["Arguments", "Names", "result_adapter"]

_typed_dict: Any = TypedDict
_KEYWORD_ONLY = inspect.Parameter.KEYWORD_ONLY
_CONFIG = ConfigDict(extra="forbid", allow_inf_nan=False, ser_json_inf_nan="constants", validate_by_name=True)
_CAMEL = ConfigDict(**_CONFIG, alias_generator=to_camel)
Names = Literal["camel"]


class Arguments:
    """The typed arguments of one function: Python values in, JSON out, and back.

    keys: what Secret arguments are encrypted with. names: "camel" if the data call `user_id` `userId`; a parameter's
    own alias comes first. Raises ConfigurationError for parameters that cannot be data, and for secrets without a key.
    """

    __slots__ = (
        "_adapter",
        "_by_position",
        "_read",
        "_validate",
        "_write",
        "cipher",
        "fields",
        "function_name",
        "names",
        "wants_context",
    )

    def __init__(
        self, function: Callable[..., Any], keys: Sequence[SecretStr] = (), names: Names | None = None
    ) -> None:
        self.function_name = function.__name__
        hints = _hints(function)
        parameters = list(inspect.signature(function).parameters.values())
        first = parameters[0].name if parameters else ""
        self.wants_context = hints.get(first) is JobContext
        if self.wants_context:
            parameters = parameters[1:]
        for parameter in parameters:
            self._refuse(parameter)
        types = {parameter.name: hints.get(parameter.name, Any) for parameter in parameters}
        shape = {parameter.name: _required(parameter, types[parameter.name]) for parameter in parameters}
        arguments: Any = _typed_dict("arguments", shape)  # any name may be a key, unlike a model's field
        if names not in {None, "camel"}:
            raise ConfigurationError(f"task {self.function_name}: names: expected 'camel' or None, got {names!r}")
        arguments.__pydantic_config__ = _CAMEL if names else _CONFIG
        try:
            self._adapter: TypeAdapter[dict[str, Any]] = TypeAdapter(arguments)
        except PydanticUserError as error:
            for name, hint in types.items():
                _adapter(hint, f"task {self.function_name}: parameter {name}")
            raise ConfigurationError(f"task {self.function_name}: {error}") from error
        self.names = tuple(parameter.name for parameter in parameters)
        self.fields = self._fields()
        self._by_position = tuple(parameter.name for parameter in parameters if parameter.kind is not _KEYWORD_ONLY)
        self._validate = self._adapter.validator.validate_python
        self._read: Callable[..., dict[str, Any]] = self._adapter.validator.validate_json
        self._write: Callable[..., bytes] = self._adapter.serializer.to_json
        self._write = partial(self._write, by_alias=True)
        self.cipher: Cipher | None = None
        if holds_secret(self._adapter.core_schema):
            self._encrypt(keys)

    def write(self, task: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
        """Return the arguments of a call as JSON text; raise InvalidArguments or InvalidData."""
        if args:
            kwargs = self._bind(task, args, kwargs)
        try:
            values = self._validate(kwargs)
        except ValidationError as error:
            raise InvalidArguments(
                self._explain(task, error, {field: name for name, field in self.fields.items()})
            ) from None
        try:
            text = self._write(values).decode()
        except (PydanticSerializationError, ValueError, RecursionError) as error:
            raise invalid(values, task, str(error)) from None
        return check(text, values, task)

    def read(self, task: str, data: str) -> dict[str, Any]:
        """Return the arguments that a job's data holds; raise InvalidArguments."""
        try:
            return self._read(data)
        except ValidationError as error:
            raise InvalidArguments(self._explain(task, error)) from None

    def check(self, task: str, data: str) -> str:
        """Check a job's data and return them as they are to be stored, with secrets encrypted."""
        arguments = self.read(task, data)
        return data if self.cipher is None else self.write(task, (), arguments)

    def veil(self, data: str) -> Callable[[str], str]:
        """Return what masks the secrets of a job's data wherever they stand in a text."""
        return str if self.cipher is None else veil(data, self.cipher)

    def _encrypt(self, keys: Sequence[SecretStr]) -> None:
        try:
            self.cipher = Cipher(keys)
        except ConfigurationError as error:
            error.add_note(f"needed by task {self.function_name}")
            raise
        self._read = partial(self._read, context=self.cipher)
        self._write = partial(self._write, context=self.cipher)

    def _explain(self, task: str, error: ValidationError, spoken: Mapping[str, str] | None = None) -> str:
        return explain(task, error, show=self.cipher is None, spoken=spoken)

    def _fields(self) -> dict[str, str]:
        """Return what each parameter is called in the data; raise ConfigurationError if two could not be told apart."""
        schema: Any = self._adapter.core_schema
        while schema["type"] != "typed-dict":
            schema = schema["schema"]
        fields: dict[str, str] = {}
        for name, field in schema["fields"].items():
            fields[name] = field.get("serialization_alias", name)
            if field.get("validation_alias", name) != fields[name]:
                raise ConfigurationError(
                    f"task {self.function_name}: parameter {name}: expected alias=, one name to read and to write by"
                )
        if twice := {field for field in fields.values() if list(fields.values()).count(field) > 1}:
            raise ConfigurationError(f"task {self.function_name}: two parameters are called {min(twice)!r} in the data")
        return fields

    def _bind(self, task: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        names = self._by_position
        if len(args) > len(names):
            raise InvalidArguments(f"{task}: expected at most {len(names)} arguments by position, got {len(args)}")
        bound = dict(zip(names, args, strict=False))
        if twice := bound.keys() & kwargs.keys():
            raise InvalidArguments(f"{task}.{min(twice)}: given twice, by position and by name")
        return {**bound, **kwargs}

    def _refuse(self, parameter: inspect.Parameter) -> None:
        if parameter.kind not in {parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY}:
            raise ConfigurationError(
                f"task {self.function_name}: parameter {parameter} cannot be a field of a job's data; "
                "expected parameters that can be given by name"
            )


def explain(task: str, error: ValidationError, *, show: bool = True, spoken: Mapping[str, str] | None = None) -> str:
    """Say in one line which fields are wrong and what was expected, and if `show`, what was given.

    spoken: what the caller calls some fields.
    """
    parts = []
    for problem in error.errors(include_url=False, include_context=False):
        first, inner = problem["loc"][:1], problem["loc"][1:]
        place = ".".join(map(str, (task, *((spoken or {}).get(str(name), name) for name in first), *inner)))
        got = (
            "" if not show or problem["type"] in {"missing", "extra_forbidden"} else f", got {_short(problem['input'])}"
        )
        message = {"missing": "required", "extra_forbidden": "no such argument"}.get(problem["type"], problem["msg"])
        parts.append(f"{place}: {message}{got}")
    return "; ".join(parts)


def result_adapter(function: Callable[..., Any]) -> TypeAdapter[Any]:
    """Return what reads a job's result back as the type that the function declares."""
    hint = _hints(function).get("return", Any)
    return _adapter(Any if hint in (NoReturn, Never) else hint, f"task {function.__name__}: result")


def _adapter(hint: Any, what: str) -> TypeAdapter[Any]:
    try:
        return TypeAdapter(hint)
    except PydanticUserError as error:
        if JobContext in [hint, *get_args(hint)]:
            raise ConfigurationError(f"{what}: JobContext belongs to the first parameter, alone") from None
        if isinstance(error, PydanticSchemaGenerationError):
            raise ConfigurationError(f"{what}: expected a type that pydantic reads from JSON, got {hint}") from error
        raise ConfigurationError(f"{what}: {error.message}") from error


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}…"  # noqa: PLR2004


def _required(parameter: inspect.Parameter, hint: Any) -> Any:
    return hint if parameter.default is parameter.empty else NotRequired[hint]


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    try:
        return get_type_hints(function, include_extras=True)
    except (NameError, AttributeError, SyntaxError, TypeError) as error:
        raise ConfigurationError(
            f"task {function.__name__}: cannot read its annotations: {error}; expected types that the module knows at "
            "run time, not only under TYPE_CHECKING or within a function"
        ) from error
