"""A function's parameters as the shape of its jobs' data: what a call may give, and what a function may ask for."""

from __future__ import annotations

import functools
import json
import math
import sys
import typing
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn, Optional
from uuid import UUID

import pytest
from pydantic import BaseModel, Field, SecretStr
from typing_extensions import TypedDict

from toril import JobContext
from toril.arguments import Arguments
from toril.errors import ConfigurationError, InvalidArguments, InvalidData
from toril.task import Task

if TYPE_CHECKING:
    from fractions import Fraction

NAN, INFINITY = math.nan, math.inf


class Colour(Enum):
    RED = "red"


class Address(BaseModel):
    street: str
    zip: int = 0


class OldSize(typing.TypedDict):
    width: float


class Price(BaseModel):
    amount: float


class Size(TypedDict):
    width: float


@dataclass
class Point:
    x: float


def report(start: date, end: date, form: Literal["pdf", "xlsx"] = "pdf", *, copies: int = 1) -> str:
    return f"{start} {end} {form} {copies}"


def anything(value: Any, other: dict[str, Any] | None = None) -> None: ...


JANUARY, FEBRUARY = date(2027, 1, 1), date(2027, 2, 1)


def write(function: Callable[..., Any], *args: Any, **kwargs: Any) -> str:
    return Arguments(function).write(function.__name__, args, kwargs)


# Calls


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [
        ((), {"start": JANUARY, "end": FEBRUARY}),
        ((JANUARY, FEBRUARY), {}),
        ((JANUARY,), {"end": FEBRUARY}),
        ((), {"end": "2027-02-01", "start": "2027-01-01"}),
    ],
)
def test_by_position_or_by_name_it_is_the_same_object(args, kwargs):
    assert json.loads(write(report, *args, **kwargs)) == {"start": "2027-01-01", "end": "2027-02-01"}


def test_a_default_is_the_functions_own_and_does_not_travel():
    arguments = Arguments(report)
    text = arguments.write("report", (JANUARY, FEBRUARY), {"copies": 2})
    assert "form" not in json.loads(text)
    assert report(**arguments.read("report", text)) == "2027-01-01 2027-02-01 pdf 2"


@pytest.mark.parametrize(
    ("args", "kwargs", "message"),
    [
        ((), {}, "report.start: required; report.end: required"),
        ((JANUARY,), {}, "report.end: required"),
        ((JANUARY, FEBRUARY), {"format": "pdf"}, "report.format: no such argument"),
        ((JANUARY, FEBRUARY), {"form": "doc"}, "report.form: Input should be 'pdf' or 'xlsx', got 'doc'"),
        ((JANUARY, "soon"), {}, "report.end: Input should be a valid date"),
        ((JANUARY, None), {}, "report.end: Input should be a valid date, got None"),
        ((JANUARY, FEBRUARY), {"copies": "two"}, "report.copies: Input should be a valid integer"),
        ((JANUARY, FEBRUARY), {"copies": 1.5}, "report.copies: Input should be a valid integer"),
        ((JANUARY, FEBRUARY), {"start": JANUARY}, "report.start: given twice, by position and by name"),
        ((JANUARY, FEBRUARY, "pdf", 3), {}, "report: expected at most 3 arguments by position, got 4"),
        ((JANUARY, FEBRUARY, "x" * 200), {}, "report.form: Input should be 'pdf' or 'xlsx', got 'xxx"),
    ],
)
def test_a_wrong_call_is_refused_by_argument(args, kwargs, message):
    with pytest.raises(InvalidArguments) as caught:
        write(report, *args, **kwargs)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 160


def test_the_place_within_an_argument_is_named():
    def order(address: Address, items: list[Size]) -> None: ...

    with pytest.raises(InvalidArguments) as caught:
        write(order, {"street": 7}, items=[{"width": 1}, {"height": 2}])
    assert str(caught.value) == (
        "order.address.street: Input should be a valid string, got 7; "
        "order.items.1.width: required; order.items.1.height: no such argument"
    )


def everything(
    flag: bool, whole: int, real: float, text: str, raw: bytes, moment: datetime, span: timedelta, uuid: UUID,
    money: Decimal, colour: Colour, address: Address, size: Size, point: Point, numbers: list[int], pair: tuple[int, str],
    some: set[str], table: dict[str, float], maybe: int | None, either: int | str, positive: Annotated[int, Field(gt=0)],
    optional: Optional[date], bare, any_value: Any,  # noqa: UP045
) -> None: ...  # fmt: skip


