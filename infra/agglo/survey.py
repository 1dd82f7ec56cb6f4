"""What the cloud can do, asked only where the metro stack is about to be applied; and how many engines it bears."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace

from agglo.capabilities import Capabilities, Part, fit, parts
from agglo.diagnosis import Diagnosis, diagnose
from agglo.errors import CloudLacks
from agglo.plan import Action, CloudNotes, decide
from agglo.project import Project
from agglo.records import Record
from agglo.request import Role
from agglo.stack import Site, Target, host_name, make_spec, metro_target
from agglo.world import World

_PER_STEP = 0.25  # seconds
_MOST = 4


def survey(world: World, targets: Sequence[Target], *, force: bool) -> Site:
    """The site with what the cloud can do: as recorded with the metro stack, or read anew when that is to be applied.

    Raises CloudLacks when the cloud cannot carry the metropolis, or an instance among the ``targets``.
    """
    site, metro = world.site(), metro_target(world.project)
    record = world.records.load(metro.id)
    site = replace(site, capabilities=record.capabilities if record else None)
    if not any(target.id == metro.id for target in targets):
        return site
    volumes = _with_volumes(world.project, targets)
    if not force and _stands(world, site, record, volumes):
        return site
    found = read_capabilities(world)
    fit(world.project.metro, found, volumes)
    return replace(site, capabilities=found)


def _with_volumes(project: Project, targets: Sequence[Target]) -> list[str]:
    """Instances that have volumes."""
    own = [t.request for t in targets if t.request and t.request.role is not Role.MEMBER]
    return [request.instance for request in own if project.release(request).manifest.resources.volumes]


def _stands(world: World, site: Site, record: Record | None, volumes: Sequence[str]) -> bool:
    """True when the metro stack is as recorded, and what is known of the cloud carries it and the instances."""
    if site.capabilities is None:
        return False
    try:
        fit(world.project.metro, site.capabilities, volumes)
    except CloudLacks:
        return False
    metro = metro_target(world.project)
    outputs = {stack: known.outputs for stack, known in world.records.load_all().items()}
    action, _ = decide(make_spec(world.project, site, metro, outputs), record, world.engine.checkpoint(metro.id))
    return action is Action.UNCHANGED


def read_capabilities(world: World) -> Capabilities:
    """Read from the cloud; what the metro stack itself made is not among what is there."""
    metro = world.project.metro
    found = world.cloud.capabilities(metro.zone, metro.image.adopt)
    return found.without(world.engine.owned(metro_target(world.project).id))


def examine(world: World, *, refresh: bool) -> list[Diagnosis]:
    """What ``doctor`` says of the cloud; ``refresh`` keeps what it can do with the metro stack, if that stands."""
    metro = metro_target(world.project)
    seen = world.cloud.examine(world.project.metro)
    found = seen.capabilities.without(world.engine.owned(metro.id))
    record = world.records.load(metro.id)
    if refresh and record:
        with world.records.lock([metro.id]):
            world.records.save(metro.id, record.model_copy(update={"capabilities": found}))
    seen = replace(seen, capabilities=found)
    return diagnose(world.project, seen, pace(seen.token), applied=bool(record and record.outputs))


def cloud_notes(project: Project, found: Capabilities | None, targets: Sequence[Target]) -> CloudNotes:
    """What a plan says of the cloud: left out, taken over, and the names that somebody has to make elsewhere."""
    if found is None:
        return CloudNotes()
    met = fit(project.metro, found)
    requests = [t.request for t in targets if t.request and t.request.role is not Role.SHARED]
    names = [] if Part.DNS in parts(project.metro, found) else [host_name(project, r) for r in requests]
    address = str(project.metro.public.edge)
    return CloudNotes(met.skipped, met.adopted, tuple(f"{name}. A {address}" for name in names))


def pace(latency: float, cores: int | None = None) -> int:
    """How many engines run side by side: one per core, one more per core for each 0.25 s of a token, at most four.

    An engine waits for the cloud where that is far, and works where it is near; ``latency`` is a token's, in seconds.
    """
    return (cores or os.cpu_count() or 1) * min(_MOST, 1 + int(latency / _PER_STEP))
