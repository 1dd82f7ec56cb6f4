"""What must hold for any layers, any versions and any small metropolis."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from semver import Version

from agglo import workflow
from agglo.layers import make_layer, resolve
from agglo.project import Project
from agglo.request import Request, RequestFile, Source
from agglo.testing import make_fakes
from agglo.versions import matches, version_key

NAMES = st.sampled_from(["a", "b", "c"])
TREES = st.dictionaries(NAMES, st.integers() | st.dictionaries(NAMES, st.integers(), min_size=1), max_size=3)


@given(st.lists(TREES, min_size=1, max_size=4))
def test_every_setting_is_told_as_the_value_or_as_overridden(trees: list[dict[str, Any]]) -> None:
    layers = [make_layer(str(n), f"{n}.yaml", tree, {}) for n, tree in enumerate(trees)]
    resolved = resolve(layers)
    told = [v.origin for v in resolved.values()] + [s.origin for v in resolved.values() for s in v.overrode]
    assert sorted(o.layer for o in told) == sorted(s.origin.layer for layer in layers for s in layer.settings.values())


@given(st.lists(TREES, min_size=1, max_size=4))
def test_the_last_layer_that_says_something_wins(trees: list[dict[str, Any]]) -> None:
    layers = [make_layer(str(n), "", tree, {}) for n, tree in enumerate(trees)]
    for key, value in resolve(layers).items():
        last = [layer.name for layer in layers if key in layer.settings][-1]
        assert value.origin.layer == last


PARTS = st.integers(0, 30)
PRE = st.sampled_from(["", "-alpha", "-alpha.1", "-alpha.beta", "-beta", "-beta.2", "-beta.11", "-rc.1"])
VERSIONS = st.builds(lambda a, b, c, pre: f"{a}.{b}.{c}{pre}", PARTS, PARTS, PARTS, PRE)


def test_versions_are_in_semvers_own_order() -> None:
    ordered = [f"1.0.0{pre}" for pre in
               ("-alpha", "-alpha.1", "-alpha.beta", "-beta", "-beta.2", "-beta.11", "-rc.1", "")]  # fmt: skip
    assert sorted(random.Random(1).sample(ordered, len(ordered)), key=version_key) == ordered


@given(VERSIONS, VERSIONS, VERSIONS)
def test_the_order_of_versions_is_total(a: str, b: str, c: str) -> None:
    assert (version_key(a) < version_key(b)) + (version_key(b) < version_key(a)) + (a == b) == 1
    if version_key(a) <= version_key(b) <= version_key(c):
        assert version_key(a) <= version_key(c)


@given(VERSIONS, VERSIONS, VERSIONS)
def test_a_range_holds_what_lies_between(low: str, high: str, version: str) -> None:
    inside = Version.parse(low) <= Version.parse(version) < Version.parse(high)
    assert matches(version, f">={low},<{high}") is inside
    assert not matches(version, "")


VALUES = st.fixed_dictionaries(
    {},
    optional={
        "tagline": st.text(st.characters(codec="utf-8", exclude_categories=("C",)), min_size=1, max_size=40),
        "theme": st.fixed_dictionaries({"accent": st.from_regex(r"#[0-9a-f]{6}", fullmatch=True)}),
        "legal": st.fixed_dictionaries({"accessibility": st.sampled_from(["non conforme", "totalement conforme"])}),
    },
)


def asking(project: Project, wanted: dict[str, dict[str, Any]]) -> Project:
    """The project with these communes asking for a portal with these values."""
    requests = {}
    for code, values in wanted.items():
        asked = RequestFile(service="portal", version="1.0.0", values=values)
        request = Request(project.communes[code], asked, Source(project.root, f"{code}.yaml", {}), version="1.0.0")
        requests[request.instance] = request
    return project.with_requests(requests)


@pytest.mark.filterwarnings("ignore::hypothesis.errors.NonInteractiveExampleWarning")
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_planning_after_applying_is_empty(project: Project, data: st.DataObject) -> None:
    codes = st.sampled_from(sorted(project.communes))
    wanted = data.draw(st.dictionaries(codes, VALUES, min_size=1, max_size=3))
    fakes = make_fakes(asking(project, wanted))
    workflow.apply(fakes.world, "*/portal", lambda _: True)
    assert workflow.plan(fakes.world, "*/portal").pending == ()
    changed = {**wanted, data.draw(st.sampled_from(sorted(wanted))): data.draw(VALUES)}
    after = fakes.with_project(asking(project, changed))
    workflow.apply(after.world, "*/portal", lambda _: True)
    assert workflow.plan(after.world, "*/portal").pending == ()
