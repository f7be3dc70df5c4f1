"""Ids and rows of Redis."""

from __future__ import annotations

import time

import pytest

from toril.job import JobState
from toril.store.redis.adding import new_ids
from toril.store.redis.records import read_job, taken_job

NEW = {"name": "greet", "data": "{}", "opts": '{"attempts":3}', "timestamp": "1800000000000", "delay": "0"}


def flat(fields: dict[str, str]) -> list[str]:
    return [part for pair in fields.items() for part in pair]


@pytest.mark.parametrize(
    "fields",
    [
        NEW | {"priority": "5"},
        NEW | {"priority": "x"},
        NEW | {"priority": "5", "atm": "1", "ats": "1", "failedReason": "ValueError"},
        NEW | {"parent": '{"id":"p","queueKey":"bull:other"}'},
        {"name": "greet", "data": "{}", "opts": "{}", "delay": "0", "priority": "1", "more": "?"},
        {"name": "greet"},
    ],
)
def test_a_job_that_is_taken_reads_as_it_does_afterwards(fields):
    taken = taken_job("work", ("t1", 2, flat(fields)), "bull", "me", 7, "token")
    after = fields | {"ats": "2", "pb": "me", "processedOn": "7"}
    assert taken == read_job("bull", "work", ("t1", "active", "", flat(after)))._replace(token="token")
    assert taken.state is JobState.ACTIVE


def test_ids_sort_by_time_and_differ():
    earlier = new_ids(2_000)
    time.sleep(0.002)
    later = new_ids(2_000)
    assert max(earlier) < min(later)
    assert len({*earlier, *later}) == 4_000
    assert {len(job_id) for job_id in (*earlier, *later)} == {20}
    assert not earlier[0][0].isdigit()
