"""The one encoder: what it writes, what it refuses and where it says the culprit is."""

from __future__ import annotations

import json
import math
from collections import deque
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, SecretStr

from toril.errors import InvalidData
from toril.json import DEEPEST, check_integers, clean, decode, dump, encode

NAN, INFINITY = math.nan, math.inf

whole_numbers = st.integers(-(10**40), 10**40)
numbers = whole_numbers | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | numbers | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=20,
)


class Model(BaseModel):
    price: float
    note: object = None


@dataclass
class Point:
    x: float
    y: object = None


class Unit(Enum):
    METRE = "m"
    NOTHING = NAN


@settings(deadline=None)
@given(values)
def test_json_values_come_back_as_they_were(value):
    text = encode(value)
    assert decode(text) == value
    assert json.loads(text) == value  # any other reader agrees
    text.encode()


@settings(deadline=None)
@given(values, st.sampled_from([NAN, INFINITY, -INFINITY, "\ud800", "a\udfffb", b"\xff", object()]), st.data())
def test_one_bad_value_is_found_wherever_it_is(value, bad, data):
    path, shape = "data", bad
    for _ in range(data.draw(st.integers(0, 5))):
        key = data.draw(st.from_regex(r"[a-z]{1,5}", fullmatch=True))
        if data.draw(st.booleans()):
            shape, path = [value, shape], f"[1]{path}"
        else:
            shape, path = {"before": value, key: shape}, f".{key}{path}"
    with pytest.raises(InvalidData) as caught:
        encode(shape)
    assert str(caught.value).startswith(f"data{path.removesuffix('data')}: expected ")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        ({"a": [1, 2.5, True, None, "ü"]}, '{"a":[1,2.5,true,null,"ü"]}'),
        (10**30, "1" + "0" * 30),
        (datetime(2027, 1, 2, 3, 4, 5, tzinfo=UTC), '"2027-01-02T03:04:05Z"'),
        (date(2027, 1, 2), '"2027-01-02"'),
        (timedelta(hours=1), '"PT1H"'),
        (UUID(int=1), '"00000000-0000-0000-0000-000000000001"'),
        (Decimal("1.10"), '"1.10"'),
        (Unit.METRE, '"m"'),
        (Path("a.txt"), '"a.txt"'),
        (b"text", '"text"'),
        ((1, {2}), "[1,[2]]"),
        ({1: "a", None: "b"}, '{"1":"a","None":"b"}'),
        (Model(price=1), '{"price":1.0,"note":null}'),
        (Point(1.0), '{"x":1.0,"y":null}'),
        ({"NaN": "Infinity, null, **********"}, '{"NaN":"Infinity, null, **********"}'),
        ('\x00\u2028\\"', '"\\u0000\u2028\\\\\\""'),
    ],
)  # fmt: skip
def test_what_is_not_json_itself_becomes_text_and_objects(value, text):
    assert encode(value) == text
    json.loads(text)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (NAN, "data: expected a finite number, found nan"),
        ({"items": [{"price": 1}, {"price": -INFINITY}]}, "data.items[1].price: expected a finite number, found -inf"),
        ({"a": (NAN,)}, "data.a[0]: expected a finite number, found nan"),
        ({"m": Model(price=NAN)}, "data.m.price: expected a finite number, found nan"),  # pydantic writes null
        ([Point(1.0, [INFINITY])], "data[0].y[0]: expected a finite number, found inf"),
        (Unit.NOTHING, "data: expected a finite number, found Unit.NOTHING"),
        ({"d": deque([1.0, NAN])}, "data.d: expected a finite number, found deque([1.0, nan])"),
        ({"n": None, "NaN": NAN}, "data.NaN: expected a finite number, found nan"),
        ("\ud800", "data: expected text, found a lone surrogate"),
        ({"name": "caf\udce9"}, "data.name: expected text, found a lone surrogate"),
        ({"a": {"\udce9": 1}}, "data.a: expected text, found a lone surrogate as a key"),
        ({"raw": b"\xff"}, "data.raw: expected JSON, found bytes"),
        ({"o": object()}, "data.o: expected JSON, found object"),
        ({"f": [len]}, "data.f[0]: expected JSON, found builtin_function_or_method"),
        ({object(): 1}, "data: expected JSON, found object as a key"),
        ({"m": Model(price=1, note=object())}, "data.m.note: expected JSON, found object"),
        (ValueError("x"), "data: expected JSON, found ValueError"),
        (
            {"s": SecretStr("hunter2")},
            "data.s: expected what JSON can carry, found SecretStr, which would arrive as st",
        ),
    ],
)
def test_what_json_cannot_hold_is_refused_by_place(value, message):
    with pytest.raises(InvalidData) as caught:
        encode(value)
    assert str(caught.value).startswith(message)
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_the_caller_says_what_the_value_is():
    with pytest.raises(InvalidData, match=r"^result\.a: "):
        encode({"a": NAN}, "result")


