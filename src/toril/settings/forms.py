"""The kinds of values that settings have: how they are read, checked and shown."""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import quote
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, SecretStr

__all__ = [
    "A_HOST",
    "A_PORT",
    "SECONDS",
    "Host",
    "Key",
    "Line",
    "Port",
    "Seconds",
    "Zone",
    "authority",
    "hide",
    "mask_url",
]

MASK = "********"
A_HOST = "a host name or an IP address"
A_PORT = "a port number, 1 to 65535"
SECONDS = "seconds, 0 or more"


def mask_url(url: str) -> str:
    """Return `url` with its password hidden, wherever it stands; safe for a badly written one, and for several."""
    return " ".join(map(_mask_one, re.split(r"\s+(?=[a-z][a-z+]*:)", url)))


def _mask_one(url: str) -> str:
    url = re.sub(r"(?i)([?&;](?:pass\w*|secret|token|\w*key)=)[^&;#]+", rf"\1{MASK}", url)
    before, at, host = url.rpartition("@")
    scheme, slashes, login = before.rpartition("://")
    if not slashes and at:
        return f"{MASK}@{host}"
    user, colon, _ = login.partition(":")
    return f"{scheme}://{user}:{MASK}@{host}" if colon else url


def hide(_: str) -> str:
    """Return what is shown in place of a value that is all secret."""
    return MASK


def authority(user: str | None, password: SecretStr | None, host: str, port: int) -> str:
    """Return the part of a URL between `//` and the path, quoted where it must be."""
    login = quote(user or "", safe="")
    if password:
        login += f":{quote(password.get_secret_value(), safe='')}"
    return f"{login}{'@' if login else ''}{f'[{host}]' if ':' in host else host}:{port}"


def _host(value: str) -> str:
    bare = value.removeprefix("[").removesuffix("]")
    if not re.fullmatch(r"[\w.-]+|[0-9A-Fa-f.]*:[0-9A-Fa-f.:]*:[0-9A-Fa-f.:]*(%\w+)?", bare):
        raise ValueError
    return bare


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (KeyError, OSError) as error:  # an unknown zone; a folder of zones, such as Europe
        raise ValueError from error
    return value


Host = Annotated[str, AfterValidator(_host)]
Key = Annotated[SecretStr, Field(min_length=32)]
Line = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]+$")]
Port = Annotated[int, Field(ge=1, le=65535)]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Zone = Annotated[str, AfterValidator(_zone)]
