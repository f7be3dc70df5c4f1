"""One action on many jobs: on those that were chosen on a page, or on all that its filter finds."""

from __future__ import annotations

from starlette.responses import Response

from toril import JobState
from toril.errors import InvalidOption
from toril.web.dashboard.pages.queues import whole_filter
from toril.web.dashboard.visit import Visit
from toril.web.verbs import Verb, act_on, act_on_all
from toril.wording import number_of

__all__ = ["PAGES"]

_SAID = {
    Verb.RETRY: "Retried",
    Verb.PROMOTE: "Promoted",
    Verb.REMOVE: "Removed",
    Verb.CANCEL: "Cancelled",
}


async def act(visit: Visit) -> Response:
    """Do it, and say how many jobs it was done to."""
    assert visit.principal is not None
    desk, queue, verb = visit.site.desk, visit.queue, _verb(visit.said("verb"))
    state = JobState(visit.said("state")) if visit.said("state") in set(JobState) else None
    if visit.said("scope") == "all":
        done = await act_on_all(desk, visit.principal, queue, verb, whole_filter(state, visit.said("q")))
    else:
        done = await act_on(desk, visit.principal, queue, verb, [str(job_id) for job_id in visit.form.getlist("id")])
    skipped = f" ({done.skipped:,} could not be)" if done.skipped else ""
    rest = ": that is not all yet, do it again for the rest" if done.after else ""
    to = visit.url("queues", queue.name, state=state, q=visit.said("q"))
    return visit.back(to, f"{_SAID[verb]} {number_of(len(done.ids), 'job')}{skipped}{rest}.")


def _verb(word: str) -> Verb:
    try:
        return Verb(word)
    except ValueError:
        raise InvalidOption(f"verb: expected one of {', '.join(Verb)}, got {word!r}") from None


PAGES = [("POST", "/queues/{queue}/selection", act)]
