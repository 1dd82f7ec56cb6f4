"""What a cloud can do decides what is made, left out or refused; it is asked when the metro stack is applied."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from agglo import workflow
from agglo.adapters.files import load_project
from agglo.capabilities import Capabilities, CloudFlavor, Part, fit, parts
from agglo.errors import CloudLacks
from agglo.metro import Flavor, Metro
from agglo.project import Project
from agglo.stack import Kind, Site, StackId, commune_target, instance_target, make_spec, metro_target
from agglo.survey import pace
from agglo.testing import WHOLE, Fakes, make_fakes
from tests.trees import add_release, ask, metropolis

METRO = StackId(Kind.METRO, "RegionOne")


@pytest.fixture
def fakes(project: Project) -> Fakes:
    return make_fakes(project)


def without(*services: str) -> Capabilities:
    return WHOLE.model_copy(update={"services": {k: v for k, v in WHOLE.services.items() if k not in services}})


def able(**what: Any) -> Capabilities:
    return WHOLE.model_copy(update=what)


def changed(project: Project, **keys: Any) -> Project:
    """The project with other settings of the metropolis."""
    return replace(project, metro=Metro.model_validate({**project.metro.model_dump(), **keys}))


def inputs(project: Project, found: Capabilities, kind: Kind) -> dict[str, Any]:
    commune = project.communes["67447"]
    target = {
        Kind.METRO: metro_target(project),
        Kind.COMMUNE: commune_target(commune),
        Kind.INSTANCE: instance_target(project.requests["67447-schiltigheim/portal"]),
    }[kind]
    metro = {
        "image": "i",
        "images": {"i": {"id": "i", "date": "", "adopted": False}},
        "flavors": {"SCS-1L-1-5": "f"},
        "domain": "d",
        "transit_network": "t",
        "transit_network_name": "transit",
    }
    zone = {"zone": "z"} if Part.DNS in parts(project.metro, found) else {}
    outputs: dict[StackId, dict[str, Any]] = {
        metro_target(project).id: metro,
        commune_target(commune).id: {"network": "n", "subnet": "s", "security_group": "g", **zone},
    }
    site = Site("0" * 64, "ca", "https://acme.example/directory", "", capabilities=found)
    return make_spec(project, site, target, outputs).inputs


def test_a_whole_cloud_is_used_whole(project: Project) -> None:
    met = fit(project.metro, WHOLE)
    assert met.parts == set(Part)
    assert (met.skipped, met.adopted) == ((), ())


def test_without_designate_nothing_of_names_is_made_and_the_plan_says_which_are_needed(fakes: Fakes) -> None:
    fakes.cloud.able = without("dns")
    planned = workflow.plan(fakes.world, "schiltigheim")
    assert planned.cloud.skipped == ("DNS zones, names and quotas: the cloud has no dns service (designate)",)
    assert planned.cloud.names == ("portail.schiltigheim.agglo.localhost. A 198.51.100.20",)
    project = fakes.world.project
    assert inputs(project, fakes.cloud.able, Kind.METRO)["zone"] is None
    assert "dns" not in inputs(project, fakes.cloud.able, Kind.METRO)["quota"]
    commune = inputs(project, fakes.cloud.able, Kind.COMMUNE)
    assert commune["zone"] is None
    assert "dns" not in commune["quota"]
    assert inputs(project, fakes.cloud.able, Kind.INSTANCE)["zone"] is None


def test_quotas_of_absent_services_are_left_out_with_a_line(project: Project) -> None:
    found = without("block-storage", "load-balancer", "object-store")
    quota = inputs(project, found, Kind.COMMUNE)["quota"]
    assert quota.keys() == {"compute", "network", "dns"}
    assert fit(project.metro, found).skipped == (
        "volume quotas: the cloud has no block-storage service",
        "load balancer quotas: the cloud has no load-balancer service",
        "object storage quotas: the cloud has no object-store service",
    )


def test_object_storage_quotas_need_a_reseller_admin(project: Project) -> None:
    (line,) = fit(project.metro, able(reseller=False)).skipped
    assert line.startswith("object storage quotas: the operator is no reseller admin")
    assert "object_storage" not in inputs(project, able(reseller=False), Kind.COMMUNE)["quota"]


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (able(rbac_external=False), "access_as_external"),
        (able(extensions=("router", "external-net")), "network extension provider: needed for the transit"),
        (without("image"), "service image: needed for the guests' image"),
        (able(external_networks=("ext",)), "external network public: external networks are ext"),
        (able(regions=("Paris",)), "region RegionOne: there are Paris"),
    ],
)
def test_a_cloud_that_lacks_what_is_needed_is_refused_before_anything_is_changed(
    fakes: Fakes, found: Capabilities, said: str
) -> None:
    fakes.cloud.able = found
    for run in (
        lambda: workflow.plan(fakes.world, "schiltigheim"),
        lambda: workflow.apply(fakes.world, "all", lambda _: True),
    ):
        with pytest.raises(CloudLacks, match=said):
            run()
    assert fakes.engine.runs == []
    assert fakes.records.kept == {}


def test_all_that_is_lacking_is_told_at_once(project: Project) -> None:
    with pytest.raises(CloudLacks) as raised:
        fit(project.metro, Capabilities(regions=("RegionOne",)))
    assert len(raised.value.message.splitlines()) == 6  # a heading, four services and the external network


def test_an_instance_with_volumes_needs_cinder(tmp_path: Path) -> None:
    root = metropolis(tmp_path)
    resources = {"volumes": [{"name": "data", "size_gib": 1, "path": "/srv/archive"}]}
    add_release(root, "archive", "1.0.0", resources=resources)
    ask(root, "communes/67447-schiltigheim", "archive", version="1.0.0")
    fakes = make_fakes(load_project(root))
    fakes.cloud.able = without("block-storage")
    with pytest.raises(CloudLacks, match="service block-storage: 67447-schiltigheim/archive has volumes"):
        workflow.apply(fakes.world, "schiltigheim/archive", lambda _: True)
    workflow.apply(fakes.world, "schiltigheim/portal", lambda _: True)


def test_dns_may_be_demanded_or_declined(project: Project) -> None:
    with pytest.raises(CloudLacks, match=r"dns\.managed: true"):
        fit(changed(project, dns={"managed": True}).metro, without("dns"))
    declined = changed(project, dns={"managed": False}).metro
    assert fit(declined, WHOLE).skipped == ("DNS zones, names and quotas: stacks/metro.yaml says dns.managed: false",)


def test_an_availability_zone_is_the_servers_or_refused(project: Project) -> None:
    there, elsewhere = changed(project, availability_zone="nova"), changed(project, availability_zone="mars")
    assert inputs(there, WHOLE, Kind.METRO)["availability_zone"] == "nova"
    assert inputs(there, WHOLE, Kind.INSTANCE)["availability_zone"] == "nova"
    with pytest.raises(CloudLacks, match="availability zone mars: there are nova"):
        fit(elsewhere.metro, WHOLE)


def test_a_flavor_that_is_there_is_adopted_by_its_name_and_sizes(project: Project) -> None:
    same = CloudFlavor(id="f-1", name="SCS-1L-1-5", vcpus=1, ram_mib=1024, disk_gib=5)
    met = fit(project.metro, able(flavors=(same,)))
    assert met.adopted == ("flavor SCS-1L-1-5 (f-1)",)
    flavors = {f["name"]: f["adopted"] for f in inputs(project, able(flavors=(same,)), Kind.METRO)["flavors"]}
    assert flavors == {"SCS-1L-1-5": "f-1", "SCS-1V-2-5": None, "SCS-1V-4-10": None, "SCS-2V-8-20": None}
    other = same.model_copy(update={"ram_mib": 2048})
    with pytest.raises(CloudLacks, match=r"there with 1 vCPU, 2048 MiB, 5 GiB, metro\.yaml says 1 vCPU, 1024 MiB, 5"):
        fit(project.metro, able(flavors=(other,)))


def test_what_is_to_be_adopted_has_to_be_there(project: Project) -> None:
    wanted = [*project.metro.flavors, Flavor(name="m1.small", vcpus=1, ram_mib=2048, disk_gib=20, adopt=True)]
    metro = changed(project, flavors=[f.model_dump() for f in wanted], image={"name": "x", "adopt": "Debian 12"}).metro
    with pytest.raises(CloudLacks) as raised:
        fit(metro, WHOLE)
    assert "m1.small with 1 vCPU, 2048 MiB, 20 GiB: metro.yaml adopts it" in raised.value.message
    assert "image Debian 12: no images have" in raised.value.message


def test_an_adopted_image_and_zone_are_looked_up(project: Project) -> None:
    adopting = changed(project, image={"name": "x", "adopt": "Debian 12"})
    made = inputs(adopting, able(images=("i-1",), zones=("z-1",)), Kind.METRO)
    assert made["channel"] == [{"key": "i-1", "date": "", "adopted": True}]
    assert made["zone"] == {"name": "agglo.localhost.", "adopted": "z-1"}


def test_what_the_metro_stack_made_is_not_adopted(fakes: Fakes) -> None:
    workflow.apply(fakes.world, "metro", lambda _: True)
    own = CloudFlavor(id="flavor-1", name="SCS-1L-1-5", vcpus=1, ram_mib=1024, disk_gib=5)
    fakes.cloud.able = able(flavors=(own,), zones=("zone-1",))
    workflow.apply(fakes.world, "metro", lambda _: True, force=True)
    record = fakes.records.kept[METRO]
    assert record.capabilities
    assert record.capabilities.flavors == ()
    assert record.capabilities.zones == ()
    assert workflow.plan(fakes.world, "metro").pending == ()


def test_a_run_that_changes_nothing_asks_the_cloud_nothing(fakes: Fakes) -> None:
    workflow.apply(fakes.world, "schiltigheim", lambda _: True)
    asked = fakes.cloud.asked
    assert not workflow.apply(fakes.world, "schiltigheim", lambda _: True).applied
    workflow.plan(fakes.world, "all")
    assert fakes.cloud.asked == asked
    fakes.records.kept[METRO] = fakes.records.kept[METRO].model_copy(update={"capabilities": None})
    workflow.plan(fakes.world, "metro")
    assert fakes.cloud.asked == asked + 1


def test_what_is_adopted_later_is_looked_for_again(fakes: Fakes) -> None:
    workflow.apply(fakes.world, "metro", lambda _: True)
    fakes.cloud.able = able(images=("i-1",))
    adopting = fakes.with_project(changed(fakes.world.project, image={"name": "x", "adopt": "Debian 12"}))
    workflow.apply(adopting.world, "metro", lambda _: True)
    last = cast(list[object], fakes.engine.works[-1].inputs["channel"])[-1]
    assert last == {"key": "i-1", "date": "", "adopted": True}


def test_capabilities_are_read_again_when_the_metro_stack_changes(fakes: Fakes) -> None:
    workflow.apply(fakes.world, "schiltigheim", lambda _: True)
    fakes.cloud.able = without("load-balancer")
    other = fakes.with_project(changed(fakes.world.project, availability_zone="nova"))
    workflow.apply(other.world, "schiltigheim", lambda _: True)
    assert fakes.records.kept[METRO].capabilities == without("load-balancer")
    commune = [w for w in fakes.engine.works if w.stack.kind is Kind.COMMUNE]
    assert ["load_balancer" in w.inputs["quota"] for w in commune] == [True, False]  # type: ignore[operator]


@pytest.mark.parametrize(("latency", "engines"), [(0.0, 2), (0.24, 2), (0.25, 4), (0.6, 6), (30.0, 8)])
def test_the_pace_follows_cores_and_the_cloud(latency: float, engines: int) -> None:
    assert pace(latency, cores=2) == engines
