"""A small ASGI application to mount: the page behind unsubscribe links, and where the provider's reports go.

In FastAPI or Starlette: `web.mount("/mail", MailEndpoints(mailer))` serves `/mail/unsubscribe` and `/mail/webhook`.
Other frameworks call `mailer.unsubscribe(token)` and `mailer.webhook(body, headers)` themselves.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from html import escape
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, quote

from toril.errors import InvalidMessage, StoreUnavailable, WebhookRefused
from toril.messaging.outbox import Mailer

__all__ = ["MailEndpoints"]

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Answer = tuple[HTTPStatus, str]

_LARGEST = 1_000_000  # bytes of a body
_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex"><title>{title}</title>
<body style="font:18px/1.5 system-ui,sans-serif;max-width:32rem;margin:15vh auto;padding:0 1rem">
<h1 style="font-size:1.4rem">{title}</h1>{body}
"""
_BUTTON = (
    '<form method="post" action="?token={}"><button style="font:inherit;padding:.5rem 1rem">Unsubscribe</button></form>'
)


class MailEndpoints:
    """Answers `GET` and `POST …/unsubscribe?token=…` (RFC 8058) and `POST …/webhook`."""

    def __init__(self, mailer: Mailer) -> None:
        self._mailer = mailer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            raise RuntimeError(f"MailEndpoints: expected an http request, got {scope['type']}")
        place, method = scope["path"].rstrip("/").rpartition("/")[2], scope["method"]
        try:
            if place == "unsubscribe" and method in {"GET", "HEAD", "POST"}:
                answer = await self._unsubscribe(scope, method)
            elif place == "webhook" and method == "POST":
                answer = await self._webhook(scope, receive)
            else:
                answer = HTTPStatus.NOT_FOUND, _page("There is no such page")
        except StoreUnavailable:
            answer = HTTPStatus.SERVICE_UNAVAILABLE, _page("Please try again in a minute")
        await _respond(send, *answer, with_body=method != "HEAD")

    async def _unsubscribe(self, scope: Scope, method: str) -> Answer:
        token = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        try:
            if method == "POST":
                await self._mailer.unsubscribe(token)
                return HTTPStatus.OK, _page("You are unsubscribed", "<p>You will get no more mail of this kind.</p>")
            leaving = self._mailer.leaving(token)
        except InvalidMessage:
            return HTTPStatus.BAD_REQUEST, _page("This link does not work", "<p>Please use the one in the mail.</p>")
        # Asked first: programs that look at every link of a mail must not unsubscribe its reader.
        return HTTPStatus.OK, _page(f"Unsubscribe {leaving.address}?", _BUTTON.format(quote(token)))

    async def _webhook(self, scope: Scope, receive: Receive) -> Answer:
        body = await _read(receive)
        if body is None:
            return HTTPStatus.REQUEST_ENTITY_TOO_LARGE, ""
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        try:
            await self._mailer.webhook(body, headers)
        except WebhookRefused:
            return HTTPStatus.UNAUTHORIZED, ""
        except InvalidMessage:
            return HTTPStatus.BAD_REQUEST, ""
        return HTTPStatus.NO_CONTENT, ""


def _page(title: str, body: str = "") -> str:
    return _PAGE.format(title=escape(title), body=body)


async def _read(receive: Receive) -> bytes | None:
    """Return the body of a request; None if it is too large."""
    body: bytes = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return body
        body += message.get("body", b"")
        if len(body) > _LARGEST:
            return None
        if not message.get("more_body"):
            return body


async def _respond(send: Send, status: HTTPStatus, text: str, *, with_body: bool) -> None:
    body = text.encode()
    headers = [
        (b"content-type", b"text/html; charset=utf-8"),
        (b"cache-control", b"no-store"),
        (b"referrer-policy", b"no-referrer"),
        (b"content-security-policy", b"default-src 'none'; style-src 'unsafe-inline'; form-action 'self'"),
    ]
    if status != HTTPStatus.NO_CONTENT:
        headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": int(status), "headers": headers})
    await send({"type": "http.response.body", "body": body if with_body else b""})
