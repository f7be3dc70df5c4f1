"""What a mail provider reports later: bounces, complaints, deliveries. The reports of Resend, signed by way of Svix.

See https://resend.com/docs/dashboard/webhooks/introduction and https://docs.svix.com/receiving/verifying-payloads/how-manual.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from toril.errors import InvalidMessage, WebhookRefused

__all__ = ["Report", "check_signature", "read_report"]

_TOLERANCE = 300_000  # milliseconds: what is older may be a recording
_LONGEST = 1_000  # characters

Kind = Literal["bounced", "soft bounce", "complained", "delivered", "delayed"]
_KINDS: dict[str, Kind] = {
    "email.bounced": "bounced",
    "email.complained": "complained",
    "email.delivered": "delivered",
    "email.delivery_delayed": "delayed",
}


@dataclass(frozen=True, slots=True)
class Report:
    """What became of a mail after its server took it. mail_id: as the mail was tagged; "" if it was not."""

    kind: Kind
    recipient: str
    mail_id: str
    detail: str


def check_signature(secret: str, body: bytes, headers: Mapping[str, str], now: int) -> None:
    """Raise WebhookRefused unless the provider has signed this body a few minutes ago at most.

    secret: as its page shows it, `whsec_…`. headers: names in any case. now: epoch milliseconds.
    """
    given = {name.lower(): value for name, value in headers.items()}
    stamp, signed = given.get("svix-timestamp", ""), given.get("svix-signature", "")
    if not stamp.isdecimal() or abs(now - int(stamp) * 1000) > _TOLERANCE:
        raise WebhookRefused("webhook: expected a svix-timestamp of now")
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except binascii.Error:
        raise WebhookRefused("webhook: TORIL_MAIL_WEBHOOK_SECRET: expected whsec_ and base64") from None
    content = b"%s.%s." % (given.get("svix-id", "").encode(), stamp.encode()) + body
    right = base64.b64encode(hmac.digest(key, content, "sha256")).decode()
    # Several while its secret is being changed: "v1,… v1,…".
    if not any(hmac.compare_digest(f"v1,{right}".encode(), one.encode()) for one in signed.split(" ")):
        raise WebhookRefused("webhook: expected a svix-signature made with TORIL_MAIL_WEBHOOK_SECRET")


def read_report(body: bytes) -> Report | None:
    """Return what a report says, or None if it is of no interest; raise InvalidMessage for one that is none."""
    try:
        whole = json.loads(body)
        kind, data = _KINDS.get(whole["type"]), whole["data"]
        if kind is None:
            return None
        (recipient,) = data["to"]
        bounce = data.get("bounce") or {}
        if kind == "bounced" and bounce.get("type", "Permanent") != "Permanent":
            kind = "soft bounce"
        mail_id = _tags(data.get("tags")).get("toril_id", "")
        detail = " ".join(str(bounce[part]) for part in ("type", "subType", "message") if bounce.get(part))
        return Report(kind, str(recipient), str(mail_id), re.sub(r"\s+", " ", detail)[:_LONGEST])
    except (ValueError, KeyError, TypeError, AttributeError):
        raise InvalidMessage(
            "webhook: expected a report such as {type: email.bounced, data: {to: [address]}}"
        ) from None


def _tags(given: Any) -> Mapping[str, Any]:
    """Return tags by name: they are sent as a list and reported as an object."""
    return {tag["name"]: tag["value"] for tag in given} if isinstance(given, list) else given or {}
