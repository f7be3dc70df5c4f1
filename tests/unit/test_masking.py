"""What stands in place of secrets and of people in a text that others read."""

from __future__ import annotations

import pytest

from toril.masking import without_people, without_secrets


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("no such user (password=hunter2)", "no such user (password=********)"),
        ("{'user': 'ana', 'password': 'hunter 2'}", "{'user': 'ana', 'password': ********}"),
        ('{"api_key":"s3:cr)et","n":1}', '{"api_key":********,"n":1}'),
        ("[token: a)b]c]>", "[token: ********]>"),
        ("/login?access_token=abc&page=2", "/login?access_token=********&page=2"),
        ("DB_PASSWORD=hunter2; PORT=1", "DB_PASSWORD=********; PORT=1"),
        ("login(password=) took 3 tokens: too many", "login(password=) took 3 tokens: too many"),
        ("redis://ana:hunter2@cache:6379/0", "redis://ana:********@cache:6379/0"),
        ("secret='not closed", "secret=******** closed"),
    ],
)
def test_a_secret_is_hidden_and_what_stands_around_it_is_not(text: str, shown: str) -> None:
    assert without_secrets(text) == shown


def test_people_are_told_by_their_first_letter() -> None:
    assert without_people("ana.b@example.com: password=x") == "a***@example.com: password=********"
