"""What ``doctor`` makes of a cloud that was examined."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from agglo import workflow
from agglo.capabilities import Service
from agglo.diagnosis import RIGHTS, Diagnosis, Examination, Level, Seen, diagnose
from agglo.project import Project
from agglo.scs import extra_specs
from agglo.stack import Kind, StackId
from agglo.survey import examine
from agglo.testing import WHOLE, make_fakes

GOOD = Examination(
    WHOLE,
    rights=dict.fromkeys(RIGHTS, True),
    roles=("admin",),
    capacity=(2048, 8 * 2**20, 20_000),
    addresses=(241, 3),
    token=0.085,
    latency=0.012,
    flavors=(Seen("SCS-1L-1-5", extra_specs("SCS-1L-1-5"), 1, 1024, 5), Seen("m1.small", {}, 1, 2048, 20)),
)


def about(what: str, project: Project, *, applied: bool = False, **changes: Any) -> list[Diagnosis]:
    found = diagnose(project, replace(GOOD, **changes), 2, applied=applied)
    return [finding for finding in found if finding.what == what]


def test_nothing_is_wrong_with_a_good_cloud(project: Project) -> None:
    found = diagnose(project, GOOD, 2, applied=False)
    assert {finding.level for finding in found} == {Level.OK}
    (latency,) = about("latency", project)
    assert latency.note == "12 ms a cheap call (median), 85 ms a token: --parallel 2 is recommended"


def test_each_lack_is_a_finding(project: Project) -> None:
    lacking = WHOLE.model_copy(update={"rbac_external": False, "external_networks": ()})
    found = about("capabilities", project, capabilities=lacking)
    assert [finding.level for finding in found] == [Level.MISSING] * 2
    assert all(finding.hint for finding in found)


def test_what_is_skipped_is_a_warning(project: Project) -> None:
    services = {kind: service for kind, service in WHOLE.services.items() if kind != "dns"}
    found = about("capabilities", project, capabilities=WHOLE.model_copy(update={"services": services}))
    assert [finding.level for finding in found] == [Level.OK, Level.WARNING]


def test_refused_rights_are_missing_and_untried_ones_a_warning(project: Project) -> None:
    (refused,) = about("rights", project, rights={**GOOD.rights, "domain": False}, roles=("member",))
    assert refused.level is Level.MISSING
    assert refused.note == "may not create domains for communes (roles: member)"
    (untried,) = about("rights", project, rights={**GOOD.rights, "flavor": None})
    assert (untried.level, untried.note) == (Level.WARNING, "could not be tried: create flavors")


@pytest.mark.parametrize(
    ("service", "level"),
    [("2.104", Level.OK), ("2.90", Level.OK), ("2.105", Level.WARNING), ("1.9", Level.MISSING)],
)
def test_versions_are_those_that_are_tested(project: Project, service: str, level: Level) -> None:
    services = {**WHOLE.services, "compute": Service(version="2.1", microversion=service)}
    known = {kind: Service() if kind != "compute" else told for kind, told in services.items()}
    (found,) = about("versions", project, capabilities=WHOLE.model_copy(update={"services": known}))
    assert found.level is level


def test_quotas_larger_than_the_hosts_are_a_warning(project: Project) -> None:
    (found,) = about("capacity", project, capacity=(100, 2**20, 0))
    assert found.level is Level.WARNING
    assert found.note.endswith("hosts bear 100 vCPU, 1024 GiB")
    (untold,) = about("capacity", project, capacity=None)
    assert untold.level is Level.WARNING


def test_public_addresses_are_needed_until_the_metro_stack_stands(project: Project) -> None:
    assert about("public addresses", project, addresses=(5, 3))[0].level is Level.MISSING
    assert about("public addresses", project, addresses=(5, 3), applied=True)[0].level is Level.OK


def test_the_transit_range_has_to_hold_all_quotas(project: Project) -> None:
    transit = project.metro.transit.model_dump() | {"cidr": "100.64.0.0/23"}
    metro = project.metro.model_validate(project.metro.model_dump() | {"transit": transit})
    (found,) = about("transit range", replace(project, metro=metro))
    assert found.level is Level.MISSING


@pytest.mark.parametrize(("skew", "level"), [(1.5, Level.OK), (-2.0, Level.OK), (60.0, Level.WARNING)])
def test_clocks_have_to_agree(project: Project, skew: float, level: Level) -> None:
    (found,) = about("clock", project, skew=skew)
    assert found.level is level


def test_what_the_standards_ask_for_is_a_warning(project: Project) -> None:
    found = about("SCS", project, flavors=(Seen("SCS-2V-4", {}, 1, 4096, 0),), images=(Seen("debian-12", {}),))
    assert all(finding.level is Level.WARNING for finding in found)
    assert found[0].note == "SCS-2V-4 has 1 vCPU, its name says 2"
    assert "image debian-12: architecture is missing (mandatory)" in [finding.note for finding in found]


def test_refresh_keeps_what_the_cloud_can_do_and_the_next_plan_uses_it(project: Project) -> None:
    fakes, metro = make_fakes(project), StackId(Kind.METRO, "RegionOne")
    workflow.apply(fakes.world, "schiltigheim", lambda _: True)
    services = {kind: service for kind, service in WHOLE.services.items() if kind != "load-balancer"}
    fakes.cloud.able = WHOLE.model_copy(update={"services": services})
    examine(fakes.world, refresh=False)
    assert workflow.plan(fakes.world, "schiltigheim").pending == ()
    examine(fakes.world, refresh=True)
    assert fakes.records.kept[metro].capabilities == fakes.cloud.able
    planned = workflow.plan(fakes.world, "schiltigheim")
    assert [change.title for change in planned.pending] == ["67447-schiltigheim"]
    assert planned.cloud.skipped == ("load balancer quotas: the cloud has no load-balancer service",)
