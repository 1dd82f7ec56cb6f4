"""An instance moves to another version: allowed ways, migrations in order and once, downgrades refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from agglo import upgrade, workflow
from agglo.adapters.files import load_project
from agglo.adapters.request_editor import move_version
from agglo.errors import ConfigureFailed, RefusedByPolicy
from agglo.plan import Action, Plan
from agglo.project import Project
from agglo.stack import Kind, StackId
from agglo.testing import Fakes, make_fakes
from tests.trees import add_release, ask, metropolis

PLACE = "communes/67447-schiltigheim"
INFO = StackId(Kind.INSTANCE, "67447-info")
INSTANCE = "67447-schiltigheim/info"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Four versions of a service: 2.0.0 is reached from 1.1 only, and the way has three migrations."""
    root = metropolis(tmp_path)
    add_release(root, "info", "1.0.0")
    add_release(root, "info", "1.1.0", migrations=("0001-first", "0002-second"), upgrade={"from": ">=1.0.0"})
    add_release(root, "info", "1.2.0", upgrade={"from": ">=1.0.0"})
    add_release(root, "info", "2.0.0", migrations=("0001-third",), upgrade={"from": ">=1.1.0,<2.0.0"})
    ask(root, PLACE, "info", version="1.0.0", values={})
    return root


@pytest.fixture
def fakes(tree: Path) -> Fakes:
    return make_fakes(load_project(tree))


def move(fakes: Fakes, tree: Path, version: str) -> Fakes:
    """The same world after the request was edited."""
    move_version(load_project(tree).requests[INSTANCE], version)
    return fakes.with_project(load_project(tree))


def apply(fakes: Fakes) -> workflow.Outcome:
    return workflow.apply(fakes.world, "schiltigheim/info", lambda _: True)


def change(planned: Plan) -> tuple[Action, str, tuple[str, ...]]:
    (found,) = [c for c in planned.changes if c.stack == INFO]
    return found.action, found.reason, found.migrations


def ran(fakes: Fakes) -> list[str]:
    return [f"{path.split('/')[2]}/{Path(path).stem}" for path, _ in fakes.configurator.migrations]


def test_a_new_instance_needs_no_migration(fakes: Fakes, tree: Path) -> None:
    fakes = move(fakes, tree, "1.1.0")
    apply(fakes)
    assert ran(fakes) == []
    assert fakes.records.kept[INFO].configured == "1.1.0"


def test_an_upgrade_is_planned_with_its_migrations(fakes: Fakes, tree: Path) -> None:
    apply(fakes)
    fakes = move(fakes, tree, "1.2.0")
    planned = workflow.plan(fakes.world, "schiltigheim/info")
    steps = ("1.1.0/0001-first", "1.1.0/0002-second")
    assert change(planned) == (Action.CONFIGURE, "goes from 1.0.0 to 1.2.0", steps)
    assert ran(fakes) == []


def test_migrations_run_in_order_once_and_are_recorded(fakes: Fakes, tree: Path) -> None:
    apply(fakes)
    fakes = move(fakes, tree, "1.2.0")
    apply(fakes)
    assert ran(fakes) == ["1.1.0/0001-first", "1.1.0/0002-second"]
    record = fakes.records.kept[INFO]
    assert (record.configured, record.release, record.migrations) == (
        "1.2.0", "1.2.0", ("1.1.0/0001-first", "1.1.0/0002-second"),
    )  # fmt: skip
    assert workflow.plan(fakes.world, "schiltigheim/info").pending == ()
    fakes = move(fakes, tree, "2.0.0")
    apply(fakes)
    assert ran(fakes)[2:] == ["2.0.0/0001-third"]


def test_the_engine_is_not_started_for_an_upgrade_that_changes_no_resource(fakes: Fakes, tree: Path) -> None:
    apply(fakes)
    before = list(fakes.engine.runs)
    apply(move(fakes, tree, "1.1.0"))
    assert fakes.engine.runs == before


def test_a_failed_migration_stops_before_the_playbook_and_the_rerun_goes_on_from_there(
    fakes: Fakes, tree: Path
) -> None:
    apply(fakes)
    fakes = move(fakes, tree, "1.1.0")
    configured = len(fakes.configurator.runs)
    fakes.configurator.broken_migrations.add("0002-second")
    broken = apply(fakes).broken
    assert {stack: str(error) for stack, error in broken.items()} == {INFO: "schiltigheim-info: migration: it broke"}
    assert len(fakes.configurator.runs) == configured
    assert fakes.records.kept[INFO].migrations == ("1.1.0/0001-first",)
    assert fakes.records.kept[INFO].configured == "1.0.0"
    fakes.configurator.broken_migrations.clear()
    apply(fakes)
    assert ran(fakes) == ["1.1.0/0001-first", "1.1.0/0002-second", "1.1.0/0002-second"]
    assert fakes.records.kept[INFO].configured == "1.1.0"


def test_a_downgrade_is_refused_before_anything_with_the_command_to_use(fakes: Fakes, tree: Path) -> None:
    apply(move(fakes, tree, "1.1.0"))
    fakes = move(fakes, tree, "1.0.0")
    before = len(fakes.configurator.runs)
    with pytest.raises(RefusedByPolicy, match=r"is at 1\.1\.0; 1\.0\.0 is older") as refused:
        apply(fakes)
    assert "agglo request upgrade 67447-schiltigheim/info 1.1.0" in refused.value.hint
    with pytest.raises(RefusedByPolicy):
        workflow.plan(fakes.world, "schiltigheim/info")
    assert len(fakes.configurator.runs) == before


def test_data_that_were_migrated_do_not_go_back_although_the_upgrade_failed(fakes: Fakes, tree: Path) -> None:
    apply(fakes)
    fakes.configurator.broken_migrations.add("0002-second")
    assert isinstance(apply(move(fakes, tree, "1.1.0")).broken[INFO], ConfigureFailed)
    with pytest.raises(RefusedByPolicy, match=r"is at 1\.1\.0"):
        apply(move(fakes, tree, "1.0.0"))


def test_a_version_that_cannot_be_reached_names_the_way(fakes: Fakes, tree: Path) -> None:
    apply(fakes)
    with pytest.raises(RefusedByPolicy, match=r"go by 1\.1\.0") as refused:
        apply(move(fakes, tree, "2.0.0"))
    assert refused.value.hint == "agglo request upgrade 67447-schiltigheim/info 1.1.0"


def test_the_shortest_way_is_found(tree: Path) -> None:
    catalog = load_project(tree).catalog
    assert upgrade.path(catalog, "info", "1.0.0", "2.0.0") == ["1.1.0", "2.0.0"]
    assert upgrade.path(catalog, "info", "1.0.0", "1.2.0") == ["1.2.0"]
    assert upgrade.path(catalog, "info", "2.0.0", "1.0.0") == []


def test_drafts_between_are_no_part_of_the_way(tree: Path, project: Project) -> None:
    add_release(tree, "info", "1.1.5", state="draft", migrations=("0001-draft",), upgrade={"from": ">=1.0.0"})
    catalog = load_project(tree).catalog
    names = [s.name for s in upgrade.steps(catalog, "1.0.0", catalog.release("info", "1.2.0"), ())]
    assert names == ["1.1.0/0001-first", "1.1.0/0002-second"]
