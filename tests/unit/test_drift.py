"""Drift: what differs, what is not agglo's, what is done about it."""

from __future__ import annotations

from datetime import UTC, datetime

from agglo import ops, watch, workflow
from agglo.drift import FIELDS, Kind, Listing, Live, Managed, What, differences, unmanaged
from agglo.plan import Action
from agglo.project import Project
from agglo.stack import Kind as StackKind
from agglo.stack import StackId
from agglo.testing import Fakes, make_fakes

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PORTAL = StackId(StackKind.INSTANCE, "67447-portal")
ZONE = StackId(StackKind.COMMUNE, "67447")
SERVER = Managed(Kind.SERVER, "s1", "web", {"name": "web", "flavorName": "SCS-1V-2-5", "powerState": "active"})
PORT = Managed(
    Kind.PORT,
    "p1",
    "web",
    {
        "name": "web",
        "adminStateUp": True,
        "allFixedIps": ["10.0.0.9", "10.0.0.7"],
        "allSecurityGroupIds": ["g2", "g1"],
        "allowedAddressPairs": [{"ipAddress": "100.64.0.20"}],
    },
)


def _server(state: str = "active", flavor: str = "SCS-1V-2-5") -> Live:
    return Live("s1", "web", "project-67447", {"name": "web", "flavor": flavor, "state": state})


def _port(**changed: object) -> Live:
    fields = {
        "name": "web",
        "enabled": True,
        "addresses": ["10.0.0.7", "10.0.0.9"],
        "security groups": ["g1", "g2"],
        "allowed addresses": ["100.64.0.20"],
        "port security": True,
        **changed,
    }
    return Live("p1", "web", "project-67447", fields)  # type: ignore[arg-type]


def _listing(*servers: Live, port: Live | None = None) -> Listing:
    return Listing({Kind.SERVER: {s.id: s for s in servers}, Kind.PORT: {"p1": port or _port()}})


def test_what_is_as_it_was_applied_does_not_differ() -> None:
    assert differences([SERVER, PORT], _listing(_server())) == []


def test_what_is_gone_or_changed_is_told_with_both_values() -> None:
    assert [str(d) for d in differences([SERVER], _listing())] == ["server web is gone"]
    (found,) = differences([SERVER], _listing(_server("shutoff")))
    assert (found.what, str(found)) == (What.CHANGED, "server web: state was active, is shutoff")
    wider = _listing(_server(), port=_port(**{"security groups": ["g1"], "allowed addresses": [], "enabled": False}))
    assert [str(d) for d in differences([PORT], wider)] == [
        "port web: enabled was yes, is no",
        "port web: security groups was g1, g2, is g1",
        "port web: allowed addresses was 100.64.0.20, is nothing",
    ]


def test_types_that_the_cloud_does_not_list_are_passed_over() -> None:
    assert differences([Managed(Kind.ZONE, "z", "zone", {"name": "a."})], _listing()) == []


def test_a_name_is_found_by_the_last_part_of_its_id() -> None:
    name = Managed(Kind.NAME, "z1/r1", "portal", {"name": "p.a.", "ttl": 300, "records": ["100.64.0.20"]})
    live = Live("r1", "p.a.", "", {"name": "p.a.", "ttl": 300, "records": ["192.0.2.1"]})
    (found,) = differences([name], Listing({Kind.NAME: {"r1": live}}))
    assert found.live == "192.0.2.1"


def test_every_type_has_its_fields() -> None:
    assert set(FIELDS) == set(Kind)


def test_what_no_state_holds_is_told_where_agglo_is_alone() -> None:
    rules = {i: Live(i, f"ingress tcp {i}", "x", {}, "g1") for i in ("r1", "r2")} | {
        "r3": Live("r3", "", "x", {}, "other")
    }
    stranger = Live("s2", "miner", "project-67447", {})
    elsewhere = Live("s3", "theirs", "project-other", {})
    listing = Listing({Kind.SERVER: {"s1": _server(), "s2": stranger, "s3": elsewhere}, Kind.RULE: rules})
    found = unmanaged({"s1", "r1"}, {"g1"}, {"project-67447"}, listing)
    assert [str(d) for d in found] == [
        "server miner is not agglo's",
        "rule of a security group ingress tcp r2 is not agglo's",
    ]


def test_drift_is_recorded_told_to_monitoring_and_brought_back(project: Project) -> None:
    fakes = _applied(project)
    fakes.engine.managed[PORTAL] = [SERVER]
    fakes.cloud.live = Listing({Kind.SERVER: {}})
    found = watch.look(fakes.world, "schiltigheim")
    assert [(d.title, [str(x) for x in d.differences]) for d in found] == [
        ("67447-schiltigheim", []),
        ("67447-schiltigheim/portal", ["server web is gone"]),
    ]
    metrics = fakes.configurator.files["ops", ops.METRICS]
    assert 'agglo_drifted_resources{stack="67447-schiltigheim/portal"} 1' in metrics
    (change,) = workflow.plan(fakes.world, "schiltigheim").pending
    assert (change.stack, change.action) == (PORTAL, Action.UPDATE)
    assert "drift" in change.reason
    workflow.apply(fakes.world, "schiltigheim", lambda _: True)
    assert [(w.stack, w.refresh) for w in fakes.engine.works[-1:]] == [(PORTAL, True)]
    assert not workflow.plan(fakes.world, "schiltigheim").pending
    assert [w.refresh for w in fakes.engine.works[:-1]] == [False] * (len(fakes.engine.works) - 1)


def test_volumes_without_a_backup_are_told_of_the_landing_zone_that_has_them(project: Project) -> None:
    fakes = _applied(project)
    volumes = {"v1": Live("v1", "data", "project-67447", {}), "v2": Live("v2", "other", "project-other", {})}
    fakes.cloud.live = Listing({Kind.VOLUME: volumes}, {"v1": NOW, "v2": NOW})
    watch.look(fakes.world, "schiltigheim")
    record = fakes.records.kept[ZONE]
    assert record.looked
    assert record.looked.volumes == {"data": NOW}
    assert f'volume="data"}} {NOW.timestamp():.0f}' in fakes.configurator.files["ops", ops.METRICS]


def _applied(project: Project) -> Fakes:
    fakes = make_fakes(project)
    workflow.apply(fakes.world, "schiltigheim", lambda _: True)
    return fakes
