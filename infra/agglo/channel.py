"""The image channel: the newest image beside those that servers still run on. No I/O.

An image is known by its key: the sha256 of its file, or its id in Glance where it is adopted. A server keeps the image
that it was made from until ``agglo patch`` moves it; one that no server runs on any more is retired.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import cast

from pydantic import JsonValue

Outputs = Mapping[str, JsonValue]


@dataclass(frozen=True)
class Build:
    """One image of the channel; ``date`` is the day it was built (YYYY-MM-DD), empty where nobody knows."""

    key: str
    date: str = ""
    adopted: bool = False

    def to_json(self) -> dict[str, JsonValue]:
        """As plain data."""
        return {"key": self.key, "date": self.date, "adopted": self.adopted}


def running(outputs: Iterable[Outputs]) -> dict[str, str]:
    """Keys of the images that servers run on, by the server's name, from the outputs of all stacks."""
    found: dict[str, str] = {}
    for known in outputs:
        found |= cast(dict[str, str], known.get("server_images", {}))
    return found


def published(metro: Outputs) -> dict[str, Build]:
    """The images that the metro stack has published, by key; the newest is its ``image``."""
    known = cast(dict[str, dict[str, str]], metro.get("images", {}))
    return {key: Build(key, image["date"], bool(image["adopted"])) for key, image in known.items()}


def builds(newest: Build, metro: Outputs, outputs: Iterable[Outputs]) -> list[Build]:
    """What the channel has to hold: what servers run on, as far as it was published, and the ``newest``, last."""
    used = set(running(outputs).values())
    older = [build for key, build in published(metro).items() if key in used and key != newest.key]
    return [*sorted(older, key=lambda build: (build.date, build.key)), newest]


def choose(servers: Iterable[str], newest: str, metro: Outputs, mine: Outputs, patch: frozenset[str]) -> dict[str, str]:
    """The image of each of a stack's ``servers``: the one in its recorded outputs ``mine``, while it is published.

    Else it is the newest, and for those in ``patch``.
    """
    kept, there = running([mine]), published(metro)
    return {name: kept[name] if name not in patch and kept.get(name) in there else newest for name in servers}
