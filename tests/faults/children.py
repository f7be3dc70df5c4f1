"""A process that uses the store, and a child of it that does so at the same time: `children.py METHOD FILE`."""

from __future__ import annotations

import multiprocessing
import os
import sys

from toril import Toril
from toril.settings import Settings

app = Toril(f"sqlite:///{sys.argv[-1]}", settings=Settings(env={}, dotenv=None))


@app.task
def greet(who: str) -> None: ...


def enqueue(who: str) -> None:
    for _ in range(200):
        greet.enqueue_sync(who)


if __name__ == "__main__":
    greet.enqueue_sync("parent")  # the store is open, with its threads, when the child is made
    if sys.argv[1] == "os.fork":
        child = os.fork()
        if child == 0:
            enqueue("child")
            os._exit(0)
        enqueue("parent")
        assert os.waitpid(child, 0)[1] == 0
    else:
        process = multiprocessing.get_context(sys.argv[1]).Process(target=enqueue, args=["child"])
        process.start()
        enqueue("parent")
        process.join()
        assert process.exitcode == 0
    greet.enqueue_sync("parent")
