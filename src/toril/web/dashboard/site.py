"""What a dashboard is about: the desk of an application and a mailbox; and the templates and files of all of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import jinja2

from toril.web.dashboard.rates import Rates
from toril.web.desk import Desk
from toril.web.words import FILTERS

if TYPE_CHECKING:
    from toril.messaging.mailbox import Mailbox

__all__ = ["STATIC", "TEMPLATES", "Site"]

_HERE = Path(__file__).parent
STATIC = {path.name: path for path in (_HERE / "static").iterdir()}
_VERSION = sha256(b"".join(STATIC[name].read_bytes() for name in sorted(STATIC))).hexdigest()[:10]


def _templates() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters.update(FILTERS)
    environment.globals["version"] = _VERSION
    return environment


TEMPLATES = _templates()  # all dashboards of a process share them: to compile one takes longer than to show it


@dataclass(frozen=True)
class Site:
    """desk: whose jobs and messages are shown, and who may see them. mailbox: where development mail is kept.

    by_host: the host's own function tells who somebody is: there is no page to log in.
    """

    desk: Desk
    mailbox: Mailbox | None = None
    by_host: bool = False
    rates: Rates = field(default_factory=Rates, repr=False)
