"""What a run did: stack by stack, what happened, how long it took, what is wrong. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from pydantic import JsonValue

from agglo.errors import AggloError
from agglo.plan import Action, Change, Plan
from agglo.records import Record, Verified
from agglo.stack import StackId


class Happened(StrEnum):
    """What became of one stack."""

    CREATED = "created"
    UPDATED = "updated"
    CONFIGURED = "configured"
    VERIFIED = "verified"
    DESTROYED = "destroyed"
    FAILED = "failed"
    UNCHANGED = "unchanged"


@dataclass(frozen=True)
class Ended:
    """How the engine's part of one stack ended, in ``seconds``: resources by operation (None: nothing was to be done),
    or the error that it met.
    """

    seconds: float = 0.0
    changes: Mapping[str, int] | None = None
    error: AggloError | None = None


@dataclass(frozen=True)
class Result:
    """What became of one stack. ``seconds`` are the engine's: guests are configured and checked all at once.

    ``verified`` is the last verification (None where there is nothing to verify, or nobody has); ``error`` one line.
    """

    stack: StackId
    title: str
    happened: Happened
    seconds: float = 0.0
    resources: Mapping[str, int] = field(default_factory=dict)
    verified: Verified | None = None
    error: str = ""

    def to_json(self) -> dict[str, JsonValue]:
        """The result as plain data; seconds with one decimal."""
        verified = self.verified
        return {
            "stack": str(self.stack),
            "title": self.title,
            "happened": str(self.happened),
            "seconds": round(self.seconds, 1),
            "resources": dict(self.resources),
            "verified": verified.model_dump(mode="json") if verified else None,
            "error": self.error,
        }


@dataclass(frozen=True)
class Outcome:
    """What a run did: its plan, whether it was carried out, failures of checks, and stacks that broke, by stack."""

    plan: Plan
    applied: bool
    failures: Mapping[StackId, tuple[str, ...]]
    broken: Mapping[StackId, AggloError] = field(default_factory=dict)
    results: tuple[Result, ...] = ()
    seconds: float = 0.0

    @property
    def worked_on(self) -> tuple[Result, ...]:
        """The results of stacks that had something to do."""
        return tuple(r for r in self.results if r.happened is not Happened.UNCHANGED)

    @property
    def counts(self) -> dict[Happened, int]:
        """How many stacks had which end."""
        found = Counter(result.happened for result in self.results)
        return {happened: found[happened] for happened in Happened if found[happened]}


def results(
    plan: Plan,
    ended: Mapping[StackId, Ended],
    configured: Collection[StackId],
    broken: Mapping[StackId, AggloError],
    failures: Mapping[StackId, tuple[str, ...]],
    records: Mapping[StackId, Record],
) -> tuple[Result, ...]:
    """One result for each stack of the plan, in its order."""
    return tuple(
        Result(
            stack=change.stack,
            title=change.title,
            happened=_happened(change, ended.get(change.stack, Ended()), change.stack in configured, broken),
            seconds=ended.get(change.stack, Ended()).seconds,
            resources=ended.get(change.stack, Ended()).changes or {},
            verified=record.verified if (record := records.get(change.stack)) else None,
            error=_error(broken.get(change.stack), failures.get(change.stack, ())),
        )
        for change in plan.changes
    )


def _happened(change: Change, ended: Ended, configured: bool, broken: Mapping[StackId, AggloError]) -> Happened:
    if change.stack in broken:
        return Happened.FAILED
    if ended.changes is not None:
        return {Action.DELETE: Happened.DESTROYED, Action.CREATE: Happened.CREATED}.get(change.action, Happened.UPDATED)
    if configured:
        return Happened.CONFIGURED
    return Happened.VERIFIED if change.action is Action.VERIFY else Happened.UNCHANGED


def _error(error: AggloError | None, failures: tuple[str, ...]) -> str:
    if error:
        return " ".join(error.message.split())
    more = f" (and {len(failures) - 1} more)" if len(failures) > 1 else ""
    return " ".join(failures[0].split()) + more if failures else ""
