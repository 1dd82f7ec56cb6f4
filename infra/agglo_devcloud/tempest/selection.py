"""Which of Tempest's tests are run: suites, less what is excluded. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from agglo_devcloud.tempest.exclusions import Excluded, Exclusions

API = ("identity", "compute", "network", "image", "volume", "object_storage")
SUITES = ("smoke", *API)
_NAME = re.compile(r"(?P<name>[^\[(]+)(\[(?P<attributes>[^\]]*)\])?")

Why = Literal["does not apply", "known failure"]


@dataclass(frozen=True)
class Case:
    """A test as stestr names it: ``tempest.api.….test_x[id-…,smoke]``."""

    id: str

    @property
    def name(self) -> str:
        """Without its attributes.

        >>> Case("tempest.api.image.T.test_x[id-1,smoke]").name
        'tempest.api.image.T.test_x'
        """
        return _match(self.id)["name"]

    @property
    def group(self) -> str:
        """The class that it is in; its fixtures may fail or skip for all of them."""
        return self.name.rpartition(".")[0]

    @property
    def suites(self) -> tuple[str, ...]:
        """The suites that it belongs to, of ``SUITES``.

        >>> Case("tempest.api.image.T.test_x[id-1,smoke]").suites
        ('smoke', 'image')
        """
        attributes = (_match(self.id)["attributes"] or "").split(",")
        parts = self.name.removeprefix("tempest.").removeprefix("serial_tests.").split(".")
        api = parts[1] if parts[0] == "api" else ""
        return tuple(name for name in SUITES if name == api or (name == "smoke" and "smoke" in attributes))


@dataclass(frozen=True)
class Selection:
    """``run`` is run; ``excluded`` are the others of the suites, each with why and the reason."""

    suites: tuple[str, ...]
    run: tuple[Case, ...]
    excluded: tuple[tuple[Case, Why, str], ...]


def select(ids: Iterable[str], suites: Sequence[str], exclusions: Exclusions, part: str = "") -> Selection:
    """What to run of the tests ``ids`` for ``suites``; ``part`` is a regular expression that their names must have."""
    wanted = [test for test in map(Case, ids) if set(test.suites) & set(suites) and re.search(part, test.name)]
    run, excluded = [], []
    for test in wanted:
        found = _excluded(test, exclusions)
        if found:
            excluded.append((test, *found))
        else:
            run.append(test)
    return Selection(tuple(suites), tuple(run), tuple(excluded))


def _excluded(test: Case, exclusions: Exclusions) -> tuple[Why, str] | None:
    lists: tuple[tuple[Why, tuple[Excluded, ...]], ...] = (
        ("does not apply", exclusions.does_not_apply),
        ("known failure", exclusions.known_failures),
    )
    for why, entries in lists:
        for entry in entries:
            if entry.covers(test.name):
                return why, entry.reason
    return None


def _match(text: str) -> re.Match[str]:
    found = _NAME.match(text)
    if not found:
        raise ValueError(f"'{text}' is no name of a test")
    return found
