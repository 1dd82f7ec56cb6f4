"""The small pure modules: selectors, plans, guests, rendering, communes, catalogue."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from agglo.commune import insee_of_siren, luhn
from agglo.errors import UsageError
from agglo.guest import instance_guest, inventory, lighten, metro_guests, playbook, routes
from agglo.metro import Transit
from agglo.plan import Action, Change, blast_radius, decide, route_reason
from agglo.project import Project
from agglo.records import EngineResult, GuestResult, Intent, Record, Route
from agglo.render import RenderError, render_tree
from agglo.selector import only_named, select
from agglo.stack import Kind, Site, Spec, StackId, metro_target
from agglo.versions import version_key

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SITE = Site("0" * 64, "ca", "https://acme.example/directory", "PEM")
INSTANCE = "67447-schiltigheim/portal"


@pytest.mark.parametrize(
    ("selector", "titles"),
    [
        ("metro", ["metro"]),
        ("67447", ["metro", "67447-schiltigheim", INSTANCE]),
        ("schiltigheim", ["metro", "67447-schiltigheim", INSTANCE]),
        ("*/portal", ["metro", "67447-schiltigheim", INSTANCE]),
        ("schiltigheim/*", ["metro", "67447-schiltigheim", INSTANCE]),
        ("bischheim", ["metro", "67043-bischheim"]),
    ],
)
def test_selectors_bring_what_is_needed(project: Project, selector: str, titles: list[str]) -> None:
    assert [t.title for t in select(project, selector)] == titles


def test_all_is_metro_then_communes_then_instances(project: Project) -> None:
    kinds = [t.id.kind for t in select(project, "all")]
    assert kinds == sorted(kinds, key=list(Kind).index)
    assert len(kinds) == 1 + 33 + len(project.requests)


def test_only_named_leaves_out_what_is_needed(project: Project) -> None:
    assert [t.title for t in only_named(project, "schiltigheim/portal")] == [INSTANCE]
    assert [t.title for t in only_named(project, "schiltigheim")] == ["67447-schiltigheim", INSTANCE]


def spec(project: Project) -> Spec:
    return Spec(metro_target(project), {"a": 1})


def record(project: Project, **changes: object) -> Record:
    good = EngineResult(digest=spec(project).digest, checkpoint="c", at=NOW)
    return Record(stack="metro/RegionOne", title="metro", engine=good, outputs={"x": 1}).model_copy(update=changes)


def test_decisions(project: Project) -> None:
    changed = Spec(metro_target(project), {"a": 2})
    assert decide(spec(project), None, None)[0] is Action.CREATE
    assert decide(spec(project), record(project), "c")[0] is Action.UNCHANGED
    assert decide(changed, record(project), "c")[0] is Action.UPDATE
    assert decide(spec(project), record(project), "other")[0] is Action.RESUME
    assert decide(spec(project), record(project, intent=Intent(at=NOW, step="engine")), "c")[0] is Action.RESUME


def test_the_blast_radius_counts_a_commune_once(project: Project) -> None:
    populations = {c.insee: c.population.count for c in project.communes.values()}
    serves = [(t, (t.tenant.code,) if t.tenant else ()) for t in select(project, "schiltigheim")]
    changes = [Change(t.id, t.title, Action.CREATE, "", serves=codes) for t, codes in serves]
    assert blast_radius(changes, populations) == (1, 34382)


def test_routes_are_in_the_order_of_hosts() -> None:
    def with_route(host: str) -> Record:
        return Record(stack=host, title=host, route=Route(host=host, address="100.64.1.1", port=80, instance=host))

    assert [r.host for r in routes([with_route("b"), with_route("a"), Record(stack="c", title="c")])] == ["a", "b"]


def test_a_guests_digest_follows_what_it_gets(project: Project) -> None:
    request = project.requests[INSTANCE]
    outputs = {"server": "s", "address": "100.64.1.1"}
    guest = instance_guest(project, request, outputs, {"admin_password": 1}, "p")
    assert guest.digest == instance_guest(project, request, outputs, {"admin_password": 1}, "p").digest
    assert guest.digest != instance_guest(project, request, outputs, {"admin_password": 2}, "p").digest
    assert (
        guest.digest != instance_guest(project, request, {**outputs, "server": "t"}, {"admin_password": 1}, "p").digest
    )
    assert guest.digest != instance_guest(project, request, outputs, {"admin_password": 1}, "q").digest


def test_an_edge_whose_routes_alone_changed_is_only_synced(project: Project) -> None:
    route = Route(host="h", address="100.64.1.1", port=80, instance="i")
    outputs = {"bastion_server": "b", "edge_servers": {"edge-1": "e", "edge-2": "f"}}
    before, after = (metro_guests(project, SITE, outputs, list_, {}, "p")[1] for list_ in ([], [route]))
    assert before.digest != after.digest
    done = Record(
        stack="m", title="m", guests={"edge-1": GuestResult(digest=before.digest, setup=before.setup, at=NOW)}
    )
    assert lighten(after, done).groups == ("edge_sync",)
    changed = metro_guests(project, SITE, outputs, [route], {}, "q")[1]
    assert lighten(changed, done).groups == ("edges",)
    assert lighten(after, None).groups == ("edges",)


def test_the_inventory_holds_paths_of_secrets_and_no_value(project: Project) -> None:
    request = project.requests[INSTANCE]
    outputs = {"bastion_server": "b", "edge_servers": {"edge-1": "e", "edge-2": "f"}}
    guests = [
        *metro_guests(project, SITE, outputs, [], {}, "p"),
        instance_guest(project, request, {"server": "s", "address": "a"}, {"admin_password": 1}, "p"),
    ]
    made = inventory(guests, Path("/run/rendered"))["all"]
    assert isinstance(made, dict)
    hosts, children = made["hosts"], made["children"]
    assert isinstance(hosts, dict) and isinstance(children, dict)
    assert set(children) == {"bastions", "edges", "edge_sync", "portal", "portal_1_0_0"}
    assert children["edge_sync"] == {"hosts": {}}
    portal = hosts["schiltigheim-portal"]
    assert isinstance(portal, dict)
    assert portal["agglo_secrets"] == {"admin_password": "communes/67447/portal/admin_password"}
    assert portal["instance_rendered"] == "/run/rendered/schiltigheim-portal"
    plays = playbook(guests, Path("/project"))
    assert plays[1] == {
        "import_playbook": "/project/catalog/portal/1.0.0/playbook.yml",
        "vars": {"release_hosts": "portal_1_0_0"},
    }


def test_templates_are_strict_and_sandboxed() -> None:
    with pytest.raises(RenderError, match=r"page\.html"):
        render_tree({"page.html.j2": "{{ nothing }}"}, {})
    with pytest.raises(RenderError):
        render_tree({"page.html.j2": "{{ ''.__class__.__mro__ }}"}, {})
    with pytest.raises(RenderError, match=":2:"):
        render_tree({"page.html.j2": "x\n{% if %}"}, {})


def test_values_are_not_templates_and_html_is_escaped() -> None:
    made = render_tree({"page.html.j2": "{{ v }}", "n.conf.j2": "{{ v }}"}, {"v": "{{ 7*7 }}<script>"})
    assert made == {"page.html": "{{ 7*7 }}&lt;script&gt;", "n.conf": "{{ 7*7 }}<script>"}


def test_every_siren_of_the_metropolis_holds_its_insee_code(project: Project) -> None:
    assert [c.name for c in project.communes.values() if insee_of_siren(c.siren) != c.insee] == []


@given(st.integers(0, 10**8 - 1), st.integers(0, 7), st.integers(1, 9))
def test_one_wrong_digit_breaks_the_check_digit(number: int, place: int, by: int) -> None:
    digits = f"{number:08d}"
    full = next(f"{digits}{d}" for d in range(10) if luhn(f"{digits}{d}"))
    wrong = full[:place] + str((int(full[place]) + by) % 10) + full[place + 1 :]
    assert not luhn(wrong)


def test_versions_are_ordered_as_semver_says() -> None:
    ordered = ["0.9.0", "1.0.0-rc.1", "1.0.0", "1.2.0", "1.10.0", "2.0.0"]
    assert sorted(random.Random(1).sample(ordered, len(ordered)), key=version_key) == ordered


def test_the_catalogue_proposes_what_is_near(project: Project) -> None:
    with pytest.raises(UsageError, match="did you mean 'portal'"):
        project.catalog.release("potal", "1.0.0")


def test_quota_classes_follow_the_population(project: Project) -> None:
    classes = {c.name: project.metro.quota_class(c) for c in project.communes.values()}
    assert (classes["Strasbourg"], classes["Schiltigheim"], classes["Blaesheim"]) == ("XL", "L", "S")


def test_stack_ids_read_well() -> None:
    assert str(StackId(Kind.INSTANCE, "67447-portal")) == "instance/67447-portal"


@pytest.mark.parametrize(
    ("edges", "said"),
    [
        (["100.64.0.20"], "the same address"),
        (["100.64.0.21", "100.64.0.21"], "the same address"),
        (["192.0.2.1"], "192.0.2.1 outside of 100.64.0.0/16"),
        ([], "at least 1 item"),
    ],
)
def test_edges_have_addresses_of_their_own_on_transit(project: Project, edges: list[str], said: str) -> None:
    transit = project.metro.transit.model_dump(mode="json")
    with pytest.raises(ValidationError, match=said):
        Transit.model_validate({**transit, "edges": edges})


def test_why_a_route_changes() -> None:
    plain = Route(host="h", address="100.64.1.1", port=80, instance="i")
    closed = plain.model_copy(update={"maintenance": "Bientôt.", "domains": ("a.example",)})
    assert route_reason(plain, closed) == "is put into maintenance; is published as a.example"
    assert route_reason(closed, plain) == "leaves maintenance; is no longer published as a.example"
    assert route_reason(plain, plain.model_copy(update={"port": 81})) == "is reached another way"
