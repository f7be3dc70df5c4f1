"""The commands that do what the admin API does: the same JSON, masks, verbs and audit log, and exit codes for scripts."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import shlex
import sys
from typing import NamedTuple

import pytest
import redis

from toril import Worker
from toril.cli.main import main
from toril.web.models import AuditEntry


class Said(NamedTuple):
    """What a command has printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)


class Command:
    """Runs `toril` in this process, as it is run from a script: nothing is a terminal."""

    def __init__(self, env: dict[str, str]) -> None:
        self.env = env

    async def __call__(self, *arguments: str, answer: str | None = None, **env: str) -> Said:
        """Run it; with an answer there is somebody at the keyboard who can be asked."""
        return await asyncio.to_thread(self._run, arguments, answer, env)

    def _run(self, arguments: tuple[str, ...], answer: str | None, env: dict[str, str]) -> Said:
        out, err, code = io.StringIO(), io.StringIO(), 0
        with pytest.MonkeyPatch.context() as patch:
            for name, value in {**self.env, **env}.items():
                patch.setenv(name, value)
            patch.setattr(sys, "argv", ["toril", *arguments])
            patch.setattr(sys, "stdin", io.StringIO(answer))
            patch.setattr(sys.stdin, "isatty", lambda: answer is not None, raising=False)
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                try:
                    main()
                except SystemExit as end:
                    code = int(end.code or 0)
        return Said(code, out.getvalue(), err.getvalue())


@pytest.fixture
def toril(site, store, tmp_path, monkeypatch) -> Command:
    monkeypatch.chdir(tmp_path)
    mail_log = site.app.settings.mail_log_url
    assert mail_log is not None
    return Command({
        "TORIL_URL": store.url, "TORIL_PREFIX": site.app.settings.prefix, "TORIL_SECRET_KEY": "k" * 40,
        "TORIL_MAIL_LOG_URL": mail_log.get_secret_value(), "COLUMNS": "80",
    })  # fmt: skip


async def failed(site, number: int = 1, **data: str) -> list[str]:
    """Add jobs that fail, run them, and return their ids."""
    queue = site.app.queue("emails")
    jobs = [await queue.add("broken", {"to": f"ana{n}@example.com", **data}) for n in range(number)]
    await site.app.run_pending(["emails"])
    return [job.id for job in jobs]


async def states(site) -> dict[str, int]:
    return {state: count for state, count in (await site.app.queue("emails").counts()).items() if count}


async def acts(site) -> list[AuditEntry]:
    return list(reversed(await site.desk.audit.entries()))


async def test_queues_jobs_and_failures_say_what_the_api_says(site, toril):
    (job_id, *_) = await failed(site, 3, password="hunter2")
    await site.app.queue("emails").pause(by="ana")  # so that nothing that is shown moves
    api = site["admin"]

    (emails,) = [line for line in (await api.get("/queues")).json()["queues"] if line["name"] == "emails"]
    assert emails["counts"]["failed"] == 3
    assert emails in (await toril("queues", "--json")).json["queues"]
    same = {
        "/queues/emails/jobs?filter=state:failed&limit=2": ("jobs", "emails", "--state", "failed", "--limit", "2"),
        f"/queues/emails/jobs/{job_id}": ("job", "emails", job_id),
        "/queues/emails/failures": ("failures", "emails"),
        "/schedules": ("schedules", "list"),
    }
    for path, arguments in same.items():
        assert (await toril(*arguments, "--json")).json == (await api.get(path)).json()


async def test_tables_keep_every_id_whole_in_a_pipe_and_their_lines_end_where_their_text_ends(site, toril):
    ids = await failed(site, 2)
    long = (await site.app.queue("emails").add("welcome", {"to": "x"}, job_id="x" * 100, delay=60)).id
    table = (await toril("jobs", "emails")).out.splitlines()
    assert table[0].split() == ["id", "name", "state", "attempts", "added", "reason"]
    assert {line.split()[0] for line in table[1:]} == {*ids, long}
    assert all(line == line.rstrip() for line in table)
    assert not any(char in "\x1b…" for line in table for char in line)
    (queues,) = [line.split() for line in (await toril("queues")).out.splitlines() if line.startswith("emails")]
    assert queues == ["emails", "0", "0", "1", "2", "0", "ok"]
    (group,) = (await toril("failures", "emails")).out.splitlines()[1:]
    assert (group.split()[0] in ids, group.split()[1]) == (True, "2")
    assert group.endswith("broken  ValueError: no such address: <email> (password=********)")


