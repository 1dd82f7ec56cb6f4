"""Guests brought to what their digests say, in one session: migrated, configured, verified, recorded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from pathlib import Path

from agglo import hostcert, ops, upgrade
from agglo.adapters.protocols import HttpCheck, RunReport
from agglo.errors import AggloError, ConfigureFailed
from agglo.guest import Guest, lighten, own_names
from agglo.plan import guests_due, verification_due
from agglo.records import GuestResult, HostCertificate, Record
from agglo.stack import StackId, Target
from agglo.world import World

MAINTENANCE = "Service en maintenance"  # title of the edges' own page
Failures = dict[StackId, tuple[str, ...]]
HostKeys = Mapping[str, tuple[str, ...]]  # by server
_HINT = "mend the cause and run the same command again"


@dataclass(frozen=True)
class Due:
    """Guests to configure, by name, and stacks to check."""

    guests: tuple[str, ...]
    stacks: frozenset[StackId]


def due(world: World, targets: Sequence[Target], guests: Sequence[Guest], *, force: bool) -> Due:
    """The guests that are not as recorded; their stacks, and every one whose last verification did not pass."""
    names = tuple(guest.name for guest in guests if force or is_due(world, guest))
    unverified = {g.stack for g in guests if g.name in names or verification_due(world.records.load(g.stack))}
    unverified |= {t.id for t in targets if _is_published(world, t) and verification_due(world.records.load(t.id))}
    return Due(names, frozenset(unverified))


@dataclass(frozen=True)
class Done:
    """Stacks whose guests were ``configured``; ``failures`` of checks; stacks with a guest that could not be configured
    are ``broken``, and not checked.
    """

    configured: frozenset[StackId] = frozenset()
    failures: Failures = field(default_factory=dict)
    broken: Mapping[StackId, AggloError] = field(default_factory=dict)


def configure_and_verify(
    world: World, targets: Sequence[Target], guests: Sequence[Guest], what: Due, *, force: bool
) -> Done:
    """Configure the guests that are due, then check what is. A guest that fails does not stop the others."""
    if not what.stacks:
        return Done()
    keys = host_keys(world, guests)
    with world.configurator.session(guests, keys) as session:
        failed = _migrate(world, guests, what.guests, session)
        moved = [name for name in what.guests if name not in failed]
        if moved:
            failed |= configure(world, guests, moved, keys, session, force=force)
        broken = {g.stack: _broken(guests, g.stack, failed) for g in guests if g.name in failed}
        whole = what.stacks - broken.keys()
        failures = check(world, targets, guests, whole, session) if whole else {}
    return Done(frozenset(g.stack for g in guests if g.name in what.guests), failures, broken)


def _broken(guests: Sequence[Guest], stack: StackId, failed: Mapping[str, str]) -> ConfigureFailed:
    mine = [f"{g.name}: {failed[g.name]}" for g in guests if g.stack == stack and g.name in failed]
    return ConfigureFailed("; ".join(mine), hint=_HINT)


def configure(
    world: World, guests: Sequence[Guest], names: Sequence[str], keys: HostKeys, session: Path, *, force: bool
) -> dict[str, str]:
    """One run over all guests that are due; each that went well is recorded. What failed, by guest."""
    known = {stack: world.records.load(stack) for stack in {guest.stack for guest in guests}}
    certificates = {g.name: _certificate(world, g, known[g.stack], keys[g.server]) for g in guests if g.name in names}
    wanted = [_prepared(guest, known[guest.stack], certificates.get(guest.name), force=force) for guest in guests]
    reports = world.configurator.run(wanted, names, session, world.say)
    for guest in guests:
        report = reports.get(guest.name)
        if report and not report.failure:
            done = GuestResult(
                digest=guest.digest,
                setup=guest.setup,
                at=world.now(),
                changed=report.changed,
                certificate=certificates[guest.name],
            )
            record = world.records.load(guest.stack)
            release = {"release": guest.release, "configured": guest.release} if guest.release else {}
            update(world, guest.stack, guests={**(record.guests if record else {}), guest.name: done}, **release)
    return _failed(reports)


def _prepared(guest: Guest, record: Record | None, certificate: HostCertificate | None, *, force: bool) -> Guest:
    """The guest as it is configured now: with its certificate, or lighter when nothing else is due."""
    done = record.guests.get(guest.name) if record else None
    light = guest if force or (done and done.certificate != certificate) else lighten(guest, record)
    if certificate is None:
        return light
    return replace(
        light,
        files={**light.files, hostcert.FILE: certificate.text + "\n"},
        paths={**light.paths, "base_host_certificate": hostcert.FILE},
    )


def _certificate(world: World, guest: Guest, record: Record | None, keys: Sequence[str]) -> HostCertificate | None:
    """The guest's ssh certificate: the one that it has while that stands, or a new one."""
    key, names = hostcert.key_to_sign(keys), (guest.name, guest.address)
    if key is None:
        return None
    known = record.guests[guest.name].certificate if record and guest.name in record.guests else None
    if known and hostcert.stands(known, key, names, world.now()):
        return known
    return hostcert.read(world.vault.sign_host(key, names))


