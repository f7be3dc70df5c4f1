"""Bull Board for the tests, as a person's browser or as the calls that its pages make."""

from __future__ import annotations

from typing import Any

import httpx

from nodes import Node

__all__ = ["Board"]


class Board:
    """A running Bull Board on some queues."""

    def __init__(self, node: Node, *queues: str) -> None:
        port = node.call("board", queues)
        self.url = f"http://127.0.0.1:{port}/board"
        self._client = httpx.Client(base_url=f"{self.url}/api/queues", timeout=10)

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """Make the call that a button makes; return what it answers."""
        answer = self._client.request(method, path, json=body if method != "GET" else None)
        assert answer.status_code in {200, 204}, f"{method} {path}: {answer.status_code} {answer.text[:500]}"
        return answer.json() if answer.content else None

    def queue(self, name: str, status: str = "latest") -> Any:
        """Return what the page of a queue shows: counts, and jobs of one state."""
        listed = self._client.get("", params={"activeQueue": name, "status": status, "page": 1, "jobsPerPage": 20})
        assert listed.status_code == 200, listed.text[:500]
        return next(queue for queue in listed.json()["queues"] if queue["name"] == name)

    def counts(self, name: str) -> dict[str, int]:
        """Return the counts that are not 0."""
        return {state: count for state, count in self.queue(name)["counts"].items() if count}

    def schedules(self, name: str) -> list[Any]:
        """Return the schedules of a queue."""
        answer = httpx.get(f"{self.url}/api/job-schedulers", params={"queueName": name}, timeout=10)
        found: list[Any] = answer.json()["schedulers"]
        return found

    def close(self) -> None:
        """Let go of its connections."""
        self._client.close()