def test_what_arguments_may_be_comes_back_as_it_was():
    values = {
        "flag": True, "whole": 10**30, "real": 1.5, "text": "ü\x00", "raw": b"raw",
        "moment": datetime(2027, 1, 2, 3, tzinfo=UTC), "span": timedelta(days=1, seconds=1), "uuid": UUID(int=7),
        "money": Decimal("1.10"), "colour": Colour.RED, "address": Address(street="a"), "size": {"width": 1.0},
        "point": Point(2.0), "numbers": [1, 2], "pair": (1, "b"), "some": {"a"}, "table": {"a": 1.0}, "maybe": None,
        "either": "1", "positive": 1, "optional": JANUARY, "bare": [1, None], "any_value": {"a": [None, "NaN"]},
    }  # fmt: skip
    arguments = Arguments(everything)
    assert arguments.read("everything", arguments.write("everything", (), values)) == values


def test_any_parameter_name_is_a_name():
    def odd(
        self: int, cls: int, args: int, kwargs: int, json: int, copy: int, schema: int, model_x: int, model_config: int,
        dict: int, _private: int, __dunder__: int, task: int, timeout: int, function: int, naïve: int,  # noqa: A002, PLC2401
    ) -> None: ...  # fmt: skip

    arguments = Arguments(odd)
    values = {name: number for number, name in enumerate(odd.__code__.co_varnames)}
    assert json.loads(arguments.write("odd", (), values)) == values
    assert arguments.read("odd", arguments.write("odd", tuple(values.values()), {})) == values


async def test_a_task_takes_arguments_of_any_name(app):
    @app.task
    async def odd(self: int, args: int, kwargs: int) -> int:
        return self + args + kwargs

    job = await odd.enqueue(self=1, args=2, kwargs=3)
    assert json.loads((await job.refresh()).data) == {"self": 1, "args": 2, "kwargs": 3}
    assert await odd(self=1, args=2, kwargs=3) == 6


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (NAN, "anything.value: expected a finite number, found nan"),  # pydantic would write null
        ({"a": [1, {"b": -INFINITY}]}, "anything.value.a[1].b: expected a finite number, found -inf"),
        (Price(amount=NAN), "anything.value.amount: expected a finite number, found nan"),
        ("\ud800", "anything.value: expected text, found a lone surrogate"),
        ({"\ud800": 1}, "anything.value: expected text, found a lone surrogate as a key"),
        (object(), "anything.value: expected JSON, found object"),
        ([b"\xff"], "anything.value[0]: expected JSON, found bytes"),
        (SecretStr("hunter2"), "anything.value: expected what JSON can carry, found SecretStr"),
    ],
)
def test_what_json_cannot_hold_is_refused_within_any(value, message):
    with pytest.raises(InvalidData) as caught:
        write(anything, value)
    assert str(caught.value).startswith(message)
    with pytest.raises(InvalidData, match=r"^anything\.other\.key"):
        write(anything, 1, other={"key": value})


def test_a_circle_and_a_tower_are_refused():
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(
        InvalidData, match=r"^anything\.value\[0\]: expected JSON, found a structure that contains itse"
    ):
        write(anything, loop)
    tower: Any = 1
    for _ in range(220):
        tower = [tower]
    with pytest.raises(InvalidData, match=r"expected at most 200 levels, found more"):
        write(anything, tower)


@pytest.mark.parametrize("value", [NAN, INFINITY, -INFINITY])
def test_a_float_is_finite(value):
    def measure(length: float, table: dict[str, float], address: Address) -> None: ...

    with pytest.raises(InvalidArguments) as caught:
        write(measure, value, {"a": value}, {"street": "x"})
    assert str(caught.value).startswith(
        f"measure.length: Input should be a finite number, got {value}; measure.table.a"
    )


def test_a_number_within_a_model_is_finite_too():
    def move(point: Point, price: Price) -> None: ...

    with pytest.raises(InvalidData, match=r"^move\.point\.x: expected a finite number, found nan"):
        write(move, Point(NAN), Price(amount=1.0))
    with pytest.raises(InvalidData, match=r"^move\.price\.amount: expected a finite number, found inf"):
        write(move, Point(1.0), {"amount": INFINITY})


def test_a_secret_is_refused_not_turned_into_stars():
    def log_in(password: SecretStr) -> None: ...

    with pytest.raises(InvalidData) as caught:
        write(log_in, "hunter2")
    assert str(caught.value).startswith("log_in.password: expected what JSON can carry, found SecretStr")
    assert "hunter2" not in str(caught.value)


