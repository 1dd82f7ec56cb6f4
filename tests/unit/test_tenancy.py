"""Shared instances of the metropolis, memberships in them, and services that need each other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from agglo import workflow
from agglo.adapters.files import load_project, read_project
from agglo.errors import InvalidInput, UsageError
from agglo.guest import render_files, template_context
from agglo.plan import blast_radius
from agglo.request import Role
from agglo.selector import select
from agglo.stack import Kind, StackId
from agglo.testing import Fakes, make_fakes
from tests.trees import add_release, ask, enter, metropolis, write

HOST = StackId(Kind.INSTANCE, "246700488-info")
ACHENHEIM = StackId(Kind.INSTANCE, "67001-info")
BISCHHEIM = StackId(Kind.INSTANCE, "67043-info")
ZONE = StackId(Kind.COMMUNE, "246700488")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A service that small communes share: Achenheim and Bischheim (classes S, M) by default."""
    root = metropolis(tmp_path)
    (root / "stacks/communes/67447-schiltigheim/portal.yaml").unlink()
    folder = add_release(root, "info", "1.0.0", state="draft", tenancy=["dedicated", "shared"])
    (folder / "templates" / "member" / "site").mkdir(parents=True)
    (folder / "templates/site/index.html.j2").rename(folder / "templates/member/site/index.html.j2")
    names = "{% for m in members %}{{ m.host }} {% endfor %}"
    write(folder, {"templates/nginx.conf.j2": names})
    enter(root, "info", "1.0.0")
    ask(root, "metro", "info", version="1.0.0", tenancy="shared", values={})
    ask(root, "communes/67001-achenheim", "info", values={"message": "Bonjour d’Achenheim."})
    ask(root, "communes/67043-bischheim", "info", values={"message": "Bonjour de Bischheim."})
    ask(root, "communes/67482-strasbourg", "info", version="1.0.0", values={})
    return root


@pytest.fixture
def fakes(tree: Path) -> Fakes:
    return make_fakes(load_project(tree))


def apply(fakes: Fakes, selector: str) -> workflow.Outcome:
    return workflow.apply(fakes.world, selector, lambda _: True)


def test_roles_follow_the_size_class_unless_the_request_says_otherwise(tree: Path) -> None:
    roles = {r.instance: r.role for r in load_project(tree).requests.values()}
    assert roles == {
        "246700488-eurometropole/info": Role.SHARED,
        "67001-achenheim/info": Role.MEMBER,
        "67043-bischheim/info": Role.MEMBER,
        "67482-strasbourg/info": Role.DEDICATED,
    }
    ask(tree, "communes/67043-bischheim", "info", tenancy="dedicated", version="1.0.0", values={})
    assert load_project(tree).request("bischheim/info").role is Role.DEDICATED


def test_a_membership_brings_the_shared_instance_and_makes_no_server(fakes: Fakes) -> None:
    titles = [t.title for t in select(fakes.world.project, "achenheim/info")]
    assert titles == [
        "metro", "246700488-eurometropole", "67001-achenheim", "246700488-eurometropole/info", "67001-achenheim/info",
    ]  # fmt: skip
    apply(fakes, "achenheim/info")
    assert fakes.configurator.runs == [("bastion", "edge-1", "edge-2", "ops", "eurometropole-info")]
    by_stack = {work.stack: work.inputs for work in fakes.engine.works}
    assert by_stack[HOST]["servers"]
    assert by_stack[ACHENHEIM]["role"] == "member"
    assert not by_stack[ACHENHEIM]["servers"]
    record = fakes.records.kept[ACHENHEIM]
    assert record.route
    assert (record.route.host, record.route.address) == ("info.achenheim.agglo.localhost", "100.64.1.7")
    assert fakes.records.kept[HOST].route is None
    assert record.verified
    assert fakes.checks.runs[-1][1] == ("info.achenheim.agglo.localhost",)


def test_each_member_acts_with_its_own_credential(fakes: Fakes) -> None:
    apply(fakes, "achenheim/info")
    works = {work.stack: work for work in fakes.engine.works}
    assert works[ACHENHEIM].environment["VAULT_SERVER_TOKEN"] == "token-67001"
    assert works[HOST].environment["VAULT_SERVER_TOKEN"] == "token-246700488"
    assert works[ZONE].environment["VAULT_SERVER_TOKEN"] == "token-246700488"


def test_nothing_is_left_to_do_after_all_members_are_applied(fakes: Fakes) -> None:
    apply(fakes, "*/info")
    assert workflow.plan(fakes.world, "*/info").pending == ()


def test_members_have_values_of_their_own_in_the_shared_instance(tree: Path) -> None:
    project = load_project(tree)
    host = project.request("eurometropole/info")
    files = render_files(project.release(host), template_context(project, host))
    assert "Bonjour d’Achenheim." in files["members/achenheim/site/index.html"]
    assert "Bonjour de Bischheim." in files["members/bischheim/site/index.html"]
    assert files["nginx.conf"].split() == ["info.achenheim.agglo.localhost", "info.bischheim.agglo.localhost"]


def test_a_change_of_one_member_configures_the_shared_guest_and_starts_no_engine(fakes: Fakes, tree: Path) -> None:
    apply(fakes, "*/info")
    engine = list(fakes.engine.runs)
    ask(tree, "communes/67001-achenheim", "info", values={"message": "Autre chose."})
    changed = fakes.with_project(load_project(tree))
    planned = workflow.plan(changed.world, "achenheim/info")
    (pending,) = planned.pending
    assert pending.stack == HOST
    assert set(pending.serves) == {"67001", "67043"}
    populations = {c.insee: c.population.count for c in changed.world.project.communes.values()}
    assert blast_radius(planned.pending, populations) == (2, 2570 + 18289)
    apply(changed, "achenheim/info")
    assert fakes.engine.runs == engine


