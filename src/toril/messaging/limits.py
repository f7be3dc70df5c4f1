"""How fast mail may go: in all, to one domain, to one recipient. Each worker process counts for itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from toril import Rate
from toril.checks import instance, optional
from toril.clock import Clock
from toril.errors import InvalidOption
from toril.messaging.message import Kind

__all__ = ["MailLimits", "Throttle"]

_RATE = optional(instance(Rate, "Rate(…)"))
_KEPT = 0.1  # share of the whole rate that subscribed mail leaves to transactional
_HORIZON = 60.0  # seconds ahead for which a mail is given a time of its own
_MANY = 10_000  # keys of which those that say nothing any more are dropped


@dataclass(frozen=True, slots=True)
class MailLimits:
    """Token buckets: `Rate(n, per)` is `n` mails in any `per` seconds, and after a pause that many at once.

    total: of one worker process. A tenth of it is kept for transactional mail. domain: to each recipient's domain;
    domains: to some of them, by name in lower case, in place of it. recipient: to each address.

    A mail that is over a limit waits, and uses no attempt. Raises InvalidOption.
    """

    total: Rate | None = None
    domain: Rate | None = None
    domains: Mapping[str, Rate] = field(default_factory=dict)
    recipient: Rate | None = None

    def __post_init__(self) -> None:
        named = {"total": self.total, "domain": self.domain, "recipient": self.recipient}
        for name, rate in (named | {f"domains[{name!r}]": rate for name, rate in self.domains.items()}).items():
            _RATE(f"limits.{name}", rate)
        if odd := [name for name in self.domains if name != name.lower() or not name.isascii()]:
            raise InvalidOption(f"limits.domains: expected names such as gmail.com or xn--bcher-kva.example, got {odd}")


class _Bucket:
    """When the next mail may go, after the generic cell rate algorithm: one number says how full it is."""

    __slots__ = ("_full_at", "_interval", "_per")

    def __init__(self, rate: Rate) -> None:
        self._per = rate.milliseconds / 1000
        self._interval = self._per / rate.n
        self._full_at = 0.0  # seconds at which all tokens will be there again

    def idle(self, now: float) -> bool:
        """Whether all tokens are there."""
        return self._full_at <= now

    def free_at(self, now: float, kept: float = 0.0) -> float:
        """Return when there is a token, apart from the share `kept`."""
        usable = max(self._per * (1 - kept), self._interval)
        return max(now, self._full_at + self._interval - usable)

    def take(self, moment: float) -> None:
        """Use a token at a moment."""
        self._full_at = max(self._full_at, moment) + self._interval


class Throttle:
    """Says of each mail how long it must wait. One that must wait for its recipient or domain gets a time of its own,
    so that the many that wait do not come all at once for the few tokens.
    """

    def __init__(self, limits: MailLimits, clock: Clock) -> None:
        self._limits, self._clock = instance(MailLimits, "MailLimits(…)")("limits", limits), clock
        self._total = _Bucket(limits.total) if limits.total else None
        self._buckets: dict[str, _Bucket] = {}
        self._times: dict[str, float] = {}  # of mails that were given one
        self._active = limits != MailLimits()

    def closed_for(self, kind: Kind) -> float:
        """Return the seconds for which no mail of a kind may go."""
        if self._total is None:
            return 0.0
        now = self._clock.monotonic()
        return self._total.free_at(now, _KEPT if kind == "subscribed" else 0.0) - now

    def wait(self, mail_id: str, recipient: str) -> float:
        """Return the seconds that a mail must wait, and let it go if there are none."""
        if not self._active:
            return 0.0
        now = self._clock.monotonic()
        moment = self._times.get(mail_id)
        if moment is None:
            buckets = list(self._of(recipient))
            moment = max([now, *(bucket.free_at(now) for bucket in buckets)])
            if moment - now > _HORIZON:
                return _HORIZON
            for bucket in buckets:
                bucket.take(moment)
        if moment > now:
            self._times[mail_id] = moment
            return moment - now
        self._times.pop(mail_id, None)
        if self._total is not None:
            self._total.take(now)
        self._tidy(now)
        return 0.0

    def _of(self, recipient: str) -> Iterator[_Bucket]:
        domain = recipient.rpartition("@")[2].lower()
        for key, rate in (
            (domain, self._limits.domains.get(domain, self._limits.domain)),
            (recipient.lower(), self._limits.recipient),
        ):
            if rate is not None:
                yield self._buckets.setdefault(key, _Bucket(rate))

    def _tidy(self, now: float) -> None:
        if len(self._buckets) > _MANY:
            self._buckets = {key: bucket for key, bucket in self._buckets.items() if not bucket.idle(now)}
        if len(self._times) > _MANY:  # some were cancelled, or sent by another process
            self._times = {mail_id: moment for mail_id, moment in self._times.items() if moment > now - _HORIZON}
