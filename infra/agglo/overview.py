"""The metropolis at a glance: which commune has which service, and how it is. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from agglo.channel import published, running
from agglo.commune import Commune
from agglo.errors import Problem
from agglo.metro import Tenant
from agglo.project import Project
from agglo.records import Record, Verified
from agglo.request import Request
from agglo.selector import with_recorded
from agglo.stack import StackId, commune_target, instance_id, metro_target
from agglo.story import State, state_of
from agglo.words import Words


class Zone(StrEnum):
    """Where a tenant's landing zone stands."""

    ABSENT = "absent"
    UNFINISHED = "unfinished"
    READY = "ready"


ZONES: Mapping[Zone, Words] = {
    Zone.ABSENT: Words("none yet", "pas encore"),
    Zone.UNFINISHED: Words("unfinished", "inachevée"),
    Zone.READY: Words("ready", "prête"),
}


@dataclass(frozen=True)
class Cell:
    """One service of one tenant; ``version`` is the one that runs, or that was asked for while none does."""

    version: str
    state: State
    record: Record | None = None

    @property
    def host(self) -> str:
        """The name under which citizens open it; empty while it is not published."""
        return self.record.route.host if self.record and self.record.route else ""

    @property
    def verified(self) -> Verified | None:
        """Its last verification."""
        return self.record.verified if self.record else None


@dataclass(frozen=True)
class Row:
    """One tenant: its size class, its landing zone, its services by name."""

    tenant: Tenant
    size: str
    zone: Zone
    cells: Mapping[str, Cell]


@dataclass(frozen=True)
class Overview:
    """One row for each commune, then the metropolis if it has anything; ``services`` are all that the rows have.

    ``images`` says how many servers run on the image of which day.
    """

    rows: tuple[Row, ...]
    services: tuple[str, ...]
    images: tuple[tuple[date, int], ...] = ()

    @property
    def communes(self) -> list[Row]:
        """The rows of communes."""
        return [row for row in self.rows if isinstance(row.tenant, Commune)]

    @property
    def landing_zones(self) -> int:
        """How many communes have a landing zone."""
        return sum(row.zone is Zone.READY for row in self.communes)

    @property
    def inhabitants(self) -> int:
        """Inhabitants of all communes."""
        return _inhabitants(self.communes)

    @property
    def served(self) -> int:
        """Inhabitants of the communes with at least one service whose last verification passed."""
        return _inhabitants(r for r in self.communes if any(c.state is State.VERIFIED for c in r.cells.values()))

    @property
    def states(self) -> dict[State, int]:
        """How many services of tenants are in which state, in the order of states."""
        found = Counter(cell.state for row in self.rows for cell in row.cells.values())
        return {state: found[state] for state in State if found[state]}

    @property
    def versions(self) -> dict[str, dict[str, int]]:
        """How many of each service are provisioned in which version."""
        cells = (item for row in self.rows for item in row.cells.items())
        there = [(name, cell.version) for name, cell in cells if cell.record and cell.record.engine]
        found = Counter(there)
        return {
            service: {version: count for (name, version), count in sorted(found.items()) if name == service}
            for service in sorted({name for name, _ in there})
        }

    @property
    def oldest(self) -> datetime | None:
        """When the service was verified whose verification is the oldest."""
        return min(
            (cell.verified.at for row in self.rows for cell in row.cells.values() if cell.verified), default=None
        )


def overview(asked: Project, problems: Mapping[str, Sequence[Problem]], records: Mapping[StackId, Record]) -> Overview:
    """The overview of everything ``asked`` for, rightly or wrongly (``problems`` by instance), and recorded."""
    cells: dict[str, dict[str, Cell]] = {}
    for name, request in with_recorded(asked, records.values()).requests.items():
        record = records.get(instance_id(request))
        state = state_of(request, problems.get(name, ()), record) if name in asked.requests else State.LEAVING
        cells.setdefault(request.tenant.key, {})[request.service] = Cell(_version(request, record), state, record)
    for name in problems:
        tenant, _, service = name.partition("/")
        cells.setdefault(tenant, {}).setdefault(service, Cell("", State.TO_MEND))
    rows = [
        Row(t, asked.metro.quota_class(t), _zone(records.get(commune_target(t).id)), cells.get(t.key, {}))
        for t in asked.tenants
        if isinstance(t, Commune) or t.key in cells
    ]
    services = tuple(sorted({service for row in rows for service in row.cells}))
    return Overview(tuple(rows), services, _images(records.get(metro_target(asked).id), records.values()))


def _images(metro: Record | None, records: Iterable[Record]) -> tuple[tuple[date, int], ...]:
    known = published(metro.outputs) if metro else {}
    keys = running([record.outputs for record in records]).values()
    days = [date.fromisoformat(known[key].date) for key in keys if key in known and known[key].date]
    return tuple(sorted(Counter(days).items()))


def _version(request: Request, record: Record | None) -> str:
    return (record and (record.configured or record.release)) or request.version


def _zone(record: Record | None) -> Zone:
    if record is None:
        return Zone.ABSENT
    return Zone.READY if record.engine and not record.intent else Zone.UNFINISHED


def _inhabitants(rows: Iterable[Row]) -> int:
    return sum(row.tenant.population.count for row in rows)
