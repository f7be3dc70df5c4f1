"""docs/mail-templates.md is true: its code is what `toril mail new` prints, and runs; its table is the catalogue."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from toril.messaging.catalogue import BUILT_IN
from toril.messaging.scaffold import class_of, scaffold

PAGE = (Path(__file__).parents[3] / "docs" / "mail-templates.md").read_text()
RUN = """
async def main():
    async with shop.app:
        await shop.tell("ana@example.com")
        print((await shop.mailer.log()).mails[0].subject)
asyncio.run(main())
"""
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def test_the_example_runs(tmp_path):
    mails, shop = BLOCKS
    assert mails == class_of("invoice-ready", "transactional")
    scaffold("invoice-ready", tmp_path / "templates")
    (tmp_path / "mails.py").write_text(mails)
    (tmp_path / "shop.py").write_text(shop)
    code = "import asyncio, shop\n" + RUN
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("Invoice ready for Ana\n", "")


@pytest.mark.parametrize("kind", BUILT_IN, ids=lambda kind: kind.name)
def test_each_type_is_in_the_table(kind):
    fields = kind.context.model_fields.items()
    listed = ", ".join(f"`{name}`" if field.is_required() else f"`{name}`?" for name, field in fields)
    assert f"| `{kind.name}` | `{kind.context.__name__}`: {listed} | {kind.kind} | {kind.priority} |\n" in PAGE
