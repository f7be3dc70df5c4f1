"""Many texts as one parameter of a statement, which is the same then for any number of them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from sqlalchemy import JSON, ScalarSelect, Text, bindparam, cast, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

__all__ = ["as_texts", "texts"]


class _Texts(FunctionElement[str]):
    """The texts of a JSON array, a row each."""

    name = "texts"
    inherit_cache = True


@compiles(_Texts, "sqlite")
def _sqlite(element: _Texts, compiler: SQLCompiler, **options: Any) -> str:
    return f"json_each({compiler.process(element.clauses, **options)})"


@compiles(_Texts, "postgresql")
def _postgresql(element: _Texts, compiler: SQLCompiler, **options: Any) -> str:
    (array,) = element.clauses
    return f"json_array_elements_text({compiler.process(cast(array, JSON), **options)})"


def texts(name: str) -> ScalarSelect[str]:
    """Return what a column is to be `in_`: the texts of the parameter `name`, made by `as_texts`."""
    column = _Texts(bindparam(name, type_=Text())).table_valued("value").c.value
    return select(column).scalar_subquery()


def as_texts(values: Iterable[str]) -> str:
    """Return some texts as the value of such a parameter."""
    return json.dumps(list(values))
