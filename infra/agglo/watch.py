"""A look at the live cloud: what differs from what was applied, and since when volumes are in no backup."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import JsonValue

from agglo import ops
from agglo.configure import tell_monitoring, update
from agglo.drift import Difference, Kind, Listing, What, differences, of_kind, unmanaged
from agglo.errors import UsageError
from agglo.guest import BASTION, ways
from agglo.records import Looked, Record
from agglo.selector import only_named, with_recorded
from agglo.stack import StackId
from agglo.world import World


@dataclass(frozen=True)
class Drift:
    """What a look found of one stack."""

    stack: StackId
    title: str
    differences: tuple[Difference, ...]

    def to_json(self) -> dict[str, JsonValue]:
        """As plain data."""
        return {
            "stack": str(self.stack),
            "title": self.title,
            "differences": [difference.to_json() for difference in self.differences],
        }


def look(world: World, selector: str) -> list[Drift]:
    """Compare the selected stacks with the live cloud; record what was found, and tell the metropolis's monitoring.

    Nothing in the cloud is changed. The next apply brings back what differs; what is not agglo's stays. Raises
    UsageError when nothing of the selection has been applied, Locked while it is being changed.
    """
    world.vault.check()
    records = world.records.load_all()
    project = with_recorded(world.project, records.values())
    targets = [t for t in only_named(project, selector) if t.id in records]
    if not targets:
        raise UsageError(f"nothing of '{selector}' has been applied yet", hint=f"agglo apply {selector}")
    with world.records.lock({target.id for target in targets}):
        world.say("listing what is in the cloud")
        listing = world.cloud.listing()
        records = world.records.load_all()
        owned = frozenset[str]().union(*(world.engine.owned(stack) for stack in records))
        found = [Drift(t.id, t.title, _differences(world, records[t.id], t.id, owned, listing)) for t in targets]
        for drift in found:
            update(world, drift.stack, looked=_looked(world, drift, records[drift.stack], listing))
    _tell(world)
    return found


def _differences(
    world: World, record: Record, stack: StackId, owned: frozenset[str], listing: Listing
) -> tuple[Difference, ...]:
    managed = world.engine.resources(stack)
    mine = {_project(record)} - {""}
    groups = of_kind(managed, Kind.SECURITY_GROUP)
    return (*differences(managed, listing), *unmanaged(owned, groups, mine, listing))


def _project(record: Record) -> str:
    """The project that is the stack's alone: a landing zone's, or the metropolis's; "" where it has none."""
    return str(record.outputs.get("project", ""))


def _looked(world: World, drift: Drift, record: Record, listing: Listing) -> Looked:
    project = _project(record)
    return Looked(
        at=world.now(),
        differs=tuple(str(d) for d in drift.differences if d.what is not What.UNMANAGED),
        unmanaged=tuple(str(d) for d in drift.differences if d.what is What.UNMANAGED),
        volumes=listing.projects_volumes(project) if project else {},
    )


def _tell(world: World) -> None:
    """Give monitoring what the records say now."""
    guests = ways(world.project, world.records.load_all().values())
    if ops.NAME in guests:
        with world.configurator.session([guests[BASTION], guests[ops.NAME]], {}) as session:
            tell_monitoring(world, session)
