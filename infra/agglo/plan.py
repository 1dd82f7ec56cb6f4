"""What would be done, and why. Pure: specs and records in, changes out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from pydantic import JsonValue

from agglo.records import Record
from agglo.stack import Spec, StackId


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
    """What happens to one stack and why; ``steps`` is None where the engine was not asked."""

    stack: StackId
    title: str
    action: Action
    reason: str
    steps: tuple[Step, ...] | None = None
    guests: tuple[str, ...] = ()

    @property
    def engine(self) -> bool:
        """True when the engine has to run."""
        return self.action in (Action.CREATE, Action.UPDATE, Action.RESUME, Action.DELETE)


@dataclass(frozen=True)
class Plan:
    """All changes in the order they are made."""

    changes: tuple[Change, ...]
    checkpoints: Mapping[str, str] = field(default_factory=dict)

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
    return Action.UNCHANGED, "as recorded"


def guests_due(wanted: Mapping[str, str], record: Record | None) -> tuple[str, ...]:
    """Guests whose digest is not the recorded one: they have to be configured."""
    done = record.guests if record else {}
    return tuple(sorted(name for name, value in wanted.items() if name not in done or done[name].digest != value))


def verification_due(record: Record | None) -> bool:
    """True when the last verification is missing or failed."""
    return record is None or record.verified is None or record.verified.failed > 0


def blast_radius(changes: Sequence[Change], populations: Mapping[str, int]) -> tuple[int, int]:
    """Communes and inhabitants touched by ``changes``; ``populations`` is keyed by INSEE code."""
    touched = {c.stack.name[:5] for c in changes if c.stack.kind != "metro"} & set(populations)
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
    }
