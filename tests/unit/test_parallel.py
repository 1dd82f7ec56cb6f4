"""Several runs at once: no route is lost, and nobody changes what another one stands on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from agglo import workflow
from agglo.adapters.files import load_project
from agglo.adapters.protocols import RunReport, Say
from agglo.adapters.records import FileRecords
from agglo.errors import Locked
from agglo.guest import Guest
from agglo.stack import Kind, StackId
from agglo.testing import FakeConfigurator, Fakes, make_fakes
from agglo.world import World
from tests.trees import ask, metropolis

METRO = StackId(Kind.METRO, "RegionOne")
COMMUNES = {"bischheim": "67043-bischheim", "schiltigheim": "67447-schiltigheim", "ostwald": "67365-ostwald"}


@dataclass
class HeldConfigurator(FakeConfigurator):
    """A run that is not alone goes on after all others have their routes, and time to publish them."""

    complete: Callable[[], bool] = lambda: True
    most: int = 0
    busy: int = 0
    guard: threading.Lock = field(default_factory=threading.Lock)

    def run(
        self, guests: Sequence[Guest], due: Sequence[str], session: Path, say: Say, only: str | None = None
    ) -> Mapping[str, RunReport]:
        with self.guard:
            self.busy += 1
            self.most = max(self.most, self.busy)
            waits = not self.complete()
        while waits and not self.complete():
            time.sleep(0.01)
        time.sleep(0.3 if waits else 0)
        try:
            return super().run(guests, due, session, say, only)
        finally:
            with self.guard:
                self.busy -= 1


@pytest.fixture
def fakes(tmp_path: Path) -> Fakes:
    root = metropolis(tmp_path)
    for key in COMMUNES.values():
        ask(root, f"communes/{key}", "portal", version="1.0.0")
    made, configurator = make_fakes(load_project(root)), HeldConfigurator()
    world = replace(made.world, records=FileRecords(tmp_path / "state"), configurator=configurator)
    return replace(made, world=world, configurator=configurator)


def apply(world: World, selector: str) -> workflow.Outcome:
    return workflow.apply(world, selector, lambda _: True)


def test_runs_for_several_communes_at_once_lose_no_route(fakes: Fakes) -> None:
    apply(fakes.world, "metro")
    configurator, records = fakes.configurator, fakes.world.records
    assert isinstance(configurator, HeldConfigurator)
    configurator.complete = lambda: sum(r.route is not None for r in records.load_all().values()) == len(COMMUNES)
    with ThreadPoolExecutor(len(COMMUNES)) as pool:
        outcomes = list(pool.map(lambda slug: apply(fakes.world, f"{slug}/portal"), COMMUNES))
    assert [outcome.broken for outcome in outcomes] == [{}, {}, {}]
    assert configurator.most == 1
    published = configurator.routes[-1]
    assert isinstance(published, list)
    assert len(published) == len(COMMUNES)
    assert workflow.plan(fakes.world, "metro").pending == ()


def test_what_has_to_be_made_first_is_held_alone(fakes: Fakes) -> None:
    records = fakes.world.records
    with records.lock([], shared=[METRO]), pytest.raises(Locked, match="metro/RegionOne is in use"):
        apply(fakes.world, "ostwald/portal")
    apply(fakes.world, "metro")
    with records.lock([], shared=[METRO]):
        assert apply(fakes.world, "ostwald/portal").applied
    with records.lock([METRO]), pytest.raises(Locked, match=r"being changed by another run \(process"):
        apply(fakes.world, "ostwald/portal")


def test_runs_for_one_instance_exclude_each_other(fakes: Fakes) -> None:
    with (
        fakes.world.records.lock([StackId(Kind.INSTANCE, "67365-portal")]),
        pytest.raises(Locked, match="instance/67365-portal"),
    ):
        apply(fakes.world, "ostwald/portal")


def test_whoever_waits_for_the_edges_is_told(tmp_path: Path) -> None:
    records, said = FileRecords(tmp_path), []
    entered = threading.Event()

    def wait() -> None:
        with records.edges(said.append):
            entered.set()

    with records.edges(said.append):
        thread = threading.Thread(target=wait)
        thread.start()
        assert not entered.wait(0.2)
    thread.join()
    assert entered.is_set()
    assert said == ["waiting for another run to publish its routes"]
