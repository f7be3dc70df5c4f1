"""docs/mail.md is true: its examples run, one after the other."""

import re
import subprocess
import sys
from pathlib import Path

PAGE = (Path(__file__).parents[2] / "docs" / "mail.md").read_text()
RUN = """
import asyncio
import sqlalchemy as sa

orders = sa.Table("orders", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True))

async def main():
    await mailer.open()
    async with engine.begin() as connection:
        await connection.run_sync(orders.metadata.create_all)
    await forgot_password("ana@example.com", "https://shop.example.com/reset")
    await spring([("bob@example.com", "Bob"), ("eve@example.com", "Eve")])
    await place_order(orders, "ana@example.com")
    await look()
    await suppress()
    await engine.dispose()
    await app.close()

asyncio.run(main())
"""


def test_the_examples_run(tmp_path):
    code = "\n\n".join([*re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL), RUN])
    environment = {"TORIL_SECRET_KEYS": "a key for tests of 32 characters or more", "PATH": ""}
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (done.stderr, done.returncode) == ("", 0)
    assert done.stdout.splitlines()[:2] == ["2 2", "2 0 0 {'pending': 2}"]
