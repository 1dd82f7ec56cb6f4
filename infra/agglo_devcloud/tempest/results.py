"""What became of the tests, per suite. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from agglo_devcloud.tempest.selection import Case, Selection

State = Literal["passed", "failed", "skipped"]

WANTED_SHARE = 0.95  # of what applies
_STATES: Mapping[str, State] = {"success": "passed", "skip": "skipped"}
_FIXTURE = re.compile(r"(?P<which>setUpClass|tearDownClass) \((?P<group>.+)\)")


@dataclass(frozen=True)
class Event:
    """One line of ``stream``: a test, or a class's fixture (``setUpClass (…)``)."""

    id: str
    status: str
    seconds: float = 0.0
    details: Mapping[str, str] = field(default_factory=dict)

    @property
    def state(self) -> State:
        """Whatever is neither success nor skip failed; a test that was begun and not ended, too."""
        return _STATES.get(self.status, "failed")

    @property
    def text(self) -> str:
        """Why: the reason of a skip, the traceback of a failure."""
        return self.details.get("reason") or "\n".join(self.details[k] for k in self.details if "traceback" in k)


@dataclass(frozen=True)
class Result:
    """What became of one test, and why if it did not pass."""

    test: Case
    state: State
    seconds: float = 0.0
    text: str = ""


@dataclass(frozen=True)
class Row:
    """One suite's figures; ``seconds`` is what its tests took together."""

    suite: str
    passed: int
    failed: int
    skipped: int
    does_not_apply: int
    known_failures: int
    seconds: float

    @property
    def share(self) -> float:
        """What part of the tests that apply passed."""
        apply = self.passed + self.failed + self.known_failures
        return self.passed / apply if apply else 1.0

    @property
    def good(self) -> bool:
        """Enough passed, and nothing failed that is not known to."""
        return not self.failed and self.share >= WANTED_SHARE


def settle(selection: Selection, events: Iterable[Event]) -> list[Result]:
    """What became of every test that was to run; one that no event tells of has its class's fate, or failed.

    A class whose ``tearDownClass`` failed is added as a failure of its own.
    """
    seen, fixtures, after = {}, {}, []
    for event in events:
        fixture = _FIXTURE.match(event.id)
        if not fixture:
            seen[Case(event.id).name] = event
        elif fixture["which"] == "setUpClass":
            fixtures[fixture["group"]] = event
        elif event.state == "failed":
            after.append((fixture["group"], event))
    missing = Event("", "lost", details={"reason": "Tempest said nothing of it: see its log"})
    results = []
    for test in selection.run:
        event = seen.get(test.name) or fixtures.get(test.group, missing)
        results.append(Result(test, event.state, event.seconds, event.text))
    groups = {result.test.group: result.test for result in results}
    results += [
        Result(Case(f"{group}.tearDownClass{_attributes(groups[group])}"), "failed", event.seconds, event.text)
        for group, event in after
        if group in groups
    ]
    return results


def replace(results: Sequence[Result], again: Iterable[Result]) -> list[Result]:
    """The results, with those of a second try in place of the first."""
    newer = {result.test: result for result in again}
    return [newer.get(result.test, result) for result in results]


def _attributes(test: Case) -> str:
    return test.id.removeprefix(test.name)


def rows(selection: Selection, results: Sequence[Result]) -> Iterator[Row]:
    """The table: one row per suite (a test of ``smoke`` counts in its API's suite as well), then all of them."""
    for suite in selection.suites:
        yield _row(
            suite,
            [result for result in results if suite in result.test.suites],
            [why for test, why, _ in selection.excluded if suite in test.suites],
        )
    yield _row("all", results, [why for _, why, _ in selection.excluded])


def _row(name: str, results: Sequence[Result], excluded: Sequence[str]) -> Row:
    states, why = Counter(result.state for result in results), Counter(excluded)
    return Row(
        suite=name,
        passed=states["passed"],
        failed=states["failed"],
        skipped=states["skipped"],
        does_not_apply=why["does not apply"],
        known_failures=why["known failure"],
        seconds=sum(result.seconds for result in results),
    )


def reasons(results: Iterable[Result]) -> list[tuple[str, int]]:
    """Why Tempest itself skipped tests, and how many of each, the most frequent first."""
    return Counter(_first_line(result.text) for result in results if result.state == "skipped").most_common()


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0] or "no reason given"
