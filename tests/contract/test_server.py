"""What the database behind a store tells of itself; and ids that no store has made."""

from __future__ import annotations

import pytest


async def test_a_store_tells_what_it_is(app, store):
    told = await app.store.server()
    assert told.kind in store.url
    assert told.version[0].isdigit()
    assert told.persistence


async def test_a_store_on_redis_tells_of_its_memory(app, store):
    told = await app.store.server()
    assert (told.memory is not None) == (told.kind == "redis")
    assert (told.size is not None) == (told.kind == "sqlite")


@pytest.mark.parametrize("job_id", ["9" * 30, "9" * 19, "-1", "0", "1.5", "²"])
async def test_an_id_that_cannot_be_one_is_no_job(app, job_id):
    await app.queue("work").add("x", {})
    assert await app.queue("work").get(job_id) is None