# Data that others wrote


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ('{"start":"2027-01-01"}', "report.end: required"),
        ('{"start":"2027-01-01","end":"soon"}', "report.end: Input should be a valid date"),
        ('{"start":"2027-01-01","end":"2027-02-01","x":1}', "report.x: no such argument"),
        ("[]", "report: Input should be an object, got []"),
        ("{", "report: Invalid JSON"),
        ('{"copies":NaN}', "report"),
    ],
)
def test_data_that_is_no_call_is_refused_by_argument(data, message):
    with pytest.raises(InvalidArguments) as caught:
        Arguments(report).read("report", data)
    assert str(caught.value).startswith(message)


# Declarations


def test_the_context_comes_first_and_is_no_argument():
    def with_context(job: JobContext, path: str) -> None: ...
    def quoted(job: "JobContext", path: "str") -> None: ...  # noqa: UP037
    def alone(job: JobContext) -> None: ...

    for function in (with_context, quoted):
        arguments = Arguments(function)
        assert arguments.wants_context
        assert arguments.write("f", ("a",), {}) == '{"path":"a"}'
    assert Arguments(alone).write("f", (), {}) == "{}"
    assert not Arguments(report).wants_context


def second(path: str, job: JobContext) -> None: ...
def perhaps(job: JobContext | None) -> None: ...
def many(*paths: str) -> None: ...
def more(**paths: str) -> None: ...
def by_place(path: str, /) -> None: ...
def old(size: OldSize) -> None: ...
def unreadable(call: Iterator[Callable[[], None]]) -> None: ...
def only_checked(ratio: Fraction) -> None: ...
def unknown(ratio: Nowhere) -> None: ...  # noqa: F821
def unfinished(ratio: "int | (") -> None: ...  # noqa: F722
def returns_what_json_cannot_hold() -> Iterator[Exception]: ...
def yields() -> Iterator[int]:
    yield 1


async def yields_too() -> Any:
    yield 1


class Callee:
    def __call__(self) -> None: ...


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (second, "task second: parameter job: JobContext belongs to the first parameter, alone"),
        (perhaps, "task perhaps: parameter job: JobContext belongs to the first parameter, alone"),
        (many, "task many: parameter *paths: 'str' cannot be a field of a job's data; expected"),
        (more, "task more: parameter **paths: 'str' cannot be a field of a job's data; expected"),
        (by_place, "task by_place: parameter path: 'str' cannot be a field of a job's data; expected"),
        pytest.param(
            old,
            "task old: parameter size: Please use `typing_extensions.TypedDict` instead",
            marks=pytest.mark.skipif(sys.version_info >= (3, 12), reason="pydantic reads typing's own"),
        ),
        (unreadable, "task unreadable: parameter call: expected a type that pydantic reads from JSON, got"),
        (
            only_checked,
            "task only_checked: cannot read its annotations: name 'Fraction' is not defined; expected types",
        ),
        (unknown, "task unknown: cannot read its annotations: name 'Nowhere' is not defined; expected types"),
        (unfinished, "task unfinished: cannot read its annotations: "),
        (
            returns_what_json_cannot_hold,
            "task returns_what_json_cannot_hold: result: expected a type that pydantic rea",
        ),
        (yields, "task yields: expected a function that returns, got a generator"),
        (yields_too, "task yields_too: expected a function that returns, got a generator"),
        (functools.partial(report, JANUARY), "task: expected a function, got functools.partial("),
        (Callee(), "task: expected a function, got <"),
        (Callee, "task: expected a function, got <class"),
        (5, "task: expected a function, got 5"),
    ],
)
def test_a_function_that_can_be_no_task_is_refused_when_it_is_declared(app, function, message):
    with pytest.raises(ConfigurationError) as caught:
        app.task(function)
    assert str(caught.value).startswith(message)
    assert app.tasks == {}


def test_a_task_is_not_made_a_task_again(app):
    task = app.task(report)
    with pytest.raises(ConfigurationError, match=r"^task: expected a function, got <Task report on default>"):
        app.task(task)


def test_a_function_that_never_returns_may_be_a_task(app):
    def give_up() -> NoReturn:
        sys.exit(1)

    assert isinstance(app.task(give_up), Task)


def test_methods_and_decorated_functions_may_be_tasks(app):
    class Mailer:
        def send(self, to: str) -> str:
            return to

    @functools.wraps(report)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        return report(*args, **kwargs)

    assert app.task(Mailer().send).call("a").data == '{"to":"a"}'
    assert json.loads(app.task(wrapped).call(JANUARY, FEBRUARY).data)["end"] == "2027-02-01"
