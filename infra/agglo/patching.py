"""Servers moved to the newest image, one after another: each is verified before the next one begins."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from agglo import workflow
from agglo.channel import Build, published, running
from agglo.outcome import Outcome
from agglo.selector import only_named, select
from agglo.stack import metro_target, newest_image
from agglo.survey import survey
from agglo.world import World


@dataclass(frozen=True)
class Behind:
    """A server that runs on an older image than the newest; ``title`` is its stack's."""

    server: str
    title: str
    has: Build
    newest: Build


def behind(world: World, selector: str) -> list[Behind]:
    """The selected stacks' servers that run on an older image: of instances first, then the metropolis's own."""
    world.vault.check()
    targets = only_named(world.project, selector)[::-1]
    newest = newest_image(world.project.metro, survey(world, select(world.project, selector), force=False))
    records = world.records.load_all()
    metro = records.get(metro_target(world.project).id)
    if newest is None or metro is None:
        return []
    known = published(metro.outputs)
    return [
        Behind(server, target.title, known.get(key, Build(key)), newest)
        for target in targets
        if (record := records.get(target.id))
        for server, key in running([record.outputs]).items()
        if key != newest.key
    ]


def patch(world: World, selector: str, confirm: Callable[[Sequence[Behind]], bool]) -> Iterator[Outcome]:
    """Replace each server of the selected stacks that is behind; then retire images that no server runs on.

    One outcome for each; the first that is not good is the last. Ports, addresses and volumes stay.
    """
    due = behind(world, selector)
    if not due or not confirm(due):
        return
    for one in due:
        outcome = workflow.apply(world, one.title, lambda _: True, patch=frozenset({one.server}))
        yield outcome
        if outcome.broken or outcome.failures:
            return
    yield workflow.apply(world, "metro", lambda _: True)
