"""What would be done, and why. Pure: specs and records in, changes out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from pydantic import JsonValue

from agglo.policies import Finding, Given
from agglo.records import Record, Route
from agglo.stack import Spec, StackId
from agglo.words import Words


class Action(StrEnum):
    """What happens to a stack."""

    CREATE = "create"
    UPDATE = "update"
    RESUME = "resume"
    CONFIGURE = "configure"
    VERIFY = "verify"
    UNCHANGED = "unchanged"
    DELETE = "delete"


@dataclass(frozen=True)
class Step:
    """One resource that the engine would touch."""

    operation: str
    type: str
    name: str


@dataclass(frozen=True)
class Change:
    """What happens to one stack and why; ``steps`` is None where the engine was not asked.

    ``serves`` are the codes of the communes whose citizens notice; ``migrations`` what the guests' data go through.
    """

    stack: StackId
    title: str
    action: Action
    reason: str
    steps: tuple[Step, ...] | None = None
    guests: tuple[str, ...] = ()
    serves: tuple[str, ...] = ()
    migrations: tuple[str, ...] = ()

    @property
    def engine(self) -> bool:
        """True when the engine has to run."""
        return self.action in (Action.CREATE, Action.UPDATE, Action.RESUME, Action.DELETE)


@dataclass(frozen=True)
class CloudNotes:
    """What the cloud at hand means for a plan: ``skipped`` is left out and why, ``adopted`` was there before and stays.

    ``names`` are DNS records that somebody has to make where the cloud serves no names.
    """

    skipped: tuple[str, ...] = ()
    adopted: tuple[str, ...] = ()
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """All changes in the order they are made, what the policies say of their stacks, the project's exemptions, what to
    know, and what the cloud means for it.
    """

    changes: tuple[Change, ...]
    checkpoints: Mapping[str, str] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    exemptions: tuple[Given, ...] = ()
    notes: tuple[Words, ...] = ()
    cloud: CloudNotes = CloudNotes()

    @property
    def refused(self) -> tuple[Finding, ...]:
        """What forbids to apply it."""
        return tuple(f for f in self.findings if f.refused)

    @property
    def pending(self) -> tuple[Change, ...]:
        """What is not unchanged."""
        return tuple(c for c in self.changes if c.action is not Action.UNCHANGED)

    def to_json(self) -> dict[str, JsonValue]:
        """The plan as plain data."""
        return {
            "format": 1,
            "changes": [_change_json(change) for change in self.changes],
            "checkpoints": dict(self.checkpoints),
            "findings": [finding.to_json() for finding in self.findings],
            "exemptions": [given.to_json() for given in self.exemptions],
            "notes": [{"fr": note.say("fr"), "en": note.en} for note in self.notes],
            "cloud": {
                "skipped": list(self.cloud.skipped),
                "adopted": list(self.cloud.adopted),
                "names": list(self.cloud.names),
            },
        }


def decide(spec: Spec, record: Record | None, checkpoint: str | None) -> tuple[Action, str]:
    """What the engine has to do for one stack: its inputs against the last good record and the checkpoint there is."""
    if record is None or record.engine is None:
        if record and record.intent and checkpoint:
            return Action.RESUME, "an earlier run did not finish"
        return Action.CREATE, "is not there yet"
    if record.intent and record.intent.step in ("engine", "destroy"):
        return Action.RESUME, f"an earlier run stopped in its {record.intent.step} step"
    if spec.missing:
        return Action.UPDATE, f"needs {', '.join(map(str, spec.missing))} first"
    if checkpoint != record.engine.checkpoint:
        return Action.RESUME, "its state is not the one that was recorded"
    if spec.digest != record.engine.digest:
        return Action.UPDATE, "its inputs have changed"
    if record.drifted:
        return Action.UPDATE, "the cloud differs from what was applied (agglo drift)"
    return Action.UNCHANGED, "as recorded"


def guests_due(wanted: Mapping[str, str], record: Record | None, now: datetime) -> tuple[str, ...]:
    """Guests whose digest is not the recorded one, or whose ssh certificate ends soon: they have to be configured."""
    done = record.guests if record else {}

    def is_due(name: str) -> bool:
        return name not in done or done[name].digest != wanted[name] or done[name].renewal_due(now)

    return tuple(sorted(filter(is_due, wanted)))


def route_reason(before: Route | None, after: Route) -> str:
    """Why the edges' way to an instance changes."""
    reasons = []
    if before is None or before.maintenance != after.maintenance:
        reasons.append("leaves maintenance" if after.maintenance is None else "is put into maintenance")
    old, new = set(before.domains if before else ()), set(after.domains)
    reasons += [f"is published as {name}" for name in sorted(new - old)]
    reasons += [f"is no longer published as {name}" for name in sorted(old - new)]
    return "; ".join(reasons) or "is reached another way"


def verification_due(record: Record | None) -> bool:
    """True when the last verification is missing or failed."""
    return record is None or record.verified is None or record.verified.failed > 0


def blast_radius(changes: Sequence[Change], populations: Mapping[str, int]) -> tuple[int, int]:
    """Communes and inhabitants touched by ``changes``; ``populations`` is keyed by INSEE code."""
    touched = {code for change in changes for code in change.serves} & set(populations)
    return len(touched), sum(populations[insee] for insee in touched)


def _change_json(change: Change) -> dict[str, JsonValue]:
    steps: JsonValue = None
    if change.steps is not None:
        steps = [{"operation": s.operation, "type": s.type, "name": s.name} for s in change.steps]
    return {
        "stack": str(change.stack),
        "title": change.title,
        "action": str(change.action),
        "reason": change.reason,
        "steps": steps,
        "guests": list(change.guests),
        "serves": list(change.serves),
        "migrations": list(change.migrations),
    }
