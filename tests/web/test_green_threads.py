"""gevent and eventlet: refused in clear words, and only where they have replaced threads.

With the real ones, a second call would find the loop thread's loop running on its own: all greenlets share a thread.
"""

from __future__ import annotations

import sys
from types import ModuleType

import pytest

from toril import Toril
from toril.errors import ConfigurationError

ANSWERS = {"gevent.monkey": ("is_module_patched", "threading"), "eventlet.patcher": ("is_monkey_patched", "thread")}


def _import(monkeypatch: pytest.MonkeyPatch, name: str, *, patched: set[str]) -> None:
    """Let `name` be imported already, answering as the real module does when `patched` has been patched."""
    module = ModuleType(name)
    setattr(module, ANSWERS[name][0], patched.__contains__)
    monkeypatch.setitem(sys.modules, name, module)


@pytest.mark.parametrize("name", ANSWERS)
def test_green_threads_are_refused(app: Toril, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    _import(monkeypatch, name, patched={ANSWERS[name][1]})
    with pytest.raises(ConfigurationError, match=rf"^{name.partition('.')[0]} .* gunicorn --worker-class gthread"):
        app.run(app.queue("default").counts())


@pytest.mark.parametrize("name", ANSWERS)
def test_real_threads_are_not(app: Toril, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    _import(monkeypatch, name, patched={"socket"})
    assert app.run(app.queue("default").counts())["ready"] == 0
