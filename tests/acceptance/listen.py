"""Prints what happens to jobs as it hears of it, a JSON line each: `listen.py [CURSOR]`."""

from __future__ import annotations

import asyncio
import json
import sys
import time

from toril import Toril


async def main() -> None:
    async with Toril() as app:  # TORIL_URL says where
        stream = await app.events(queue="work", after=sys.argv[1] if len(sys.argv) > 1 else None).start()
        tell(kind="listening", cursor=stream.cursor)
        async for event in stream:
            age = time.time() - event.at / 1000
            tell(kind=event.kind, job=event.job_id, age=age, cursor=event.cursor)


def tell(**what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")


asyncio.run(main())
