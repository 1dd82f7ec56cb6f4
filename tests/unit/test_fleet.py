"""Many stacks at once: side by side, in order where one needs the other, and past a failure."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import wait
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from agglo import workflow
from agglo.adapters.files import load_project
from agglo.adapters.protocols import Say, UpResult, Work
from agglo.errors import AggloError
from agglo.outcome import Happened
from agglo.project import Project
from agglo.stack import Kind, StackId
from agglo.testing import FakeEngine, Fakes, make_fakes
from tests.trees import add_release, ask, metropolis


@dataclass
class SlowEngine(FakeEngine):
    """Notes how many stacks it works on at once, and when each begins and ends."""

    most: int = 0
    busy: int = 0
    log: list[tuple[str, StackId]] = field(default_factory=list)
    guard: threading.Lock = field(default_factory=threading.Lock)

    def up(self, work: Work, say: Say) -> UpResult:
        with self._noted(work.stack):
            return super().up(work, say)

    def destroy(self, work: Work, say: Say) -> Mapping[str, int]:
        with self._noted(work.stack):
            return super().destroy(work, say)

    @contextmanager
    def _noted(self, stack: StackId) -> Iterator[None]:
        with self.guard:
            self.busy += 1
            self.most = max(self.most, self.busy)
            self.log.append(("begin", stack))
        time.sleep(0.01)
        try:
            yield
        finally:
            with self.guard:
                self.busy -= 1
                self.log.append(("end", stack))


def fleet(project: Project, workers: int) -> tuple[Fakes, SlowEngine]:
    fakes, engine = make_fakes(project), SlowEngine()
    return replace(fakes, world=replace(fakes.world, engine=engine, workers=workers), engine=engine), engine


METRO = StackId(Kind.METRO, "RegionOne")
SCHILTIGHEIM, PORTAL = StackId(Kind.COMMUNE, "67447"), StackId(Kind.INSTANCE, "67447-portal")


def destroy(fakes: Fakes, selector: str = "all") -> workflow.Outcome:
    return workflow.destroy(fakes.world, selector, lambda _: True)


def apply(fakes: Fakes, selector: str = "all") -> workflow.Outcome:
    return workflow.apply(fakes.world, selector, lambda _: True)


@pytest.mark.parametrize("workers", [1, 4])
def test_all_landing_zones_come_up_no_more_than_so_many_at_once(project: Project, workers: int) -> None:
    fakes, engine = fleet(project, workers)
    assert apply(fakes).broken == {}
    assert engine.most == workers
    assert sum(stack.kind is Kind.COMMUNE for stack in fakes.records.kept) == 33
    assert workflow.plan(fakes.world, "all").pending == ()


def test_metro_comes_before_the_communes_and_they_before_their_instances(project: Project) -> None:
    fakes, engine = fleet(project, 4)
    apply(fakes)
    metro, commune, portal = (
        StackId(Kind.METRO, "RegionOne"), StackId(Kind.COMMUNE, "67447"), StackId(Kind.INSTANCE, "67447-portal"),
    )  # fmt: skip
    assert engine.log[:2] == [("begin", metro), ("end", metro)]
    assert engine.log.index(("end", commune)) < engine.log.index(("begin", portal))


def test_one_failure_stops_only_what_stands_on_it(project: Project) -> None:
    fakes, engine = fleet(project, 4)
    engine.fail_on = StackId(Kind.COMMUNE, "67447")
    outcome = apply(fakes)
    assert set(outcome.broken) == {engine.fail_on, StackId(Kind.INSTANCE, "67447-portal")}
    assert sum(stack.kind is Kind.COMMUNE and r.engine is not None for stack, r in fakes.records.kept.items()) == 32
    assert fakes.configurator.runs == [("bastion", "edge-1", "edge-2", "ops")]
    engine.fail_on = None
    assert apply(fakes).broken == {}
    assert workflow.plan(fakes.world, "all").pending == ()


def test_a_broken_metro_stops_everything(project: Project) -> None:
    fakes, engine = fleet(project, 4)
    engine.fail_on = StackId(Kind.METRO, "RegionOne")
    assert len(apply(fakes).broken) == 1 + 33 + len(project.requests)
    assert fakes.configurator.runs == []


def test_a_service_waits_for_what_it_needs(tmp_path: Path) -> None:
    root = metropolis(tmp_path)
    add_release(root, "info", "1.0.0")
    add_release(root, "guide", "1.0.0", requires={"agglo": ">=0.1.0", "services": {"info": ">=1.0.0"}})
    for service in ("guide", "info"):
        ask(root, "communes/67447-schiltigheim", service, version="1.0.0")
    fakes, engine = fleet(load_project(root), 4)
    apply(fakes, "schiltigheim")
    info, guide = StackId(Kind.INSTANCE, "67447-info"), StackId(Kind.INSTANCE, "67447-guide")
    assert engine.log.index(("end", info)) < engine.log.index(("begin", guide))


def test_ctrl_c_begins_nothing_more_and_the_rerun_completes(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    fakes, engine = fleet(project, 2)
    waits: list[int] = []

    def interrupted(*arguments: Any, **options: Any) -> object:
        waits.append(1)
        if len(waits) == 5:
            raise KeyboardInterrupt
        return wait(*arguments, **options)

    monkeypatch.setattr("agglo.fleet.wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        apply(fakes)
    begun, ended = ([s for what, s in engine.log if what == which] for which in ("begin", "end"))
    assert sorted(begun) == sorted(ended)
    assert 0 < len(begun) < 20
    monkeypatch.setattr("agglo.fleet.wait", wait)
    apply(fakes)
    assert workflow.plan(fakes.world, "all").pending == ()


def test_each_stack_has_a_result(project: Project) -> None:
    fakes, engine = fleet(project, 4)
    apply(fakes, "metro")
    engine.fail_on = StackId(Kind.COMMUNE, "67043")
    outcome = apply(fakes)
    by_stack = {result.stack: result for result in outcome.results}
    assert by_stack[METRO].happened is Happened.CONFIGURED  # the edge has a route more
    assert by_stack[SCHILTIGHEIM].happened is Happened.CREATED
    assert by_stack[SCHILTIGHEIM].seconds > 0
    assert by_stack[SCHILTIGHEIM].resources == {"create": 1}
    assert by_stack[PORTAL].verified
    assert by_stack[engine.fail_on].error == "commune/67043: quota exceeded"
    assert outcome.counts == {Happened.CREATED: 33, Happened.CONFIGURED: 1, Happened.FAILED: 1}
    assert {r.happened for r in apply(fakes, "schiltigheim").results} == set()  # nothing to do: no run


def test_what_fails_its_checks_says_so_in_one_line(project: Project) -> None:
    fakes, _ = fleet(project, 4)
    fakes.checks.failing.add(PORTAL)
    (portal,) = (r for r in apply(fakes, "schiltigheim").results if r.stack == PORTAL)
    assert (portal.happened, portal.error) == (Happened.CREATED, "nginx: is down")
    assert portal.to_json()["verified"] == {
        "at": "2026-01-01T00:00:00Z", "passed": 3, "failed": 1, "failures": ["nginx: is down"],
    }  # fmt: skip


def test_what_keeps_all_guests_away_is_told_of_the_stacks_that_wait_for_it(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    fakes, _ = fleet(project, 4)

    def silent(*_: object) -> None:
        raise AggloError("server server-1 printed no ssh host key in 180 s")

    monkeypatch.setattr(fakes.cloud, "host_keys", silent)
    outcome = apply(fakes)
    assert set(outcome.broken) == {METRO, PORTAL}
    assert outcome.counts == {Happened.CREATED: 33, Happened.FAILED: 2}
    monkeypatch.undo()
    assert apply(fakes, "schiltigheim").broken == {}


def test_progress_tells_what_runs_and_counts_to_the_end(project: Project) -> None:
    fakes, engine = fleet(project, 4)
    engine.fail_on = StackId(Kind.COMMUNE, "67043")
    apply(fakes)
    last = fakes.watched[-1]
    assert (last.done, last.failed, last.total, last.running) == (34, 1, 35, ())
    assert max(len(p.running) for p in fakes.watched) == 4
    assert {p.title for p in fakes.watched if p.ended and p.ended.error} == {"67043-bischheim"}
    assert "67447-schiltigheim: create Instance server" in fakes.said


def test_all_is_destroyed_side_by_side_each_after_what_needs_it(project: Project) -> None:
    fakes, engine = fleet(project, 4)
    apply(fakes)
    engine.log.clear()
    engine.most = 0
    outcome = destroy(fakes)
    assert engine.most == 4
    assert engine.log.index(("end", PORTAL)) < engine.log.index(("begin", SCHILTIGHEIM))
    assert engine.log[-2:] == [("begin", METRO), ("end", METRO)]
    assert outcome.counts == {Happened.DESTROYED: 35}
    assert outcome.results[0].resources == {"delete": 1}
    assert fakes.records.kept == {}
    assert fakes.vault.zones == set()


def test_what_cannot_be_destroyed_keeps_only_what_it_needs_and_the_rerun_takes_the_rest(project: Project) -> None:
    fakes, engine = fleet(project, 4)
    apply(fakes)
    engine.fail_on = PORTAL
    outcome = destroy(fakes)
    assert set(outcome.broken) == {PORTAL, SCHILTIGHEIM, METRO} == set(fakes.records.kept)
    assert str(outcome.broken[SCHILTIGHEIM]) == (
        "67447-schiltigheim stays: instance/67447-portal is still there and needs it"
    )
    assert fakes.records.kept[PORTAL].intent
    engine.fail_on = None
    assert destroy(fakes).broken == {}
    assert fakes.records.kept == {}
