"""Mail addresses: what we accept, and how they are written into a header."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from toril.errors import InvalidAddress
from toril.messaging.header import encode_words

__all__ = ["Address"]

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LOCAL = re.compile(rf"{_ATOM}(\.{_ATOM})*")
_LABEL = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_SEVERAL = re.compile(r"[<>]|@.*[,;]")  # in a name without quotes: the addresses of others
_AMBIGUOUS = re.compile(r'[<>"\\@]')
_KEPT, _JOINERS = re.compile("[ßẞς]"), re.compile("[\u200c\u200d]")
_ONE = "only one (one recipient is one message), with one '@'"
_PLAIN_NAME = re.compile(rf"{_ATOM}( {_ATOM})*")
_LONGEST_LOCAL, _LONGEST = 64, 254  # RFC 5321 4.5.3.1
_LONGEST_NAME = 200


@dataclass(frozen=True, slots=True)
class Address:
    """One mailbox: `spec` is `ana@example.com` (domain in ASCII), `name` may be empty."""

    spec: str
    name: str = ""

    @staticmethod
    def parse(value: object, field: str) -> Address:
        """Read `ana@example.com` or `Ana Ruiz <ana@example.com>`.

        Raises InvalidAddress, which names `field` and what is wrong but never quotes the address.
        """
        if isinstance(value, Address):
            return value
        if not isinstance(value, str):
            raise _refuse(field, f"not a {type(value).__name__}")
        if _CONTROL.search(value):
            raise _refuse(field, "without line breaks or control characters")
        name, spec = _split(value.strip(), field)
        if len(name) > _LONGEST_NAME:
            raise _refuse(field, f"with a name of at most {_LONGEST_NAME} characters")
        return Address(_check_spec(spec, field), name)

    @property
    def domain(self) -> str:
        """The part after the `@`."""
        return self.spec.rpartition("@")[2]

    def header(self) -> str:
        """Return the address as it stands in From and To."""
        if not self.name:
            return self.spec
        if not self.name.isascii() or "=?" in self.name:
            return f"{encode_words(self.name)}\r\n <{self.spec}>"
        if _PLAIN_NAME.fullmatch(self.name):
            return f"{self.name} <{self.spec}>"
        return self._quoted()

    def __str__(self) -> str:
        if not self.name:
            return self.spec
        return self._quoted() if _AMBIGUOUS.search(self.name) else f"{self.name} <{self.spec}>"

    def _quoted(self) -> str:
        quoted = self.name.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{quoted}" <{self.spec}>'


def _split(value: str, field: str) -> tuple[str, str]:
    if not value.endswith(">"):
        return "", value
    name, _, spec = value[:-1].rpartition("<")
    name = name.strip()
    if len(name) > 1 and name[0] == name[-1] == '"':
        name = re.sub(r"\\(.)", r"\1", name[1:-1])
    elif _SEVERAL.search(name):
        raise _refuse(field, _ONE)
    return name, spec.strip()


def _check_spec(spec: str, field: str) -> str:
    local, at, domain = spec.rpartition("@")
    if not at or not local or not domain:
        raise _refuse(field, "with something on both sides of one '@'")
    if "@" in local:
        raise _refuse(field, _ONE)
    if not local.isascii():
        raise _refuse(field, "with only ASCII characters before the '@'")
    if len(local) > _LONGEST_LOCAL or not _LOCAL.fullmatch(local):
        raise _refuse(field, "with a valid part before the '@' (no spaces, no dot at an end or doubled)")
    domain = _ascii_domain(domain, field)
    if len(local) + 1 + len(domain) > _LONGEST:
        raise _refuse(field, f"of at most {_LONGEST} characters")
    return f"{local}@{domain}"


def _ascii_domain(domain: str, field: str) -> str:
    try:
        ascii_domain = domain if domain.isascii() else ".".join(map(_ascii_label, domain.split(".")))
    except UnicodeError:
        raise _refuse(field, "with a valid domain after the '@'") from None
    labels = ascii_domain.split(".")
    if not all(_LABEL.fullmatch(label) for label in labels):
        raise _refuse(field, "with a valid domain after the '@' (letters, digits, hyphens, dots)")
    if len(labels) == 1 and ascii_domain != "localhost":
        raise _refuse(field, "with a full domain after the '@', such as example.com")
    if labels[-1].isdigit():
        raise _refuse(field, "with a domain name after the '@', not an IP address")
    return ascii_domain


def _ascii_label(label: str) -> str:
    """Return a label as DNS has it. Python's codec is of IDNA 2003, for which ß is ss: another domain now."""
    if _JOINERS.search(label):
        raise UnicodeError("only the label's script could say whether it may have them")
    if not _KEPT.search(label):
        return label.encode("idna").decode("ascii")
    return f"xn--{unicodedata.normalize('NFC', label).lower().encode('punycode').decode('ascii')}"


def _refuse(field: str, expected: str) -> InvalidAddress:
    return InvalidAddress(f"{field}: expected an address such as ana@example.com, {expected}")
