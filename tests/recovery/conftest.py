"""A yard for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from yards import Yard


@pytest.fixture
def yard(tmp_path: Path) -> Iterator[Yard]:
    yard = Yard(tmp_path)
    yield yard
    yard.end()
