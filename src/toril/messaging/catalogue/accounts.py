"""Mail about an account."""

from __future__ import annotations

from toril import Secret
from toril.messaging.catalogue.fields import Line, Minutes
from toril.messaging.message import Context, SecretURL, WebURL

__all__ = ["PasswordReset", "VerificationCode", "Welcome"]


class VerificationCode(Context, kind="transactional", priority=1):
    """Somebody proves that an address is theirs: `code` works for `valid_minutes` minutes, and so does `link`."""

    code: Secret[Line]
    name: Line | None = None
    link: SecretURL | None = None
    valid_minutes: Minutes = 10


class Welcome(Context, kind="transactional", priority=3):
    """Somebody has just signed up; `link` is where they go on."""

    name: Line
    link: WebURL


class PasswordReset(Context, kind="transactional", priority=1):
    """Somebody asked for a new password; `link` lets its reader in for `valid_minutes` minutes."""

    name: Line
    link: SecretURL
    valid_minutes: Minutes = 60
