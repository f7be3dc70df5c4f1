"""The settings of what mails look like and which language they are in."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from toril.settings.environment import Variable
from toril.settings.forms import Line

__all__ = ["BrandSettings"]

AN_ADDRESS = "an http:// or https:// address"
WebURL = Annotated[str, Field(pattern=r"^https?://[^\s/]+\S*$")]


class BrandSettings(BaseModel):
    """What mails look like, and the language of those whose recipient has none."""

    locale: Annotated[
        str,
        Field(pattern=r"^[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*$"),
        Variable("TORIL_LOCALE", "Mail", "a language tag such as vi or pt-BR"),
    ] = "en"
    """The language of mails to recipients for whom none is given."""

    brand_color: Annotated[
        str,
        Field(pattern=r"^#[0-9a-fA-F]{6}$"),
        Variable("TORIL_BRAND_COLOR", "Mail", "a colour such as #b3261e"),
    ] = "#b3261e"
    """The colour of buttons and links in mails."""

    brand_url: Annotated[
        WebURL | None, Variable("TORIL_BRAND_URL", "Mail", AN_ADDRESS, example="https://example.com")
    ] = None
    """Where the sender's name above each mail leads."""

    brand_logo: Annotated[
        WebURL | None, Variable("TORIL_BRAND_LOGO", "Mail", AN_ADDRESS, example="https://example.com/logo.png")
    ] = None
    """The address of an image in place of the sender's name above each mail, 32 pixels high."""

    brand_address: Annotated[
        Line | None,
        Variable("TORIL_BRAND_ADDRESS", "Mail", "one line of text", example="Example Ltd, 12 Mill Lane, Dublin"),
    ] = None
    """The postal address below each mail."""