def test_a_structure_that_contains_itself_is_refused_where_it_begins_again():
    loop: dict[str, object] = {"name": "x"}
    loop["self"] = [1, loop]
    with pytest.raises(InvalidData, match=r"^data\.a\.self\[1\]: expected JSON, found a structure that contains its"):
        encode({"a": loop})


def test_the_same_list_twice_is_no_circle():
    shared = [1]
    assert encode({"a": shared, "b": [shared, shared], "c": None}) == '{"a":[1],"b":[[1],[1]],"c":null}'


def nested(levels: int, leaf: object = 1) -> object:
    for _ in range(levels):
        leaf = [leaf]
    return leaf


@pytest.mark.parametrize("leaf", [1, None])
def test_what_is_written_can_be_read_however_deep(leaf):
    assert decode(encode(nested(DEEPEST, leaf))) == nested(DEEPEST, leaf)


@pytest.mark.parametrize("levels", [DEEPEST + 1, 254, 255, 256, 1_000, 50_000])
def test_what_is_too_deep_to_be_read_is_refused(levels):
    with pytest.raises(InvalidData) as caught:
        encode({"tree": nested(levels)})
    assert "expected at most 200 levels, found more" in str(caught.value)
    assert str(caught.value).startswith("data.tree[0][0]")
    assert len(str(caught.value)) < 200


def test_wide_is_not_deep():
    wide = [[n] for n in range(1_000)]
    assert decode(encode(wide)) == wide


@pytest.mark.parametrize("text", ["", "{", "nan", "[1,]", "'a'", '{"a" 1}', "undefined"])
def test_what_is_not_json_is_not_read(text):
    with pytest.raises(ValueError):
        decode(text)


def test_our_own_lists_are_dumped_compactly_and_as_utf8():
    assert dump([["1", "ü", None, {"a": 1.5}]]) == '[["1","ü",null,{"a":1.5}]]'


@pytest.mark.parametrize(
    ("text", "fit"),
    [("plain", "plain"), ("ü €", "ü €"), ("caf\udce9", "caf\\udce9"), ("\ud83d\ude00 😀", "\\ud83d\\ude00 😀")],
)
def test_text_of_unknown_origin_is_made_fit_to_be_stored(text, fit):
    assert clean(text) == fit
    clean(text).encode()


@given(st.text("ab1.,"), st.integers(10**15, 10**20), st.text("ab1.,"))
def test_a_number_that_is_too_large_for_node_is_found_wherever_it_stands(before, number, after):
    text = dump([before, number, after])
    if number <= 2**53 - 1:
        assert check_integers(text, 2**53 - 1, "data") == text
    else:
        with pytest.raises(InvalidData, match=f"data\\[1\\]: expected a whole number .*; got {number:,}"):
            check_integers(text, 2**53 - 1, "data")
