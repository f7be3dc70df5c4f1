"""The worker is killed again and again while 2,000 mails go out: nothing is lost, and the log knows what happened."""

import asyncio
import json
import math
import subprocess
import sys
from pathlib import Path

import pytest
from audit import agrees, duplicates, read, report
from chaos import Chaos, Deed
from mail_worker import make
from shops import WELCOME
from test_chaos import until_final

from postgres import database
from stores import KINDS, SqliteFile

LIMIT = 3  # seconds for one dialogue, after which a lost sender's mail is undecided
PROGRAM = Path(__file__).with_name("mail_worker.py")


@pytest.fixture(params=[name for name, kind in KINDS.items() if kind.processes])
async def store(request):
    """An empty store of each kind that several processes can share."""
    async with KINDS[request.param]() as store:
        yield store


def start(config):
    return subprocess.Popen([sys.executable, str(PROGRAM), json.dumps(config)])


def explain(lines: list[tuple[str, str]], deeds: list[Deed]) -> float:
    """Return with how few differences that a killed worker explains the log's lines tell what the server did.

    There are three: a 250 whose reader could not write it down any more is `unknown`; so is an attempt that began and
    got no further than the server noticed; and of a 451 before it began there is no trace.
    """
    if not lines and not deeds:
        return 0
    ways = [math.inf]
    if lines and deeds and agrees(lines[0], deeds[0]):
        ways.append(explain(lines[1:], deeds[1:]))
    if lines and lines[0][0] == "unknown":
        ways.append(1 + explain(lines[1:], deeds))
        if deeds and deeds[0].event == "sent":
            ways.append(1 + explain(lines[1:], deeds[1:]))
    if deeds and deeds[0].event == "deferred":
        ways.append(1 + explain(lines, deeds[1:]))
    return min(ways)


async def kill(store, log_url, mails, kills, chaos):
    """Let workers send mails and kill one after the other, but the last; return the log's stories.

    Each kill must come while there is something to send.
    """
    transport = f"{chaos.url}connections=5&limit={LIMIT}"
    config = {"url": store.url, "settings": {**store.settings(), "lease": 1}, "transport": transport}
    config["log_url"] = log_url
    app, mailer = make(**config)
    recipients = [f"{'later' if number % 3 == 0 else 'good'}.{number}@example.com" for number in range(mails)]
    for first in range(0, mails, 500):
        batch = recipients[first : first + 500]
        await asyncio.gather(*(mailer.send("welcome", to=to, context=WELCOME) for to in batch))
    during = 0
    for _ in range(kills):
        before = chaos.kept
        worker = start(config)
        async with asyncio.timeout(30):
            while chaos.kept - before < mails // kills // 2:
                await asyncio.sleep(0.01)
        during += chaos.kept < mails
        worker.kill()
        worker.wait()
    worker = start(config)
    await until_final(mailer, 120)
    worker.terminate()
    worker.wait()
    await app.close()
    assert during == kills
    stories = read(log_url)
    assert len(stories) == mails
    return stories


def account(stories, chaos, most):
    """Hold the log's stories against the server's: nothing is lost, and what arrived twice was undecided.

    most: what kills can have hit; none would mean that they came at the wrong time.
    """
    by_kill = 0
    for story in stories:
        assert story.row.status == "sent", story
        deeds = chaos.deeds[story.row.recipient]
        differences = explain(story.lines, deeds)
        assert differences < math.inf, (story, deeds)
        by_kill += differences
        assert 1 <= sum(deed.kept for deed in deeds) <= 1 + story.undecided, story
    undecided = {story.row.recipient for story in stories if story.undecided}
    twice = duplicates(stories, chaos)
    assert twice.keys() <= undecided
    assert 0 < by_kill <= most
    report(f"{len(undecided)} rows undecided, of which {len(twice)} arrived twice:", *sorted(twice))


@pytest.mark.slow
async def test_twenty_kills_during_2000_mails(store, tmp_path):
    async with Chaos(tls=False, third=False) as chaos:
        stories = await kill(store, f"sqlite:///{tmp_path / 'mail.db'}", 2_000, 20, chaos)
    account(stories, chaos, most=20 * 5)  # a worker holds five connections


@pytest.mark.slow
async def test_kills_with_the_log_on_postgresql(postgres_url):
    async with SqliteFile() as store, Chaos(tls=False, third=False) as chaos:
        with database(postgres_url) as log_url:
            stories = await kill(store, log_url, 300, 4, chaos)
    account(stories, chaos, most=4 * 50)  # and has 50 slots: each mail may wait for its mark, which is one way farther
