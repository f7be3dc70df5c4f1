"""The files of templates: which one is in force for a message type, a part of it and a recipient's locale."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from toril.errors import ConfigurationError
from toril.messaging.locales import SOURCE, choices

__all__ = ["BUILT_IN_FOLDER", "Source", "Sources"]

BUILT_IN_FOLDER = Path(__file__).parent / "catalogue"

_SUFFIX = re.compile(r"\w+\.([A-Za-z]{2,3}(?:-[A-Za-z0-9]+)*)\.(?:txt|html|json)")


@dataclass(frozen=True, slots=True)
class Source:
    """One file that was chosen: its text, the locale that it is in, and how many better ones there could be."""

    path: Path
    text: str
    locale: str
    rank: int


class Sources:
    """Looks for `name/part.vi.html`, a locale at a time, in your own folder and then among the built-in ones.

    folder: your own templates; None: only the built-in ones. locale: of recipients without one.
    Raises ConfigurationError if `folder` does not exist.
    """

    def __init__(self, folder: str | Path | None, locale: str) -> None:
        if folder is not None and not Path(folder).is_dir():
            raise ConfigurationError(f"templates: expected a folder, {str(folder)!r} is none")
        self._folders = [*([Path(folder)] if folder is not None else []), BUILT_IN_FOLDER]
        self._default = locale

    def find(self, place: str, part: str, ending: str, locale: str) -> Source | None:
        """Return the best file `part`[.locale]`ending` in the folder `place` of each root, or None."""
        paths = [
            (root / place / f"{part}{choice.suffix}{ending}", choice.locale)
            for choice in choices(locale, self._default)
            for root in self._folders
        ]
        for rank, (path, found) in enumerate(paths):
            if path.is_file():
                return Source(path, path.read_text(encoding="utf-8"), found, rank)
        return None

    def get(self, place: str, part: str, ending: str, locale: str) -> Source:
        """Return what `find` finds; raise ConfigurationError that says where it was looked for."""
        source = self.find(place, part, ending, locale)
        if source is not None:
            return source
        folders = [root / place for root in self._folders if (root / place).is_dir()]
        if not folders:
            looked = " or ".join(map(str, self._folders))
            raise ConfigurationError(f"template {place!r}: expected a folder of that name in {looked}")
        raise ConfigurationError(f"template {place!r}: expected a file {folders[0] / part}{ending}")

    def own_folders(self) -> Sequence[Path]:
        """Return the folders in your own one."""
        return [path for root in self._folders[:-1] for path in sorted(root.iterdir()) if path.is_dir()]

    def locales(self) -> Sequence[str]:
        """Return the languages that any file is in, English first."""
        return [SOURCE, *sorted(set(self._suffixes()) - {SOURCE})]

    def _suffixes(self) -> Iterator[str]:
        for root in self._folders:
            for path in root.rglob("*.*"):
                if found := _SUFFIX.fullmatch(path.name):
                    yield found[1]