def test_a_shared_instance_is_not_pulled_from_under_its_members(fakes: Fakes) -> None:
    apply(fakes, "*/info")
    with pytest.raises(UsageError, match="67001-achenheim/info, 67043-bischheim/info need"):
        workflow.destroy(fakes.world, "eurometropole/info", lambda _: True)
    workflow.destroy(fakes.world, "*/info", lambda _: True)
    assert not [stack for stack in fakes.records.kept if stack.kind is Kind.INSTANCE]


def test_a_commune_may_move_from_shared_to_dedicated_in_the_same_stack(fakes: Fakes, tree: Path) -> None:
    apply(fakes, "*/info")
    ask(tree, "communes/67001-achenheim", "info", tenancy="dedicated", version="1.0.0", values={})
    moved = fakes.with_project(load_project(tree))
    apply(moved, "achenheim/info")
    record = fakes.records.kept[ACHENHEIM]
    assert str(record.outputs["server"]).startswith("server-67001-info")
    assert workflow.plan(moved.world, "*/info").pending != ()  # the shared guest no longer serves it
    apply(moved, "*/info")
    assert workflow.plan(moved.world, "*/info").pending == ()


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ({"tenancy": "shared", "version": "0.9.0"}, "the shared instance is at 1.0.0, and its members follow it"),
        ({"tenancy": "dedicated"}, "version is missing (write: version: 1.0.0)"),
    ],
)
def test_a_membership_and_its_version(tree: Path, asked: dict[str, str], reason: str) -> None:
    ask(tree, "communes/67001-achenheim", "info", **asked)
    (problem,) = read_project(tree).problems
    assert reason in str(problem)


def test_a_place_in_an_instance_that_does_not_exist_is_refused(tree: Path) -> None:
    (tree / "stacks/metro/info.yaml").unlink()
    ask(tree, "communes/67001-achenheim", "info", tenancy="shared")
    with pytest.raises(InvalidInput, match="the metropolis has no shared instance of info"):
        load_project(tree)


def test_a_service_that_is_offered_dedicated_only_cannot_be_shared(tree: Path) -> None:
    ask(tree, "metro", "portal", version="1.0.0", tenancy="shared")
    with pytest.raises(InvalidInput, match=r"portal 1\.0\.0 is offered dedicated only"):
        load_project(tree)


def test_what_a_service_needs_comes_first_and_is_known_to_its_templates(tree: Path) -> None:
    add_release(tree, "guide", "1.0.0", requires={"agglo": ">=0.1.0", "services": {"info": ">=1.0.0"}})
    ask(tree, "communes/67482-strasbourg", "guide", version="1.0.0", values={})
    project = load_project(tree)
    assert [t.title for t in select(project, "strasbourg/guide")][-2:] == [
        "67482-strasbourg/info", "67482-strasbourg/guide",
    ]  # fmt: skip
    context = template_context(project, project.request("strasbourg/guide"))
    assert context["requires"] == {"info": {"host": "info.strasbourg.agglo.localhost"}}
    fakes = make_fakes(project)
    apply(fakes, "strasbourg/guide")
    with pytest.raises(UsageError, match="67482-strasbourg/guide need what would be destroyed"):
        workflow.destroy(fakes.world, "strasbourg/info", lambda _: True)


def test_a_missing_requirement_proposes_the_command(tree: Path) -> None:
    add_release(tree, "guide", "1.0.0", requires={"agglo": ">=0.1.0", "services": {"info": ">=1.0.0"}})
    ask(tree, "communes/67131-eschau", "guide", version="1.0.0", values={})
    (problem,) = read_project(tree).problems
    assert "guide needs info >=1.0.0, which the commune did not ask for (agglo request new eschau info)" in str(problem)
    assert "guide a besoin de info >=1.0.0" in problem.say("fr")


def test_a_requirement_in_another_version_names_the_one_that_fits(tree: Path) -> None:
    add_release(tree, "info", "2.0.0", upgrade={"from": ">=1.0.0"})
    add_release(tree, "guide", "1.0.0", requires={"agglo": ">=0.1.0", "services": {"info": ">=2.0.0"}})
    ask(tree, "communes/67482-strasbourg", "guide", version="1.0.0", values={})
    (problem,) = read_project(tree).problems
    assert "needs info >=2.0.0, not 1.0.0 (info: version: 2.0.0)" in str(problem)


def test_services_that_need_each_other_in_a_circle_are_refused(tree: Path) -> None:
    add_release(tree, "a", "1.0.0", requires={"agglo": ">=0.1.0", "services": {"b": ">=1.0.0"}})
    add_release(tree, "b", "1.0.0", requires={"agglo": ">=0.1.0", "services": {"c": ">=1.0.0"}})
    add_release(tree, "c", "1.0.0", requires={"agglo": ">=0.1.0", "services": {"a": ">=1.0.0"}})
    with pytest.raises(InvalidInput, match="needs itself: a → b → c → a"):
        load_project(tree)


def test_members_are_destroyed_before_what_they_share(fakes: Fakes) -> None:
    apply(fakes, "all")
    world = replace(fakes.world, workers=4)
    assert workflow.destroy(world, "all", lambda _: True).broken == {}
    gone = [stack for what, stack in fakes.engine.runs if what == "destroy"]
    assert max(gone.index(ACHENHEIM), gone.index(BISCHHEIM)) < gone.index(HOST) < gone.index(ZONE)
    assert fakes.records.kept == {}
