"""Ansible's runs over many guests, where some of them fail."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from agglo.adapters.configurator import AnsibleConfigurator
from agglo.adapters.protocols import RunReport

FOLDER = Path("/nonexistent")


class Played(AnsibleConfigurator):
    """Without Ansible: guests in ``broken`` fail, in the run of that number, counted from 0."""

    def __init__(self, broken: Mapping[str, int]) -> None:
        self.broken = broken
        self.runs: list[tuple[str, ...]] = []

    def _play(self, guests: Any, due: Sequence[str], session: Any, say: Any, only: Any) -> dict[str, RunReport]:
        number = len(self.runs)
        self.runs.append(tuple(due))
        return {n: RunReport(2, "task: it broke" if self.broken.get(n) == number else "") for n in due}

    def go(self, *due: str, only: str | None = None) -> Mapping[str, RunReport]:
        return self.run((), due, FOLDER, print, only)


def test_those_who_are_well_get_all_of_their_plays() -> None:
    played = Played({"edge-1": 0, "edge-2": 0})
    reports = played.go("edge-1", "edge-2", "portal")
    assert played.runs == [("edge-1", "edge-2", "portal"), ("portal",)]
    assert reports["portal"] == RunReport(4)
    assert {name for name, report in reports.items() if report.failure} == {"edge-1", "edge-2"}


def test_one_that_fails_in_the_second_run_has_failed() -> None:
    played = Played({"a": 0, "b": 1})
    reports = played.go("a", "b", "c")
    assert played.runs == [("a", "b", "c"), ("b", "c"), ("c",)]
    assert [name for name, report in reports.items() if not report.failure] == ["c"]


def test_a_run_that_went_well_and_one_that_went_wholly_wrong_are_single() -> None:
    good = Played({})
    good.go("a", "b")
    assert good.runs == [("a", "b")]
    bad = Played({"a": 0, "b": 0})
    bad.go("a", "b")
    assert bad.runs == [("a", "b")]


def test_a_migration_is_never_played_twice() -> None:
    played = Played({"a": 0})
    played.go("a", "b", only="migrations/0001.yml")
    assert played.runs == [("a", "b")]
