"""Which failures are of one kind."""

from __future__ import annotations

import pytest

from toril.fingerprint import Fingerprint, fingerprint


@pytest.mark.parametrize(
    ("reason", "exception", "message"),
    [
        ("ValueError: order 4711 has no lines", "ValueError", "order <n> has no lines"),
        ("KeyError: 'ana'", "KeyError", "<text>"),
        ("ValueError", "ValueError", ""),
        ("SMTPRecipientsRefused: ana@example.com unknown", "SMTPRecipientsRefused", "<email> unknown"),
        ("HTTPError: GET https://x.test/a?b=1 gave 503", "HTTPError", "GET <url> gave <n>"),
        ("OSError: no /var/lib/x.bin", "OSError", "no <path>"),
        ("E: job 6f1c2b1e-8f7e-4f43-9b1d-0c2f5a7d9e10", "E", "job <uuid>"),
        ("E: at 2026-01-31T09:00:00Z in 1.5 s", "E", "at <time> in <n> s"),
        ("E: object at 0x7f00 with deadbeef01", "E", "object at <hex> with <hex>"),
        ("E: first line\nsecond 5", "E", "first line"),
        ("E: don't and can't", "E", "don't and can't"),
        (
            "its worker died 4 times while it ran (last: ab12)",
            "",
            "its worker died <n> times while it ran (last: ab<n>)",
        ),
        ("", "", ""),
    ],
)
def test_what_differs_each_time_does_not_count(reason: str, exception: str, message: str) -> None:
    assert fingerprint("t", reason) == Fingerprint("t", exception, message)


def test_a_kind_has_a_short_id_of_its_own() -> None:
    one, same, other = fingerprint("t", "E: 1"), fingerprint("t", "E: 22"), fingerprint("u", "E: 1")
    assert one.id == same.id != other.id
    assert len(one.id) == 12


def test_a_hostile_message_costs_little() -> None:
    assert len(fingerprint("t", "E: " + "a" * 1_000_000).message) <= 200
