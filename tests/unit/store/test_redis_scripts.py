"""The Lua scripts: each says what it takes, none is unused, and Redis accepts what they are put together to."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import redis

from redis_servers import shared_url
from toril.store.redis import scripts
from toril.store.redis.scripts import script

FOLDER = Path(scripts.__file__).parent / "lua"
VERBS = sorted(path.stem for path in FOLDER.glob("*.lua"))
PARTS = sorted(path.stem for path in (FOLDER / "lib").glob("*.lua"))


@pytest.mark.parametrize("name", VERBS)
def test_it_says_what_it_takes_and_redis_accepts_it(name):
    text = (FOLDER / f"{name}.lua").read_text("utf-8")
    head = re.split(r"^(?!--)", text, maxsplit=1, flags=re.MULTILINE)[0]
    assert re.search(r"^-- ARGV: ", head, re.MULTILINE), "its arguments are not described"
    assert "-- Returns" in head or not re.search(r"^return", text, re.MULTILINE), "its answer is not described"
    told = re.search(r"\b(tell|write_job|fail|release|promote)\(", text) is not None
    assert told <= ("-- Events: " in head), "its events are not described"
    with redis.Redis.from_url(shared_url(), decode_responses=True) as client:
        assert client.script_load(script(name).source) == script(name).sha


def test_every_script_is_used():
    code = "\n".join(path.read_text("utf-8") for path in FOLDER.parent.glob("*.py"))
    assert [name for name in VERBS if f'"{name}"' not in code] == []


def test_every_part_is_used():
    used: set[str] = set()
    for path in FOLDER.rglob("*.lua"):
        found = re.search(r"^-- use: (.+)$", path.read_text("utf-8"), re.MULTILINE)
        used |= set(found[1].split(", ")) if found else set()
    assert used == set(PARTS)


def test_a_part_is_put_in_once():
    source = script("step").source
    assert source.count("local function place_delayed") == 1
