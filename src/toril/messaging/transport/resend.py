"""Mail over the HTTP API of Resend (https://resend.com/docs/api-reference/emails/send-email).

It is the provider that shows what the seam asks of one: it knows a repeated request by its `Idempotency-Key` (for 24
hours), names the time after which to come back, and signs its webhooks. httpx carries the requests: typed, pooled, and
its trace tells the moment between the connection and the first byte, in which an attempt has to begin.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from toril.errors import MissingExtra
from toril.messaging.transport.base import Begin, Busy, Envelope, NotSent, Undecided
from toril.messaging.transport.pace import Pace
from toril.messaging.transport.resend_body import body_of
from toril.messaging.transport.transcript import Transcript, cleaned
from toril.tracing import delivery

if TYPE_CHECKING:
    import httpx

__all__ = ["Resend"]

_DEFAULT = "https://api.resend.com"
_CONNECTING, _SECURED, _FIRST_BYTE = "connect_tcp.started", "start_tls.complete", "send_request_headers.started"
_QUOTA_PAUSE = 3600.0  # seconds before a used-up daily or monthly quota is looked at again
_OK, _SERVER = 2, 5  # hundreds
_OURS = {401, 403, 404, 405, 451}  # key, domain or address of the API: no mail can get through
_RUNNING, _TOO_MANY = 409, 429


class Resend:
    """Sends through Resend with an API key.

    connections: open at once; after 429 fewer, see Pace. limit: seconds for one request. base_url: where the API is.
    Raises MissingExtra if httpx is not installed (`toril[http]`).
    """

    def __init__(self, api_key: str, *, connections: int = 4, limit: float = 30.0, base_url: str = _DEFAULT) -> None:
        try:
            import httpx  # noqa: F401
        except ImportError:
            raise MissingExtra("resend://", "http") from None
        self._key, self._connections, self._limit, self._base = api_key, connections, limit, base_url
        self._pace = Pace(connections)
        self._client: httpx.AsyncClient | None = None

    def __repr__(self) -> str:
        return f"Resend({self._base})"

    @property
    def limit(self) -> float:
        """Seconds for one request."""
        return self._limit

    async def send(self, envelope: Envelope, begin: Begin) -> str:
        """Hand one mail over; see `Transport.send`."""
        async with self._pace:
            with delivery("resend", urlsplit(self._base).hostname or self._base, None, envelope.key):
                return await self._post(envelope, begin)

    async def _post(self, envelope: Envelope, begin: Begin) -> str:
        import httpx

        body, course = body_of(envelope), _Course(self._base, envelope.transcript, begin)
        try:
            async with asyncio.timeout(self._limit):
                response = await self._open().post(
                    "/emails",
                    json=body,
                    headers={"Idempotency-Key": envelope.key} if envelope.key else {},
                    extensions={"trace": course.heard},
                )
        except (httpx.TransportError, TimeoutError) as error:
            code = "timeout" if isinstance(error, (TimeoutError, httpx.TimeoutException)) else "connection lost"
            text = cleaned(f"{self._base}: {str(error) or code}")
            envelope.transcript.note(text)
            if course.began:
                raise Undecided(code, text, repeatable=bool(envelope.key)) from None
            raise NotSent("no connection", text, unreachable=True) from None
        envelope.transcript.heard(response.status_code, _told(response))
        return _judge(response, repeatable=bool(envelope.key))

    async def close(self) -> None:
        """Close the connections; forget the event loop."""
        self._pace = Pace(self._connections)
        if self._client is not None:
            client, self._client = self._client, None
            await client.aclose()

    def _open(self) -> httpx.AsyncClient:
        import httpx

        if self._client is None:
            self._client = httpx.AsyncClient(
                base_url=self._base,
                headers={"Authorization": f"Bearer {self._key}", "User-Agent": "toril"},
                timeout=httpx.Timeout(self._limit, pool=None),
                limits=httpx.Limits(max_connections=self._connections),
            )
        return self._client


class _Course:
    """Hears how a request goes, and begins between the connection and the first byte."""

    def __init__(self, base: str, transcript: Transcript, begin: Begin) -> None:
        self._base, self._transcript, self._begin = base, transcript, begin
        self._met = self.began = False

    async def heard(self, event: str, about: Mapping[str, Any]) -> None:
        """Take in an event of httpx: its name, and what it is about."""
        if event.endswith(_CONNECTING):
            self._meet("a new connection")
        elif event.endswith(_SECURED):
            self._transcript.note(f"{about['return_value'].get_extra_info('ssl_object').version()}")
        elif event.endswith(_FIRST_BYTE) and not self.began:
            self.began = True
            if not self._met:
                self._meet("a connection that was used before")
            await self._begin()
            self._transcript.said("POST /emails")

    def _meet(self, how: str) -> None:
        self._met = True
        self._transcript.note(f"{self._base}, {how}")


def _judge(response: httpx.Response, *, repeatable: bool) -> str:
    """Return what the API said of a mail that it took; raise what any other answer means."""
    status = response.status_code
    answer = _json(response)
    if status // 100 == _OK:
        return cleaned(f"{status} {answer.get('id', '')}".rstrip())
    name = str(answer.get("name", ""))
    code = f"{status} {name}" if name.replace("_", "").isalpha() else str(status)
    text = cleaned(f"{code}: {answer.get('message', '')}")
    if status == _TOO_MANY:
        raise Busy(code, text, retry_after=_pause(response) or (_QUOTA_PAUSE if "quota" in name else None))
    if status // 100 == _SERVER or (status == _RUNNING and "concurrent" in name):
        raise Undecided(code, text, repeatable=repeatable)
    if status == _RUNNING:  # the key was used with another content: an earlier attempt went through
        raise Undecided(code, text)
    raise NotSent(code, text, permanent=status not in _OURS, unreachable=status in _OURS)


def _told(response: httpx.Response) -> str:
    """Return what the transcript keeps of an answer."""
    answer, pause = _json(response), response.headers.get("retry-after")
    what = " ".join(str(answer[name]) for name in ("name", "message", "id") if answer.get(name))
    lines = [response.reason_phrase, f"Retry-After: {pause}" if pause else "", what]
    return "\n".join(line for line in lines if line)


def _json(response: httpx.Response) -> dict[str, Any]:
    try:
        answer = response.json()
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _pause(response: httpx.Response) -> float | None:
    """Return the seconds of a Retry-After header; Resend sends whole seconds, never a date."""
    value = response.headers.get("retry-after", "")
    return float(value) if value.isdecimal() else None
