"""A worker's answer to probes: a small HTTP server in a thread, so that a blocked event loop can still be seen."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from toril.errors import ConfigurationError
from toril.log import WORKER_HEALTH

if TYPE_CHECKING:
    from toril.worker.worker import Worker

__all__ = ["LATE", "health_of", "serving_health"]

LATE = 15.0  # seconds: a lane looks every 5, so it has missed three looks
PATIENCE = 5.0  # seconds that one request may take to be read
TURN = 0.05  # seconds after which its thread sees that it is to end


def health_of(worker: Worker) -> tuple[bool, dict[str, Any]]:
    """Return whether a worker takes jobs, and what to say of it: health is the age of its last look at the store."""
    silence = worker.silence
    late = {queue: round(seconds, 1) for queue, seconds in silence.items() if seconds > LATE}
    status = "stopping" if worker.stopping else "waiting" if not worker.enrolled else "late" if late else "ok"
    told = {
        "status": status,
        "queues": {
            queue: {"slots": slots, "last_poll": round(silence[queue], 1)} for queue, slots in worker.queues.items()
        },
        "running": worker.running,
        "ran": worker.ran,
    }
    return status == "ok", told


@contextlib.contextmanager
def serving_health(worker: Worker, port: int | None) -> Iterator[None]:
    """Answer `/health`, `/health/ready` (503 when the last poll is too old), `/health/live` and `/metrics` meanwhile.

    port: None: nothing is answered. Raises ConfigurationError if the port cannot be had.
    """
    if port is None:
        yield
        return
    try:
        server = ThreadingHTTPServer(("", port), type("Handler", (_Handler,), {"worker": worker}))
    except OSError as error:
        raise ConfigurationError(f"WORKER_HEALTH_CHECK_PORT={port}: the port cannot be had ({error})") from None
    threading.Thread(target=lambda: server.serve_forever(TURN), name="toril-health", daemon=True).start()
    WORKER_HEALTH(port=port)
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    worker: Worker
    timeout = PATIENCE
    server_version, sys_version = "toril", ""

    def do_GET(self) -> None:
        """Answer a probe."""
        match self.path.partition("?")[0]:
            case "/health/live":
                self._send(HTTPStatus.OK, json.dumps({"status": "ok"}))
            case "/health" | "/health/ready":
                ready, told = health_of(self.worker)
                self._send(HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE, json.dumps(told))
            case "/metrics":
                self._metrics()
            case _:
                self._send(HTTPStatus.NOT_FOUND, json.dumps({"status": "there is no such page"}))

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
        """Say nothing: probes come every few seconds."""

    def _metrics(self) -> None:
        try:
            from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
        except ImportError:
            self._send(HTTPStatus.NOT_FOUND, json.dumps({"status": "metrics need pip install 'toril[web]'"}))
            return
        from toril.worker.metering import instruments

        self._send(HTTPStatus.OK, generate_latest(instruments().registry).decode(), CONTENT_TYPE_LATEST)

    def _send(self, status: HTTPStatus, text: str, kind: str = "application/json") -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)
