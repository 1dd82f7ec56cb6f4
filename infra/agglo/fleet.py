"""Many stacks at once: each as soon as what it waits for is there, or gone; a failure stops only what stands on it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

from agglo.errors import AggloError
from agglo.outcome import Ended
from agglo.plan import Action, decide
from agglo.provision import apply_stack, destroy_stack
from agglo.stack import Outputs, Site, StackId, Target, make_spec, needs
from agglo.world import Progress, World

_LOOK = 0.2  # seconds between two looks whether somebody pressed Ctrl-C

Work = Callable[[Target], Mapping[str, int] | None]


@dataclass
class _Run:
    """What is under way: stacks that wait, that run, and how those ended that are done.

    ``after`` says which stacks have to be done with before each; ``lost`` is what is said of one that waits in vain.
    """

    world: World
    after: Mapping[StackId, Collection[StackId]]
    work: Work
    lost: str
    waiting: dict[StackId, Target]
    running: dict[Future[Ended], Target] = field(default_factory=dict)
    ended: dict[StackId, Ended] = field(default_factory=dict)

    @property
    def workers(self) -> int:
        """How many run at a time."""
        return self.world.workers or 1


def apply_stacks(world: World, targets: Sequence[Target], site: Site, due: set[StackId]) -> Mapping[StackId, Ended]:
    """Run the engine where it is due, ``world.workers`` at a time; how each stack ended.

    What feeds on changed outputs is due as well. Ctrl-C begins nothing more, and lets what runs come to its end.
    """
    outputs: dict[StackId, Outputs] = {s: r.outputs for s, r in world.records.load_all().items()}

    def work(target: Target) -> Mapping[str, int] | None:
        spec = make_spec(world.project, site, target, dict(outputs))
        if spec.missing:
            missing = ", ".join(map(str, spec.missing))
            raise AggloError(f"{target.title} needs {missing} first", hint="agglo apply metro")
        action, _ = decide(spec, world.records.load(target.id), world.engine.checkpoint(target.id))
        if target.id not in due and action is Action.UNCHANGED:
            return None
        record = apply_stack(world, spec)
        outputs[target.id] = record.outputs
        return record.engine.changes if record.engine else {}

    after = {target.id: needs(world.project, target) for target in targets}
    return _go(_Run(world, after, work, "{} needs {} first", {t.id: t for t in targets}))


def destroy_stacks(world: World, targets: Sequence[Target], *, purge: bool = False) -> Mapping[StackId, Ended]:
    """Destroy stacks, ``world.workers`` at a time, each after all that need it; how each ended.

    With ``purge``, what landing zones hold beside agglo's own goes with them, unless it is data.
    """
    needed = {target.id: needs(world.project, target) for target in targets}
    after = {stack: [other for other, below in needed.items() if stack in below] for stack in needed}

    def work(target: Target) -> Mapping[str, int]:
        return destroy_stack(world, target, purge=purge)

    return _go(_Run(world, after, work, "{} stays: {} is still there and needs it", {t.id: t for t in targets}))


def _go(run: _Run) -> Mapping[StackId, Ended]:
    with ThreadPoolExecutor(max_workers=run.workers) as pool:
        try:
            while run.waiting or run.running:
                _begin(run, pool)
                done, _ = wait(run.running, timeout=_LOOK, return_when=FIRST_COMPLETED)
                for future in done:
                    _end(run, future)
        except KeyboardInterrupt:
            run.waiting.clear()
            run.world.say("waiting for what runs")
            raise
    return run.ended


def _begin(run: _Run, pool: ThreadPoolExecutor) -> None:
    """Start what can start, in order; give up what waits for a stack that is broken."""
    for stack, target in list(run.waiting.items()):
        lost = [str(other) for other in run.after[stack] if other in run.ended and run.ended[other].error]
        busy = {running.id for running in run.running.values()}
        if lost:
            error = AggloError(run.lost.format(target.title, ", ".join(lost)), hint="mend that first")
            del run.waiting[stack]
            _note(run, target, Ended(error=error))
        elif len(busy) < run.workers and not any(o in busy or o in run.waiting for o in run.after[stack]):
            run.running[pool.submit(_attempt, run, target)] = target
            del run.waiting[stack]
            _tell(run)


def _attempt(run: _Run, target: Target) -> Ended:
    start, changes, error = run.world.now(), None, None
    try:
        changes = run.work(target)
    except AggloError as met:
        error = met
    return Ended((run.world.now() - start).total_seconds(), changes, error)


def _end(run: _Run, future: Future[Ended]) -> None:
    target = run.running.pop(future)
    _note(run, target, future.result())


def _note(run: _Run, target: Target, ended: Ended) -> None:
    run.ended[target.id] = ended
    _tell(run, target.title, ended)


def _tell(run: _Run, title: str = "", ended: Ended | None = None) -> None:
    failed = sum(bool(e.error) for e in run.ended.values())
    total = len(run.waiting) + len(run.running) + len(run.ended)
    running = tuple(target.title for target in run.running.values())
    run.world.watch(Progress(total, len(run.ended) - failed, failed, running, title, ended))
