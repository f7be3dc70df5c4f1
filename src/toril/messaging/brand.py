"""Brand: what all mails of a sender have in common for the eye, with colours that can be read on light and dark."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from toril.errors import ConfigurationError

if TYPE_CHECKING:
    from toril.settings import Settings

__all__ = ["Brand"]

_HEX = re.compile(r"#[0-9a-fA-F]{6}")
_WHITE, _INK, _DARK_CARD = "#ffffff", "#101418", "#1c2024"  # the last is the card of layout.html in dark mode
_READABLE = 4.5  # WCAG 2.2, 1.4.3: the least contrast of text with its ground
_STEP = 0.08


@dataclass(frozen=True, slots=True)
class Brand:
    """The sender as its mails show it: templates find it as `brand`.

    name: stands above and below each mail. color: of buttons and links, such as "#b3261e". url: where the name
    leads. logo: the address of an image, shown 32 pixels high in place of the name. address: the postal address
    below, which many countries ask for in advertising.

    Raises ConfigurationError: no name, a colour that is none, or an address on the web that is not absolute.
    """

    name: str
    color: str = "#b3261e"
    url: str | None = None
    logo: str | None = None
    address: str | None = None

    on_color: str = field(init=False)
    """For text on `color`."""
    link: str = field(init=False)
    """`color`, so dark that it can be read on white."""
    dark: str = field(init=False)
    """`color`, so light that it can be read in dark mode."""
    on_dark: str = field(init=False)
    """For text on `dark`."""

    @staticmethod
    def of(settings: Settings, name: str) -> Brand:
        """Return the brand that the settings describe, called `name`."""
        return Brand(
            name, settings.brand_color, settings.brand_url, settings.brand_logo, address=settings.brand_address
        )

    def __post_init__(self) -> None:
        if not self.name.strip():
            raise ConfigurationError("brand name: expected a name, got none")
        if not _HEX.fullmatch(self.color):
            raise ConfigurationError(f"brand color: expected a colour such as #b3261e, got {self.color!r}")
        for part, url in (("url", self.url), ("logo", self.logo)):
            if url is not None and not (urlsplit(url).scheme in {"http", "https"} and urlsplit(url).netloc):
                raise ConfigurationError(f"brand {part}: expected an absolute http:// or https:// address, got {url!r}")
        dark = _towards(self.color, _WHITE, ground=_DARK_CARD)
        found = {
            "on_color": _text_on(self.color),
            "link": _towards(self.color, _INK, ground=_WHITE),
            "dark": dark,
            "on_dark": _text_on(dark),
        }
        for name, value in found.items():
            object.__setattr__(self, name, value)


def _channels(color: str) -> Iterator[int]:
    return (int(color[start : start + 2], 16) for start in (1, 3, 5))


def _luminance(color: str) -> float:
    """Return the relative luminance of WCAG 2.2."""
    parts = (part / 255 for part in _channels(color))
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)  # noqa: PLR2004
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(one: str, other: str) -> float:
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def _text_on(color: str) -> str:
    return _WHITE if _contrast(_WHITE, color) >= _READABLE else _INK


def _towards(color: str, goal: str, *, ground: str) -> str:
    """Return `color` mixed with as much of `goal` as makes it readable on `ground`."""
    share = 0.0
    mixed = color
    while _contrast(mixed, ground) < _READABLE and share < 1:
        share = min(share + _STEP, 1)
        pairs = zip(_channels(color), _channels(goal), strict=True)
        mixed = "#" + "".join(f"{round(own + (other - own) * share):02x}" for own, other in pairs)
    return mixed
