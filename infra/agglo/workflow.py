"""The whole story: what is asked for → plan → engine → configure → verify → record.

Every function here acts through the world's adapters and decides by the pure modules. A run that stops anywhere is
completed by the next one: what was reached is recorded step by step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import replace
from datetime import datetime

from agglo import upgrade
from agglo.commune import Commune
from agglo.configure import (
    Done,
    check,
    configure,
    configure_and_verify,
    due,
    host_keys,
    is_due,
    pending_steps,
    update,
)
from agglo.errors import AggloError, ConfigureFailed, RefusedByPolicy, UsageError
from agglo.fleet import apply_stacks, destroy_stacks
from agglo.guest import Guest, instance_guest, metro_guests, ops_guest, own_names, route, routes
from agglo.ops import DNS_KEY, MAIL_KEY
from agglo.outcome import Ended, Outcome, results
from agglo.plan import Action, Change, Plan, decide, guests_due, route_reason, verification_due
from agglo.policies import Finding, judge
from agglo.project import Project
from agglo.provision import make_work, secret_versions
from agglo.records import Intent, Record, Route
from agglo.request import Request, Role
from agglo.selector import only_named, select, with_recorded
from agglo.stack import Kind, Site, Spec, StackId, Target, host_name, instance_id, make_spec, metro_target, needs
from agglo.survey import cloud_notes, pace, survey
from agglo.words import Words
from agglo.world import World

Confirm = Callable[[Plan], bool]


def plan(world: World, selector: str) -> Plan:
    """What ``apply`` would do. Writes nothing."""
    world.vault.check()
    targets = select(world.project, selector)
    return _plan(world, targets, survey(world, targets, force=False), force=False, preview=True)


def apply(
    world: World, selector: str, confirm: Confirm, *, force: bool = False, patch: frozenset[str] = frozenset()
) -> Outcome:
    """Bring the selected stacks, their guests and the edges to what the files say.

    ``force`` runs the engine and the playbooks also where nothing has changed; the servers named in ``patch`` are made
    again from the newest image. A stack that fails does not stop the others: the outcome tells. Raises RefusedByPolicy
    before anything is changed, AggloError for what stops all; what was reached is recorded, and the same command
    completes it.

    Runs for other instances may go on beside this one: what they stand on too is shared with them, as long as nothing
    has to be done to it.
    """
    world.vault.check()
    targets = select(world.project, selector)
    stacks = {target.id for target in targets}
    alone = stacks if force else _instances(stacks)
    while True:
        with world.records.lock(alone, shared=stacks - alone):
            site = replace(survey(world, targets, force=force), patch=patch)
            planned = _plan(world, targets, site, force=force, preview=False)
            changing = {c.stack for c in planned.changes if c.engine}
            if changing <= alone:
                return _carry_out(world, targets, site, planned, confirm, force=force)
        feeding = {t.id for t in targets if changing & set(needs(world.project, t))}
        alone = alone | changing | feeding  # what feeds on them is due as well


def _carry_out(
    world: World, targets: Sequence[Target], site: Site, planned: Plan, confirm: Confirm, *, force: bool
) -> Outcome:
    _refuse(planned.refused)
    if not planned.pending or not confirm(planned):
        return Outcome(planned, applied=False, failures={})
    latency = world.cloud.check()
    world = replace(world, workers=world.workers or pace(latency))
    world.vault.ensure_mail_key()
    site = replace(site, mail_key=world.vault.mail_key())
    start = world.now()
    ended = apply_stacks(world, targets, site, {c.stack for c in planned.changes if c.engine})
    whole = [target for target in targets if not ended[target.id].error]
    touched = {c.stack for c in planned.pending} | {s for s, e in ended.items() if e.changes is not None}
    return _outcome(world, planned, start, ended, _configure(world, whole, touched, site, force=force))


def _instances(stacks: Set[StackId]) -> Set[StackId]:
    return {stack for stack in stacks if stack.kind is Kind.INSTANCE}


def verify(world: World, selector: str) -> Outcome:
    """Run all checks of the selected stacks again, without changing anything."""
    world.vault.check()
    targets, site = select(world.project, selector), world.site()
    guests = _guests(world, targets, site)
    if not guests:
        raise UsageError(f"nothing of '{selector}' has been applied yet", hint=f"agglo apply {selector}")
    stacks = {target.id for target in targets}
    alone = _instances(stacks)
    with (
        world.records.lock(alone, shared=stacks - alone),
        world.records.edges(world.say),
        world.configurator.session(guests, host_keys(world, guests)) as session,
    ):
        failures = check(world, targets, guests, stacks, session)
    notes = _notes(world, [t.request for t in targets if t.request])
    return Outcome(Plan((), notes=notes), applied=True, failures=failures)


def _configure(world: World, whole: Sequence[Target], touched: set[StackId], site: Site, *, force: bool) -> Done:
    """The guests' part of an apply; where the edges are concerned, one run after the other.

    A run has recorded its own routes before, and reads those of all when its turn comes: whoever is last publishes all.
    What keeps all guests from being reached breaks the stacks that were touched.
    """
    for stack, moved in _moved_routes(world, whole).items():
        update(world, stack, route=moved, verified=None)
    try:
        guests = _guests(world, whole, site)
        what = due(world, whole, guests, force=force)
        if metro_target(world.project).id not in what.stacks:
            return configure_and_verify(world, whole, guests, what, force=force)
        with world.records.edges(world.say):
            guests = _guests(world, whole, site)
            what = due(world, whole, guests, force=force)
            return configure_and_verify(world, whole, guests, what, force=force)
    except AggloError as error:
        return Done(broken={t.id: error for t in whole if t.id in touched and (t.request or t.tenant is None)})


def _outcome(world: World, planned: Plan, start: datetime, ended: Mapping[StackId, Ended], done: Done) -> Outcome:
    broken = {stack: e.error for stack, e in ended.items() if e.error} | dict(done.broken)
    told = results(planned, ended, done.configured, broken, done.failures, world.records.load_all())
    seconds = (world.now() - start).total_seconds()
    return Outcome(planned, applied=True, failures=done.failures, broken=broken, results=told, seconds=seconds)


def destroy(world: World, selector: str, confirm: Confirm, *, purge: bool = False, with_data: bool = False) -> Outcome:
    """Destroy the selected stacks, each after all that need it; the metro stack only with ``all`` or ``metro``.

    What needs a stack that could not be destroyed is told, and nothing else stays. With ``purge``, what landing zones
    hold beside agglo's own goes too, unless it is data. Raises UsageError when what still stands needs a stack that
    would go; RefusedByPolicy when instances have volumes, unless ``with_data`` says that these go too.
    """
    world.vault.check()
    known = world.records.load_all()
    everything = with_recorded(world.project, known.values())
    targets = only_named(everything, selector)[::-1]
    there = [t for t in targets if t.id in known or world.engine.checkpoint(t.id)]
    planned = Plan(tuple(Change(t.id, t.title, Action.DELETE, "is no longer wanted") for t in there))
    metro = metro_target(world.project)
    going = {t.id for t in there}
    with world.records.lock(going, shared={metro.id} - going):
        held = world.records.load_all()
        _check_standing(everything, held, targets)
        if not with_data:
            _check_data(selector, there, held)
        if not there or not confirm(planned):
            return Outcome(planned, applied=False, failures={})
        latency = world.cloud.check()
        if metro.id in known and metro not in there:
            _unpublish(world, metro, there)
        start = world.now()
        whole = replace(world, project=everything, workers=world.workers or pace(latency))
        ended = destroy_stacks(whole, there, purge=purge)
        return _outcome(world, planned, start, ended, Done())


def _check_standing(project: Project, known: Mapping[StackId, Record], targets: Sequence[Target]) -> None:
    """Raises UsageError when something that stays needs one of the ``targets``."""
    leaving = {t.id for t in targets}
    staying = [stack for stack in known if stack not in leaving]
    on_metro = [str(stack) for stack in staying if stack.kind is not Kind.METRO]
    if any(t.tenant is None for t in targets) and on_metro:
        raise UsageError(f"{', '.join(on_metro)} stand on the metro stack", hint="agglo destroy all")
    needing = [
        request.instance
        for request in project.requests.values()
        if instance_id(request) in staying and any(instance_id(f) in leaving for f in project.foundations(request))
    ]
    if needing:
        raise UsageError(f"{', '.join(needing)} need what would be destroyed", hint=f"agglo destroy {needing[0]}")


def _check_data(selector: str, leaving: Sequence[Target], records: Mapping[StackId, Record]) -> None:
    """Raises RefusedByPolicy, with all of them, when instances that would go have volumes."""
    kept = []
    for target in leaving:
        volumes = records[target.id].outputs.get("volumes") if target.id in records else None
        if isinstance(volumes, dict) and volumes:
            kept.append(f"{target.title} keeps its data in {', '.join(sorted(volumes))}")
    if kept:
        raise RefusedByPolicy("\n".join(kept), hint=f"save them, then agglo destroy {selector} --with-data")


def _plan(world: World, targets: Sequence[Target], site: Site, *, force: bool, preview: bool) -> Plan:
    records = world.records.load_all()
    verdict, selected = judge(world.project, world.now().date(), site.capabilities), {t.id for t in targets}
    findings = tuple(f for f in verdict.findings if f.stack in selected)
    _check_versions(world, targets, records, [f for f in findings if f.refused])
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
    applied = [t for t in targets if t.id in settled]
    moved = _moved_routes(world, applied)
    guests = _guests(world, applied, site, moved)
    changes = [_with_guests(world, c, guests, records.get(c.stack), moved.get(c.stack), force) for c in changes]
    known = {str(stack): sha for stack, sha in sorted(checkpoints.items())}
    notes = _notes(world, [t.request for t in targets if t.request])
    cloud = cloud_notes(world.project, site.capabilities, targets)
    return Plan(tuple(changes), known, findings, verdict.exemptions, notes, cloud)


def _notes(world: World, requests: Sequence[Request]) -> tuple[Words, ...]:
    """What to know of requests that may be granted: services in maintenance, names of communes that lead elsewhere."""
    project, notes = world.project, list[Words]()
    own = [name for r in requests for name in own_names(project, host_name(project, r), r.asked.domains)]
    answers = world.names.look_up([name.name for name in own])
    for request in requests:
        if request.asked.maintenance:
            name = request.instance
            notes.append(Words(f"{name} is in maintenance", f"{name} est en maintenance"))
    return (*notes, *(note for name in own if (note := name.note(answers[name.name]))))


def _moved_routes(world: World, targets: Sequence[Target]) -> dict[StackId, Route]:
    """Routes that are no longer what the requests ask for, of stacks that are applied and not about to go."""
    moved = {}
    for target in targets:
        record = world.records.load(target.id)
        if target.request and record and record.outputs and record.engine and record.intent is None:
            wanted = route(world.project, target.request, record.outputs)
            if wanted and wanted != record.route:
                moved[target.id] = wanted
    return moved


def _check_versions(
    world: World, targets: Sequence[Target], records: Mapping[StackId, Record], others: Sequence[Finding]
) -> None:
    """Raises RefusedByPolicy when instances cannot go to the version that is asked for; with all of them and others."""
    refused = []
    for target in targets:
        record = records.get(target.id)
        if target.request is None or target.request.role is Role.MEMBER or record is None:
            continue
        have, wanted = upgrade.reached(record.configured, record.migrations), world.project.release(target.request)
        try:
            upgrade.check(world.project.catalog, target.title, have, wanted)
        except RefusedByPolicy as error:
            refused.append(error)
    if refused:
        raise RefusedByPolicy("\n".join([*(e.message for e in refused), *map(str, others)]), hint=refused[0].hint)


def _refuse(refused: Sequence[Finding]) -> None:
    """Raises RefusedByPolicy with all of them."""
    if refused:
        raise RefusedByPolicy(
            "\n".join(map(str, refused)),
            hint=f"agglo policy show {refused[0].policy}; mend it, or exempt it for a time in stacks/exemptions.yaml",
        )


def _change(
    world: World, spec: Spec, record: Record | None, checkpoint: str | None, force: bool, preview: bool
) -> Change:
    action, reason = decide(spec, record, checkpoint)
    if force and action is Action.UNCHANGED:
        action, reason = Action.UPDATE, "was asked for"
    reason += _class_of_its_own(world.project, spec.target)
    change = Change(spec.target.id, spec.target.title, action, reason, serves=_serves(world, spec.target))
    ready = not spec.missing and (spec.target.request is None or record is not None)
    if preview and change.engine and ready and record is not None:
        return replace(change, steps=world.engine.preview(make_work(world, spec)))
    return change


def _class_of_its_own(project: Project, target: Target) -> str:
    """What a plan says of a landing zone whose size is not the one that its population gives."""
    commune = target.tenant
    if target.request or not isinstance(commune, Commune) or commune.quota_class is None:
        return ""
    own, usual = commune.quota_class, project.metro.class_by_size(commune)
    return f"; class {own.name} instead of {usual}: {own.why}"


def _serves(world: World, target: Target) -> tuple[str, ...]:
    """Codes of the communes whose citizens notice a change of a stack."""
    if target.request:
        return tuple(member.tenant.code for member in world.project.members(target.request))
    return (target.tenant.code,) if target.tenant else ()


def _with_guests(
    world: World, change: Change, guests: Sequence[Guest], record: Record | None, moved: Route | None, force: bool
) -> Change:
    if change.engine:
        return change
    mine = [g for g in guests if g.stack == change.stack]
    now = world.now()
    due = tuple(g.name for g in mine) if force else guests_due({g.name: g.digest for g in mine}, record, now)
    if due:
        steps = tuple(step.name for guest in mine for step in pending_steps(world, guest))
        return replace(
            change, action=Action.CONFIGURE, reason=_configure_reason(mine, record, now), guests=due, migrations=steps
        )
    if moved:
        return replace(change, action=Action.CONFIGURE, reason=route_reason(record.route if record else None, moved))
    if (mine or (record and record.route)) and verification_due(record):
        return replace(change, action=Action.VERIFY, reason="its last verification did not pass", guests=())
    return change


def _configure_reason(guests: Sequence[Guest], record: Record | None, now: datetime) -> str:
    wanted = next((guest.release for guest in guests if guest.release), None)
    if record and record.configured and wanted and record.configured != wanted:
        return f"goes from {record.configured} to {wanted}"
    done = record.guests if record else {}
    if all(guest.name in done and done[guest.name].digest == guest.digest for guest in guests):
        ending = [guest.name for guest in guests if done[guest.name].renewal_due(now)]
        return f"ssh certificates end soon: {', '.join(ending)}"
    return "its configuration has changed"


def _guests(
    world: World, targets: Sequence[Target], site: Site, moved: Mapping[StackId, Route] | None = None
) -> list[Guest]:
    """Guests of those targets that are applied; the bastion first, since it is the way to the others.

    The edges publish the recorded routes, with those that have ``moved`` in their place.
    """
    records = world.records.load_all()
    for stack, there in (moved or {}).items():
        records = {**records, stack: records[stack].model_copy(update={"route": there})}
    published = routes(records.values())
    guests: list[Guest] = []
    for target in targets:
        record = records.get(target.id)
        if record is None or not record.outputs:
            continue
        if target.tenant is None:
            keys = {path: world.vault.version(path) for path in (MAIL_KEY, DNS_KEY)}
            guests += metro_guests(world.project, site, record.outputs, published, keys, world.playbooks)
            guests.append(ops_guest(world.project, site, record.outputs, records.values(), keys, world.playbooks))
        elif target.request and target.request.role is not Role.MEMBER:
            versions = secret_versions(target.request, world)
            guests.append(instance_guest(world.project, target.request, record.outputs, versions, world.playbooks))
    return guests


def _unpublish(world: World, metro: Target, leaving: Sequence[Target]) -> None:
    """Take what leaves out of the edges, of monitoring and of logs before it is destroyed."""
    for target in leaving:
        record = world.records.load(target.id)
        if record and (record.route or "server" in record.outputs):
            update(world, target.id, route=None, intent=Intent(at=world.now(), step="destroy"))
    with world.records.edges(world.say):
        guests = _guests(world, [metro], world.site())
        names = [g.name for g in guests if is_due(world, g)]
        if not names:
            return
        keys = host_keys(world, guests)
        with world.configurator.session(guests, keys) as session:
            failed = configure(world, guests, names, keys, session, force=False)
    if failed:
        words = "; ".join(f"{name}: {failure}" for name, failure in failed.items())
        raise ConfigureFailed(words, hint="mend the cause and run the same command again")
