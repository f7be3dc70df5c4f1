"""Tasks that mean their worker no good: `toril worker hostile:app`."""

from __future__ import annotations

import ctypes

from toril import JobContext, Toril

app = Toril()  # TORIL_URL says where


@app.task(queue="work")
async def good(n: int) -> int:
    return n


@app.task(queue="work", process=True)
def good_in_a_process(n: int) -> int:
    return n


@app.task(queue="work", process=True)
def segfault() -> None:
    ctypes.string_at(0)


@app.task(queue="work", process=True)
def eat_cpu() -> None:
    while True:
        pass


@app.task(queue="work")
async def unspeakable() -> object:
    return {"of": object()}


@app.task(queue="work", process=True)
def unspeakable_in_a_process() -> object:
    return {"of": [object()]}


@app.task(queue="work")
def chatter(job: JobContext) -> None:
    line = "x" * 1_000_000
    for _ in range(10):
        job.log(line)
    for number in range(100_000):
        job.log(f"{number} {'y' * 100}")
    raise ValueError("z" * 10_000_000)


@app.task(queue="work", max_stalls=0)
async def never_yields() -> None:
    while True:
        pass
