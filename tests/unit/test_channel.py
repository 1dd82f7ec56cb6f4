"""The image channel: servers keep their image until they are moved; what nobody runs on goes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agglo import patching, workflow
from agglo.channel import Build, builds, choose
from agglo.project import Project
from agglo.stack import Kind, StackId
from agglo.testing import Fakes, make_fakes

METRO = StackId(Kind.METRO, "RegionOne")
PORTAL = StackId(Kind.INSTANCE, "67447-portal")
OLD, NEW = "0" * 64, "1" * 64


@pytest.fixture
def fakes(project: Project) -> Fakes:
    """Schiltigheim's portal applied; then a newer image is there."""
    made = make_fakes(project)
    workflow.apply(made.world, "schiltigheim", lambda _: True)
    site = made.world.site()
    return replace(
        made, world=replace(made.world, site=lambda: replace(site, image_sha256=NEW, image_date="2026-02-01"))
    )


def keys(fakes: Fakes) -> list[str]:
    return list(fakes.records.kept[METRO].outputs["images"])  # type: ignore[arg-type]


def test_a_new_image_is_published_beside_the_old_one_and_moves_nobody(fakes: Fakes) -> None:
    server = fakes.records.kept[PORTAL].outputs["server"]
    workflow.apply(fakes.world, "schiltigheim", lambda _: True)
    assert keys(fakes) == [OLD, NEW]
    assert fakes.records.kept[METRO].outputs["image"] == NEW
    assert fakes.records.kept[PORTAL].outputs["server"] == server
    assert workflow.plan(fakes.world, "schiltigheim").pending == ()


def test_patch_moves_one_server_after_another_and_retires_the_old_image(fakes: Fakes) -> None:
    before = len(fakes.configurator.runs)
    outcomes = list(patching.patch(fakes.world, "all", lambda _: True))
    assert [outcome.applied for outcome in outcomes] == [True] * 6
    moved = [work.inputs["server_images"] for work in fakes.engine.works if work.stack == METRO][-5:]
    counts = [list(images.values()).count(NEW) for images in moved]  # type: ignore[union-attr]
    assert counts == [1, 2, 3, 4, 4], "one at a time, then the last image goes"
    assert len(fakes.configurator.runs) > before
    assert keys(fakes) == [NEW]
    assert workflow.plan(fakes.world, "schiltigheim").pending == ()
    assert patching.behind(fakes.world, "all") == []


def test_patch_of_one_instance_leaves_the_others_and_their_image(fakes: Fakes) -> None:
    outcomes = list(patching.patch(fakes.world, "schiltigheim/portal", lambda _: True))
    assert [outcome.applied for outcome in outcomes] == [True, False]
    assert fakes.records.kept[PORTAL].outputs["server_images"] == {"schiltigheim-portal": NEW}
    assert keys(fakes) == [OLD, NEW], "the metropolis's own servers run on the old one"
    assert {one.server for one in patching.behind(fakes.world, "all")} == {"bastion", "edge-1", "edge-2", "ops"}


def test_patch_stops_at_the_first_server_that_is_not_well(fakes: Fakes) -> None:
    fakes.checks.failing = {PORTAL}
    outcomes = list(patching.patch(fakes.world, "all", lambda _: True))
    assert len(outcomes) == 1
    assert outcomes[0].failures
    assert {one.server for one in patching.behind(fakes.world, "all")} == {"bastion", "edge-1", "edge-2", "ops"}


def test_nothing_is_asked_where_nothing_is_behind(project: Project) -> None:
    fakes = make_fakes(project)
    workflow.apply(fakes.world, "schiltigheim", lambda _: True)
    assert list(patching.patch(fakes.world, "all", lambda _: pytest.fail("asked"))) == []


def test_an_image_that_is_gone_is_not_kept(project: Project) -> None:
    metro = {"images": {OLD: {"id": "i", "date": "2026-01-01", "adopted": False}}}
    mine = {"server_images": {"a": OLD, "b": "2" * 64}}
    assert choose(["a", "b", "c"], NEW, metro, mine, frozenset()) == {"a": OLD, "b": NEW, "c": NEW}
    assert choose(["a"], NEW, metro, mine, frozenset({"a"})) == {"a": NEW}
    assert builds(Build(NEW), metro, [mine]) == [Build(OLD, "2026-01-01"), Build(NEW)]
    assert builds(Build(NEW), metro, []) == [Build(NEW)]