def check(
    world: World, targets: Sequence[Target], guests: Sequence[Guest], stacks: Set[StackId], session: Path
) -> Failures:
    """Run the checks of ``stacks`` and record the results; those that failed, by stack."""
    checked = [guest for guest in guests if guest.stack in stacks]
    results = world.checks.run(checked, _pages(world, targets, stacks), session, world.say)
    for stack, verified in results.items():
        update(world, stack, verified=verified)
    if any(guest.name == ops.NAME for guest in guests):
        tell_monitoring(world, session)
    return {stack: verified.failures for stack, verified in results.items() if verified.failed}


def tell_monitoring(world: World, session: Path) -> None:
    """Give the metropolis's monitoring what the records say now; that it cannot be given stops nothing."""
    told = ops.metrics(world.records.load_all().values(), world.project.metro.monitoring.backup_max_age_hours)
    try:
        world.configurator.put(ops.NAME, ops.METRICS, told, session)
    except ConfigureFailed as error:
        world.say(error.message)  # its own checks tell what is wrong with it


def is_due(world: World, guest: Guest) -> bool:
    """True when the guest has to be configured."""
    return bool(guests_due({guest.name: guest.digest}, world.records.load(guest.stack), world.now()))


def host_keys(world: World, guests: Sequence[Guest]) -> HostKeys:
    """The guests' ssh host keys, as the cloud knows them."""
    return world.cloud.host_keys([guest.server for guest in guests], world.say)


def update(world: World, stack: StackId, **changes: object) -> None:
    """Change fields of a stack's record, if it has one."""
    record = world.records.load(stack)
    if record:
        world.records.save(stack, record.model_copy(update=changes))


def pending_steps(world: World, guest: Guest) -> list[upgrade.Step]:
    """Migrations that the data of a guest still have to go through."""
    record = world.records.load(guest.stack)
    if record is None or guest.release is None:
        return []
    catalog, service = world.project.catalog, guest.groups[0]
    return upgrade.steps(catalog, record.configured, catalog.release(service, guest.release), record.migrations)


def _migrate(world: World, guests: Sequence[Guest], names: Sequence[str], session: Path) -> dict[str, str]:
    """Run each migration on the guests that need it, in order, and record it in the same breath. What failed, by guest.

    Nothing else happens to a guest whose migration fails; the next run goes on from there.
    """
    failed: dict[str, str] = {}
    while due := {
        g.name: steps[0]
        for g in guests
        if g.name in names and g.name not in failed and (steps := pending_steps(world, g))
    }:
        path = sorted({step.playbook for step in due.values()})[0]
        now = [name for name, step in due.items() if step.playbook == path]
        world.say(f"migration {path}")
        reports = world.configurator.run(guests, now, session, world.say, only=path)
        for guest in guests:
            record, report = world.records.load(guest.stack), reports.get(guest.name)
            if record and report and not report.failure:
                update(world, guest.stack, migrations=(*record.migrations, due[guest.name].name))
        failed |= _failed(reports)
    return failed


def _failed(reports: Mapping[str, RunReport]) -> dict[str, str]:
    return {name: report.failure for name, report in reports.items() if report.failure}


def _is_published(world: World, target: Target) -> bool:
    record = world.records.load(target.id)
    return bool(target.tenant and record and record.route)


def _pages(world: World, targets: Sequence[Target], stacks: Set[StackId]) -> list[HttpCheck]:
    """The page of each instance in ``stacks``, as a citizen opens it, by each name that leads here."""
    pages = []
    for target in targets:
        record = world.records.load(target.id)
        if target.id in stacks and target.tenant and record and record.route:
            route, own = record.route, own_names(world.project, record.route.host, record.route.domains)
            answers = world.names.look_up([name.name for name in own])
            here = [name.name for name in own if name.leads_here(answers[name.name])]
            text, status = (target.tenant.name, 200) if route.maintenance is None else (MAINTENANCE, 503)
            pages += [HttpCheck(target.id, host, "/", text, status) for host in (route.host, *here)]
    return pages