async def test_jobs_are_found_by_the_filter_and_paged(site, toril):
    ids = await failed(site, 5)
    first = await toril("jobs", "emails", "--filter", "error:address data.to:ana*", "--limit", "3")
    assert first.code == 0
    after = shlex.split(first.err)[-1]
    rest = (await toril("jobs", "emails", "--filter", "error:address data.to:ana*", "--after", after, "--json")).json
    shown = [line.split()[0] for line in first.out.splitlines()[1:]] + [job["id"] for job in rest["jobs"]]
    assert (sorted(shown), rest["after"]) == (sorted(ids), None)
    assert await toril("jobs", "emails", "--filter", "zebra") == (1, "", "toril: no job of emails matches\n")
    assert (await toril("jobs", "emails", "--filter", "colour:red")).code == 2
    assert await toril("jobs", "none") == (1, "", "toril: there is no queue 'none'\n")


async def test_one_job_is_shown_in_full_with_its_secrets_masked(site, toril):
    (job_id,) = await failed(site, 1, password="hunter2")
    shown = await toril("job", "emails", job_id)
    assert shown.code == 0
    assert "hunter2" not in shown.out
    lines = shown.out.splitlines()
    assert lines[0] == f"broken {job_id} in emails: failed"
    assert lines[1].startswith("why        it failed at ")
    assert '    "password": "********"' in lines
    assert "  ValueError: no such address: ana0@example.com (password=********)" in lines
    assert await toril("job", "emails", "none") == (1, "", "toril: queue emails has no job none\n")


async def test_chosen_jobs_are_retried_and_what_could_not_be_is_told(site, toril):
    one, two = await failed(site, 2)
    assert await toril("retry", "emails", one) == (0, "retried 1 job\n", "")
    part = await toril("retry", "emails", two, "none", "--json")
    assert (part.code, part.json) == (1, {"count": 1, "ids": [two], "skipped": 1, "after": None})
    assert await toril("retry", "emails", "none") == (1, "", "toril: queue emails has no job none\n")
    assert await states(site) == {"waiting": 2, "ready": 2}
    found = [(act.origin, act.action, act.queue, act.outcome, act.count) for act in await acts(site)]
    assert found == [
        ("cli", "retry", "emails", "done", 1),
        ("cli", "retry", "emails", "done", 1),
        ("cli", "retry", "emails", "failed: JobNotFound", None),
    ]


async def test_all_that_match_are_retried_once_that_is_agreed_to(site, toril):
    await failed(site, 4)
    asked = ("retry", "emails", "--filter", "error:address")
    assert await toril(*asked, "--dry-run") == (0, "would have retried 4 jobs\n", "")
    assert (await toril(*asked, "--dry-run", "--json")).json == {"count": 4}
    refused = await toril(*asked)
    assert refused.code == 2
    assert "--yes" in refused.err
    assert await states(site) == {"failed": 4}
    assert not await acts(site)
    done = await toril(*asked, "--yes", "--json")
    assert (done.code, done.json["count"], done.json["after"]) == (0, 4, None)
    assert await states(site) == {"waiting": 4, "ready": 4}
    nothing = await toril(*asked, "--yes")
    assert (nothing.code, nothing.err) == (1, "toril: no job matches to which it can be done\n")


async def test_whoever_is_at_the_keyboard_is_asked_and_the_answer_is_no_part_of_the_output(
    site, toril, tmp_path, monkeypatch
):
    await failed(site, 2)
    (tmp_path / "yard.py").write_text("from toril import Toril\napp = Toril()\n")
    asked = ("retry", "emails", "--filter", "state:failed", "--app", "yard:app", "--json")
    monkeypatch.delitem(sys.modules, "yard", raising=False)
    no = await toril(*asked, answer="n\n")
    assert (no.code, no.out.strip()) == (1, "")
    assert no.err.startswith("Retry 2 jobs of emails? [y/N]:")
    assert await states(site) == {"failed": 2}
    yes = await toril(*asked, answer="y\n")
    assert (yes.code, yes.json["count"]) == (0, 2)


@pytest.mark.parametrize(
    ("verb", "left"),
    [("promote", {"waiting": 1, "ready": 1}), ("cancel", {"failed": 1}), ("remove", {})],
)
async def test_each_verb_is_done_to_a_chosen_job_and_to_all_that_match(site, toril, verb, left):
    for by_filter in (False, True):
        await site.app.queue("emails").drain(delayed=True)
        job = await site.app.queue("emails").add("welcome", {"to": "x"}, delay=3600)
        chosen = ("--filter", f"id:{job.id}", "--yes") if by_filter else (job.id,)
        assert (await toril(verb, "emails", *chosen)).code == 0
        assert (await states(site)) == left
        await site.app.queue("emails").clean("failed")


