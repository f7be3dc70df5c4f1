"""A mail as Resend's API wants it: the parts by name, in JSON."""

from __future__ import annotations

import base64
import email
import email.policy
from email.message import EmailMessage
from typing import Any

from toril.messaging.transport.base import Envelope

__all__ = ["body_of"]

# What the API makes itself, or takes under a name of its own.
_NAMED = {"from", "to", "cc", "bcc", "reply-to", "subject", "date", "mime-version", "content-type"}
_NAMED |= {"content-transfer-encoding", "content-disposition"}


def body_of(envelope: Envelope) -> dict[str, Any]:
    """Return the body of `POST /emails` for one mail to one recipient."""
    message = email.message_from_bytes(envelope.message, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    body: dict[str, Any] = {
        "from": str(message["from"]),
        "to": [_recipient(message, envelope.recipient)],
        "subject": str(message["subject"]),
        "headers": {name: str(value) for name, value in message.items() if name.lower() not in _NAMED},
    }
    if envelope.key:  # its reports name it
        body["tags"] = [{"name": "toril_id", "value": envelope.key}]
    if message["reply-to"]:
        body["reply_to"] = [str(message["reply-to"])]
    for name, kind in (("text", "plain"), ("html", "html")):
        part = message.get_body((kind,))
        if part is not None:
            body[name] = part.get_content()
    attachments = [_attachment(part) for part in message.iter_attachments() if isinstance(part, EmailMessage)]
    return {**body, "attachments": attachments} if attachments else body


def _recipient(message: EmailMessage, recipient: str) -> str:
    """Return the recipient with the name that the mail gives it, if it is the one of its To."""
    shown = message["to"].addresses if message["to"] else ()
    return next((str(address) for address in shown if address.addr_spec == recipient), recipient)


def _attachment(part: EmailMessage) -> dict[str, Any]:
    content = part.get_payload(decode=True)
    assert isinstance(content, bytes)
    attachment = {
        "filename": part.get_filename() or "attachment",
        "content": base64.b64encode(content).decode("ascii"),
        "content_type": part.get_content_type(),
    }
    content_id = (part["content-id"] or "").strip("<> ")
    return {**attachment, "content_id": content_id} if content_id else attachment
