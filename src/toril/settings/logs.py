"""The settings of what Toril's commands log."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator

from toril.settings.environment import Variable

__all__ = ["LogSettings"]


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


class LogSettings(BaseModel):
    """How much is said, and in which form, by Toril's own commands: in any other process logging is the host's."""

    log_level: Annotated[
        Literal["debug", "info", "warning", "error"],
        BeforeValidator(_lower),
        Variable("TORIL_LOG_LEVEL", "Logs", "debug, info, warning or error"),
    ] = "info"
    """How much `toril worker` and `toril serve` tell: with `debug` each job and mail, as under `toril dev`."""

    log_format: Annotated[
        Literal["text", "json"] | None,
        BeforeValidator(_lower),
        Variable("TORIL_LOG_FORMAT", "Logs", "text or json", example="json"),
    ] = None
    """Lines of `key=value` or of JSON. Without it: text on a terminal, JSON elsewhere."""