async def test_a_queue_is_paused_resumed_and_cleaned(site, toril):
    await failed(site, 3)
    paused = await toril("pause", "emails", "--why", "lunch", "--json")
    assert (paused.code, paused.json["name"], paused.json["paused"]["why"]) == (0, "emails", "lunch")
    assert await toril("resume", "emails") == (0, "emails runs: 0 jobs ready, 0 workers\n", "")
    assert not await site.app.queue("emails").paused()
    kept = await toril("clean", "emails", "--state", "failed", "--older-than", "1h", "--yes", "--json")
    assert kept.json == {"count": 0}
    cleaned = ("clean", "emails", "--state", "failed", "--older-than", "0s", "--limit", "2")
    assert (await toril(*cleaned)).code == 2
    assert (await toril(*cleaned, "--yes")).out == "removed 2 jobs\n"
    assert (await toril("clean", "emails", "--state", "failed", "--older-than", "soon", "--yes")).code == 2
    assert await toril("pause", "none") == (1, "", "toril: there is no queue 'none'\n")
    assert [act.action for act in await acts(site)] == ["pause", "resume", "clean", "clean"]


async def test_schedules_are_listed_in_words_run_and_removed(site, toril):
    await site.app.put_schedules()
    (line,) = (await toril("schedules", "list")).out.splitlines()[1:]
    assert "Every 1 h" in line
    assert "not in this code" in line  # of the application no code was named
    run = await toril("schedules", "run", "report")
    assert run.out.startswith("added report ")
    assert (await toril("schedules", "run", "none")).code == 1
    elsewhere = (1, "", "toril: queue other has no schedule 'report': it is in reports\n")
    assert await toril("schedules", "remove", "report", "--queue", "other") == elsewhere
    assert (await toril("schedules", "remove", "report")).code == 0
    assert await toril("schedules", "list") == (1, "", "toril: the store has no schedules\n")
    assert [(act.action, act.outcome) for act in await acts(site)] == [
        ("run-schedule", "done"),
        ("remove-schedule", "done"),
    ]


async def test_workers_are_listed_and_it_is_a_failure_if_there_is_none(site, toril):
    await site.app.open()
    assert await toril("workers") == (1, "", "toril: no worker is alive\n")
    worker = Worker(site.app, {"emails": 3})
    running = asyncio.create_task(worker.run())
    while not worker.enrolled:
        await asyncio.sleep(0)
    found = (await toril("workers", "--json")).json["workers"]
    assert [one["queues"] for one in found] == [{"emails": 3}]
    assert "0 of 3" in (await toril("workers")).out
    worker.stop()
    await running


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("pause", "emails", "--why", "x" * 2_000), "toril: why: String should have at most 1000 characters\n"),
        (
            ("clean", "emails", "--state", "failed", "--older-than", "999999999w", "--yes"),
            "toril: older_than: Input should be less than or equal to 3153600000\n",
        ),
        (("jobs", "emails", "--after", "nowhere"), "toril: after: "),
        (("jobs", "emails", "--state", "broken"), "Usage: "),
        (("retry", "emails"), "Usage: "),
        (("retry", "emails", "1", "--dry-run"), "Usage: "),
        (("retry", "emails", "--filter", "state:delayed", "--yes"), "toril: filter: no job in delayed can be asked to"),
    ],
)
async def test_bad_usage_is_told_and_has_an_exit_code_of_its_own(site, toril, arguments, said):
    await site.app.queue("emails").add("welcome", {"to": "x"})
    found = await toril(*arguments)
    assert (found.code, found.out) == (2, "")
    assert found.err.startswith(said)


async def test_a_store_that_is_not_there_has_an_exit_code_of_its_own(toril, tmp_path):
    for url in ("redis://127.0.0.1:1", f"sqlite:///{tmp_path}/none.db"):
        said = await toril("queues", TORIL_URL=url)
        assert (said.code, said.out, len(said.err.splitlines())) == (69, "", 1)
    assert not (tmp_path / "none.db").exists()
    assert (await toril("queues", TORIL_URL="mysql://here")).code == 2
    assert (await toril("queues", TORIL_APP="nowhere:app")).err.startswith("toril: nowhere:app: no module 'nowhere'")


@pytest.mark.parametrize("store", ["redis"], indirect=True)
async def test_workers_of_node_are_listed_by_their_names(site, store, toril):
    await site.app.open()
    with redis.Redis.from_url(store.url, client_name=f"{store.settings()['prefix']}:ZW1haWxz:w:mia") as node:
        node.ping()
        (line,) = (await toril("workers")).out.splitlines()[1:]
    assert line.split() == ["127.0.0.1", "1", "of", "Node:", "mia", "0", "connected", "emails"]
