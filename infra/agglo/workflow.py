"""The whole story: what is asked for → plan → engine → configure → verify → record.

Every function here acts through the world's adapters and decides by the pure modules. A run that stops anywhere is
completed by the next one: what was reached is recorded step by step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from agglo.adapters.protocols import HttpCheck
from agglo.errors import AggloError, ConfigureFailed, UsageError
from agglo.guest import Guest, instance_guest, lighten, metro_guests, routes
from agglo.plan import Action, Change, Plan, decide, guests_due, verification_due
from agglo.provision import apply_stack, destroy_stack, make_work, secret_versions
from agglo.records import GuestResult, Intent, Record
from agglo.selector import only_named, select, with_recorded
from agglo.stack import Kind, Outputs, Site, Spec, StackId, Target, make_spec, metro_target
from agglo.world import World

Confirm = Callable[[Plan], bool]


@dataclass(frozen=True)
class Outcome:
    """What a run did: its plan, whether it was carried out, and failures of guests and checks by stack."""

    plan: Plan
    applied: bool
    failures: Mapping[StackId, tuple[str, ...]]


def plan(world: World, selector: str) -> Plan:
    """What ``apply`` would do. Writes nothing."""
    world.vault.check()
    targets = select(world.project, selector)
    return _plan(world, targets, world.site(), force=False, preview=True)


def apply(world: World, selector: str, confirm: Confirm, *, force: bool = False) -> Outcome:
    """Bring the selected stacks, their guests and the edge to what the files say.

    ``force`` runs the engine and the playbooks also where nothing has changed. Raises AggloError; what was reached is
    recorded, and the same command completes it.
    """
    world.vault.check()
    targets, site = select(world.project, selector), world.site()
    with world.records.lock(target.id for target in targets):
        planned = _plan(world, targets, site, force=force, preview=False)
        if not planned.pending or not confirm(planned):
            return Outcome(planned, applied=False, failures={})
        world.cloud.check()
        _apply_stacks(world, targets, site, {c.stack for c in planned.changes if c.engine})
        guests = _guests(world, targets, site)
        return Outcome(planned, applied=True, failures=_configure_and_verify(world, targets, guests, force=force))


def verify(world: World, selector: str) -> Outcome:
    """Run all checks of the selected stacks again, without changing anything."""
    world.vault.check()
    targets, site = select(world.project, selector), world.site()
    guests = _guests(world, targets, site)
    if not guests:
        raise UsageError(f"nothing of '{selector}' has been applied yet", hint=f"agglo apply {selector}")
    stacks = {guest.stack for guest in guests}
    with world.records.lock(stacks), world.configurator.session(guests, _keys(world, guests)) as session:
        results = world.checks.run(guests, _pages(world, targets, stacks), session, world.say)
        for stack, verified in results.items():
            _update(world, stack, verified=verified)
    return Outcome(Plan(()), applied=True, failures={s: v.failures for s, v in results.items() if v.failed})


def destroy(world: World, selector: str, confirm: Confirm) -> Outcome:
    """Destroy the selected stacks in reverse order; the metro stack only with ``all`` or ``metro``.

    Raises UsageError when the metro stack would go while communes still stand on it.
    """
    world.vault.check()
    known = world.records.load_all()
    targets = only_named(with_recorded(world.project, known.values()), selector)[::-1]
    standing = [str(s) for s in known if s.kind is not Kind.METRO and s not in {t.id for t in targets}]
    if any(t.commune is None for t in targets) and standing:
        raise UsageError(f"{', '.join(standing)} stand on the metro stack", hint="agglo destroy all")
    there = [t for t in targets if t.id in known or world.engine.checkpoint(t.id)]
    planned = Plan(tuple(Change(t.id, t.title, Action.DELETE, "is no longer wanted") for t in there))
    metro = metro_target(world.project)
    with world.records.lock({*(t.id for t in there), metro.id}):
        if not there or not confirm(planned):
            return Outcome(planned, applied=False, failures={})
        world.cloud.check()
        if metro.id in known and metro not in there:
            _unpublish(world, metro, there)
        for target in there:
            destroy_stack(world, target)
    return Outcome(planned, applied=True, failures={})


def _plan(world: World, targets: Sequence[Target], site: Site, *, force: bool, preview: bool) -> Plan:
    records = world.records.load_all()
    outputs = {stack: record.outputs for stack, record in records.items()}
    checkpoints = {t.id: c for t in targets if (c := world.engine.checkpoint(t.id))}
    changes = [
        _change(
            world,
            make_spec(world.project, site, t, outputs),
            records.get(t.id),
            checkpoints.get(t.id),
            force,
            preview,
        )
        for t in targets
    ]
    settled = {c.stack for c in changes if not c.engine}
    guests = _guests(world, [t for t in targets if t.id in settled], site)
    changes = [_with_guests(c, guests, records.get(c.stack), force) for c in changes]
    return Plan(tuple(changes), {str(stack): sha for stack, sha in sorted(checkpoints.items())})


def _change(
    world: World, spec: Spec, record: Record | None, checkpoint: str | None, force: bool, preview: bool
) -> Change:
    action, reason = decide(spec, record, checkpoint)
    if force and action is Action.UNCHANGED:
        action, reason = Action.UPDATE, "was asked for"
    change = Change(spec.target.id, spec.target.title, action, reason)
    ready = not spec.missing and (spec.target.request is None or record is not None)
    if preview and change.engine and ready and record is not None:
        return replace(change, steps=world.engine.preview(make_work(world, spec)))
    return change


def _with_guests(change: Change, guests: Sequence[Guest], record: Record | None, force: bool) -> Change:
    if change.engine:
        return change
    mine = [g for g in guests if g.stack == change.stack]
    due = tuple(g.name for g in mine) if force else guests_due({g.name: g.digest for g in mine}, record)
    if due:
        return replace(change, action=Action.CONFIGURE, reason="its configuration has changed", guests=due)
    if mine and verification_due(record):
        return replace(change, action=Action.VERIFY, reason="its last verification did not pass", guests=())
    return change


def _apply_stacks(world: World, targets: Sequence[Target], site: Site, due: set[StackId]) -> None:
    """Run the engine where it is due, in order; what feeds on changed outputs is due as well."""
    outputs: dict[StackId, Outputs] = {s: r.outputs for s, r in world.records.load_all().items()}
    for target in targets:
        spec = make_spec(world.project, site, target, outputs)
        if spec.missing:
            raise AggloError(
                f"{target.title} needs {', '.join(map(str, spec.missing))} first", hint="agglo apply metro"
            )
        action, _ = decide(spec, world.records.load(target.id), world.engine.checkpoint(target.id))
        if target.id in due or action is not Action.UNCHANGED:
            outputs[target.id] = apply_stack(world, spec).outputs


def _guests(world: World, targets: Sequence[Target], site: Site) -> list[Guest]:
    """Guests of those targets that are applied; the bastion first, since it is the way to the others."""
    records = world.records.load_all()
    published = routes(records.values())
    guests: list[Guest] = []
    for target in targets:
        record = records.get(target.id)
        if record is None or not record.outputs:
            continue
        if target.commune is None:
            guests += metro_guests(world.project, site, record.outputs, published, world.playbooks)
        elif target.request:
            versions = secret_versions(target.request, world)
            guests.append(instance_guest(world.project, target.request, record.outputs, versions, world.playbooks))
    return guests


def _is_due(world: World, guest: Guest) -> bool:
    return bool(guests_due({guest.name: guest.digest}, world.records.load(guest.stack)))


def _configure_and_verify(
    world: World, targets: Sequence[Target], guests: Sequence[Guest], *, force: bool
) -> dict[StackId, tuple[str, ...]]:
    """Configure the guests that are due, then check them and every stack whose last verification did not pass."""
    names = [guest.name for guest in guests if force or _is_due(world, guest)]
    unverified = {g.stack for g in guests if g.name in names or verification_due(world.records.load(g.stack))}
    if not unverified:
        return {}
    with world.configurator.session(guests, _keys(world, guests)) as session:
        if names:
            _configure(world, guests, names, session, force=force)
        checked = [g for g in guests if g.stack in unverified]
        results = world.checks.run(checked, _pages(world, targets, unverified), session, world.say)
    for stack, verified in results.items():
        _update(world, stack, verified=verified)
    return {stack: verified.failures for stack, verified in results.items() if verified.failed}


def _configure(world: World, guests: Sequence[Guest], names: Sequence[str], session: Path, *, force: bool) -> None:
    """One run over all guests that are due; each that went well is recorded before any failure is raised."""
    wanted = guests if force else [lighten(guest, world.records.load(guest.stack)) for guest in guests]
    reports = world.configurator.run(wanted, names, session, world.say)
    for guest in guests:
        report = reports.get(guest.name)
        if report and not report.failure:
            done = GuestResult(digest=guest.digest, setup=guest.setup, at=world.now(), changed=report.changed)
            record = world.records.load(guest.stack)
            _update(world, guest.stack, guests={**(record.guests if record else {}), guest.name: done})
    failed = [f"{name}: {report.failure}" for name, report in reports.items() if report.failure]
    if failed:
        raise ConfigureFailed("; ".join(failed), hint="mend the cause and run the same command again")


def _pages(world: World, targets: Sequence[Target], stacks: set[StackId]) -> list[HttpCheck]:
    """The page of each instance in ``stacks``, as a citizen opens it."""
    pages = []
    for target in targets:
        record = world.records.load(target.id)
        if target.id in stacks and target.commune and record and record.route:
            pages.append(HttpCheck(target.id, record.route.host, "/", target.commune.name))
    return pages


def _unpublish(world: World, metro: Target, leaving: Sequence[Target]) -> None:
    """Take the routes of what leaves out of the edge before it is destroyed."""
    for target in leaving:
        record = world.records.load(target.id)
        if record and record.route:
            _update(world, target.id, route=None, intent=Intent(at=world.now(), step="destroy"))
    site = world.site()
    guests = _guests(world, [metro], site)
    due = [g.name for g in guests if _is_due(world, g)]
    if due:
        with world.configurator.session(guests, _keys(world, guests)) as session:
            _configure(world, guests, due, session, force=False)


def _keys(world: World, guests: Sequence[Guest]) -> Mapping[str, tuple[str, ...]]:
    return world.cloud.host_keys([guest.server for guest in guests], world.say)


def _update(world: World, stack: StackId, **changes: object) -> None:
    record = world.records.load(stack)
    if record:
        world.records.save(stack, record.model_copy(update=changes))
