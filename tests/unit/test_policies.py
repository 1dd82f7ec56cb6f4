"""Policies: this metropolis breaks none, each speaks when it should, and an exemption holds as long as it says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from agglo import workflow
from agglo.adapters.files import load_project
from agglo.declared import Declared, Opening, SecurityGroup, Server
from agglo.errors import InvalidInput, RefusedByPolicy
from agglo.exemptions import Exemption, Standing
from agglo.manifest import Resources, Volume
from agglo.policies import POLICIES, Finding, Severity, Stack, Verdict, covers, judge, judge_stacks
from agglo.policies.quotas_fit_the_cloud import promised
from agglo.project import Project
from agglo.selector import select
from agglo.stack import declared
from agglo.testing import WHOLE, make_fakes
from tests.trees import ROOT, add_release, ask, metropolis, write

TODAY = date(2026, 1, 1)
ZONE, PORTAL = "67447-schiltigheim", "67447-schiltigheim/portal"
DATA = "data-stays-in-region"
PORTS = "no-port-open-to-the-world"
PROJECT = load_project(ROOT)


def stacks_of(project: Project) -> list[Stack]:
    return [Stack(target, declared(project, target)) for target in select(project, "all")]


def with_metro(project: Project, **changes: Any) -> Project:
    return replace(project, metro=project.metro.model_copy(update=changes))


def with_declared(project: Project, title: str, made: Declared) -> list[Stack]:
    return [replace(s, declared=made) if s.target.title == title else s for s in stacks_of(project)]


def said(found: Sequence[Finding]) -> list[tuple[str, str, str]]:
    return [(f.policy, f.where, f.words.en) for f in found]


def test_this_metropolis_breaks_no_policy(project: Project) -> None:
    assert judge(project, TODAY) == Verdict((), ())


def test_stacks_that_do_not_exist_yet_are_judged(project: Project) -> None:
    titles = {stack.target.title for stack in stacks_of(project)}
    assert {"metro", PORTAL, *(commune.key for commune in project.communes.values())} == titles


def test_all_but_the_advice_refuse() -> None:
    assert [p.id for p in POLICIES if p.severity is Severity.ADVISES] == ["override-has-a-reason"]


# what is open


@pytest.mark.parametrize(
    ("cidrs", "words"),
    [
        (["0.0.0.0/0"], "bastion, port 22 from 0.0.0.0/0: wider than /16 is nobody's network"),
        (["203.0.113.0/24", "192.0.0.0/15"], "bastion, port 22 from 192.0.0.0/15: wider than /16"),
        (["100.64.0.0/16"], "bastion, port 22 from 100.64.0.0/16: communes are in there"),
        (["100.64.1.7/32"], "bastion, port 22 from 100.64.1.7/32: communes are in there"),
        (["203.0.0.0/16", "100.64.0.30/32"], ""),
    ],
)
def test_ssh_to_the_bastion_is_from_named_networks_that_are_somebodys(
    tmp_path: Path, cidrs: list[str], words: str
) -> None:
    root = metropolis(tmp_path)
    path = root / "stacks/metro.yaml"
    networks = "".join(f"    - {{name: some of them, cidr: {cidr}}}\n" for cidr in cidrs)
    known = "    - {name: the machine of the embedded cloud, cidr: 198.51.100.1/32}\n"
    assert known in path.read_text()
    path.write_text(path.read_text().replace(known, networks))
    found = judge(load_project(root), TODAY).findings
    assert [(f.policy, f.where) for f in found] == ([(PORTS, "metro")] if words else [])
    assert all(f.words.en.startswith(words) for f in found)


@pytest.mark.parametrize(
    ("group", "port", "prefix", "good"),
    [
        ("edge", 443, "0.0.0.0/0", True),
        ("edge", 80, "0.0.0.0/0", True),
        ("edge", 8404, "0.0.0.0/0", False),
        ("edge", 22, "198.51.100.0/24", False),
        ("edge", 22, "100.64.0.10/32", True),
        ("bastion", 22, "0.0.0.0/0", False),
        ("bastion", 443, "198.51.100.0/24", False),
        ("bastion", 22, "198.51.100.0/31", False),
        ("bastion", 22, "198.51.100.1/32", True),
        ("bastion", 9100, "100.64.0.0/24", False),
        ("ops", 514, "100.64.0.0/16", True),
        ("ops", 514, "100.64.0.0/15", False),
        ("edge", 22, "100.64.0.0/16", False),
    ],
)
def test_the_metropolis_opens_web_and_ssh_and_serves_its_communes(
    group: str, port: int, prefix: str, good: bool
) -> None:
    opened = SecurityGroup("", (Opening(port, IPv4Network(prefix)),))
    stacks = with_declared(PROJECT, "metro", Declared("RegionOne", {group: opened}))
    found = judge_stacks(PROJECT, stacks, TODAY).findings
    assert [(f.policy, f.where) for f in found] == ([] if good else [(PORTS, "metro")])


@given(st.integers(0, 2**32 - 1), st.integers(0, 32), st.sampled_from([22, 80, 443, 5432]))
def test_a_commune_opens_to_the_metropolis_s_servers_and_to_itself_only(address: int, bits: int, port: int) -> None:
    prefix = IPv4Network((address, bits), strict=False)
    name = "schiltigheim-portal"
    group = SecurityGroup("", (Opening(port, prefix),))
    server = Server("debian-12", "SCS-1L-1-5", (name,))
    stacks = with_declared(PROJECT, PORTAL, Declared("RegionOne", {name: group}, {name: server}))
    one_of_ours = bits == 32 and prefix.subnet_of(IPv4Network("100.64.0.0/24"))
    good = one_of_ours or prefix.subnet_of(IPv4Network("10.0.0.0/24"))
    assert [f.policy for f in judge_stacks(PROJECT, stacks, TODAY).findings] == ([] if good else [PORTS])


# servers


@pytest.mark.parametrize(
    ("server", "policy", "words"),
    [
        (Server("debian-12", "f", ()), "server-has-a-security-group", "schiltigheim-portal is in no security group"),
        (
            Server("debian-12", "f", ("bischheim-guest",)),
            "server-has-a-security-group",
            "schiltigheim-portal is in the security group bischheim-guest, "
            "which neither its stack nor landing zone makes",
        ),
        (
            Server("cirros", "f", ("schiltigheim-guest",)),
            "image-from-the-channel",
            "schiltigheim-portal boots cirros; the metropolis publishes debian-12",
        ),
    ],
)
def test_a_server_is_guarded_and_from_the_channel(project: Project, server: Server, policy: str, words: str) -> None:
    stacks = with_declared(project, PORTAL, Declared("RegionOne", servers={"schiltigheim-portal": server}))
    assert said(judge_stacks(project, stacks, TODAY).findings) == [(policy, PORTAL, words)]


# where


def test_every_stack_is_in_a_region_that_was_chosen(project: Project) -> None:
    found = judge(with_metro(project, region="us-east"), TODAY).findings
    assert {f.policy for f in found} == {DATA}
    assert {f.where for f in found} == {stack.target.title for stack in stacks_of(project)}
    assert found[0].words.en == "is in region us-east; data may be in RegionOne (sovereignty.regions)"


def sending(root: Path) -> Project:
    """The metropolis, with a service that sends data away, asked for by Schiltigheim."""
    text = {"fr": "Gestion des rendez-vous", "en": "Appointments"}
    away = {"fr": "Courriels par un prestataire aux États-Unis.", "en": "Mail by a provider in the United States."}
    register = {
        "name": text, "purpose": text, "legal_basis": "public_task", "people": [text], "categories": [text],
        "recipients": [text], "retention": text, "transfers": away,
    }  # fmt: skip
    add_release(root, "rdv", "1.0.0", personal_data={"processing": [register], "why": None})
    ask(root, "communes/67447-schiltigheim", "rdv", version="1.0.0")
    return load_project(root)


def test_a_service_that_sends_data_out_of_the_union_is_refused(tmp_path: Path) -> None:
    found = judge(sending(metropolis(tmp_path)), TODAY).findings
    assert said(found) == [
        (
            DATA,
            f"{ZONE}/rdv",
            "rdv 1.0.0 sends data outside of the European Union (Appointments): "
            "Mail by a provider in the United States.",
        )
    ]
    assert "hors de l’Union européenne (Gestion des rendez-vous) : Courriels" in found[0].words.fr


# names


def test_a_name_is_there_once(tmp_path: Path) -> None:
    """A commune may be called as another's server, and a service as the group of a landing zone."""
    root = metropolis(tmp_path)
    old = root / "stacks/communes/67043-bischheim"
    new = old.rename(old.with_name("67043-schiltigheim-portal"))
    commune = new / "commune.yaml"
    commune.write_text(commune.read_text().replace("slug: bischheim", "slug: schiltigheim-portal"))
    add_release(root, "guest", "1.0.0")
    ask(root, "communes/67447-schiltigheim", "guest", version="1.0.0")
    assert said(judge(load_project(root), TODAY).findings) == [
        ("names-and-tags", f"{ZONE}/guest", f"schiltigheim-guest is {ZONE}'s name already"),
        ("names-and-tags", PORTAL, "schiltigheim-portal is 67043-schiltigheim-portal's name already"),
    ]


def test_names_are_by_the_rule_and_fit_a_host_name(project: Project) -> None:
    long = "x" * 60
    commune = project.communes["67447"].model_copy(update={"slug": long})
    request = replace(project.requests[PORTAL], tenant=commune)
    changed = replace(project, communes={"67447": commune}, requests={f"67447-{long}/portal": request})
    found = judge(changed, TODAY).findings
    assert {(f.policy, f.where) for f in found} == {
        ("names-and-tags", f"67447-{long}"),
        ("names-and-tags", f"67447-{long}/portal"),
    }
    assert "is no host name: at most 63" in found[0].words.en
    stacks = with_declared(project, ZONE, Declared("RegionOne", {"guests": SecurityGroup("", ())}))
    assert [
        words for policy, _, words in said(judge_stacks(project, stacks, TODAY).findings) if policy.startswith("n")
    ] == [
        "guests should be named schiltigheim-guest",
        "its project has no tag insee, siren, population",
    ]


# quotas


def test_the_sums_of_quotas_are_those_of_the_classes(project: Project) -> None:
    """13 communes of S, 16 of M, 3 and the metropolis of L, 1 of XL; four servers of the metro, ops with 2 GiB."""
    stacks = stacks_of(project)
    assert promised(project, stacks, "cores") == {
        "13 × S": 78, "16 × M": 256, "4 × L": 160, "1 × XL": 120, "metro": 4,
    }  # fmt: skip
    sums = {
        kind: sum(promised(project, stacks, kind).values())  # type: ignore[arg-type]
        for kind in ("cores", "ram_mib", "gigabytes", "backup_gigabytes", "floating_ips")
    }
    assert sums == {
        "cores": 618, "ram_mib": 1_475_584, "gigabytes": 54_600, "backup_gigabytes": 109_200, "floating_ips": 476,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("cores", "times", "good"), [(618, 1, True), (617, 1, False), (155, 4, True), (410, 1.5, False)]
)
def test_quotas_fit_what_the_cloud_holds_times_its_overcommit(
    project: Project, cores: int, times: float, good: bool
) -> None:
    overcommit = {**project.metro.capacity.overcommit, "cores": times}
    capacity = project.metro.capacity.model_copy(update={"cores": cores, "overcommit": overcommit})
    found = judge(with_metro(project, capacity=capacity), TODAY).findings
    assert [(f.policy, f.where) for f in found] == ([] if good else [("quotas-fit-the-cloud", "metro")])
    if cores == 410:
        assert found[0].words.en == (
            "cores: quotas promise 618, the cloud holds 615 (410 × 1.5); "
            "16 × M: 256, 4 × L: 160, 1 × XL: 120, 13 × S: 78, metro: 4"
        )


# exemptions


def exempt(
    where: str = "metro", policy: str = PORTS, until: date = TODAY, why: str = "Because of a move."
) -> Exemption:
    return Exemption(policy=policy, where=where, why=why, until=until)


@pytest.fixture
def wide(project: Project) -> Project:
    """The metropolis with its bastion open to the world."""
    anywhere = project.metro.public.ssh_from[0].model_copy(update={"cidr": IPv4Network("0.0.0.0/0")})
    return with_metro(project, public=project.metro.public.model_copy(update={"ssh_from": (anywhere,)}))


@pytest.mark.parametrize(
    ("exemption", "standing", "refused"),
    [
        (exempt(until=TODAY), Standing.IN_FORCE, False),
        (exempt(until=TODAY - timedelta(days=1)), Standing.ENDED, True),
        (exempt(until=TODAY + timedelta(days=366)), Standing.IN_FORCE, False),
        (exempt(until=TODAY + timedelta(days=367)), Standing.TOO_LONG, True),
        (exempt(where="schiltigheim"), Standing.IDLE, True),
        (exempt(policy="names-and-tags"), Standing.IDLE, True),
    ],
)
def test_an_exemption_holds_where_and_as_long_as_it_says(
    wide: Project, exemption: Exemption, standing: Standing, refused: bool
) -> None:
    verdict = judge(replace(wide, exemptions={"stacks/exemptions.yaml:2": exemption}), TODAY)
    (finding,), (given,) = verdict.findings, verdict.exemptions
    assert (finding.refused, given.standing) == (refused, standing)
    assert finding.result == ("refused" if refused else "exempted")


def test_one_that_is_in_force_goes_before_one_that_ended(wide: Project) -> None:
    old, new = exempt(until=date(2025, 1, 1)), exempt(until=date(2026, 3, 1))
    (finding,) = judge(replace(wide, exemptions={"a:1": old, "a:9": new}), TODAY).findings
    assert finding.exempted
    assert finding.given
    assert finding.given.origin == "a:9"


@pytest.mark.parametrize(
    ("where", "titles"),
    [
        ("metro", {"metro"}),
        ("schiltigheim", {ZONE, PORTAL}),
        ("67447", {ZONE, PORTAL}),
        ("schiltigheim/portal", {PORTAL}),
        ("*/portal", {PORTAL}),
        ("schiltigheim/rdv", set()),
        ("*/rdv", set()),
        ("bischheim", {"67043-bischheim"}),
    ],
)
def test_an_exemption_covers_what_it_names(project: Project, where: str, titles: set[str]) -> None:
    assert {s.target.title for s in stacks_of(project) if covers(where, s.target)} == titles


EXEMPTIONS = """\
exemptions:
  - {policy: no-port-open-to-the-wold, where: metro, why: A long reason., until: 2026-03-01}
  - policy: names-and-tags
    where: schiltigeim
    why: short
    until: soon
  - policy: names-and-tags
    where: all
    why: A long reason.
    until: 2026-03-01
  - {policy: names-and-tags, where: "*/portail", why: A long reason., until: 2026-03-01}
  - {policy: names-and-tags, where: bischheim/, why: A long reason., until: 2026-03-01}
"""


def problems(root: Path) -> list[str]:
    with pytest.raises(InvalidInput) as raised:
        load_project(root)
    return [str(problem).removeprefix(f"{root}/stacks/exemptions.yaml") for problem in raised.value.problems]


def test_what_is_wrong_with_exemptions_is_told_with_its_line(tmp_path: Path) -> None:
    root = metropolis(tmp_path)
    write(root, {"stacks/exemptions.yaml": EXEMPTIONS})
    found = problems(root)
    assert [one.partition(": ")[0] for one in found] == [":5", ":6"]
    assert [one.partition(": ")[2].partition(":")[0] for one in found] == ["exemptions.1.why", "exemptions.1.until"]
    sound = EXEMPTIONS.replace("why: short", "why: A long reason.").replace("until: soon", "until: 2026-03-01")
    write(root, {"stacks/exemptions.yaml": sound})
    assert problems(root) == [
        ":2: exemptions.0.policy: there is no policy 'no-port-open-to-the-wold' "
        "(did you mean 'no-port-open-to-the-world'?) (see: agglo policy list)",
        ":4: exemptions.1.where: 'schiltigeim' is none of metro, a commune, <commune>/<service>, */<service> "
        "(did you mean 'schiltigheim'?)",
        ":8: exemptions.2.where: 'all' is none of metro, a commune, <commune>/<service>, */<service>",
        ":11: exemptions.3.where: there is no service 'portail' in the catalogue (did you mean 'portal'?)",
        ":12: exemptions.4.where: there is no service '' in the catalogue",
    ]


def test_a_metropolis_needs_no_file_of_exemptions(tmp_path: Path) -> None:
    root = metropolis(tmp_path)
    (root / "stacks/exemptions.yaml").unlink()
    assert load_project(root).exemptions == {}


# the story


def test_what_is_refused_changes_nothing_and_all_of_it_is_said(wide: Project) -> None:
    fakes = make_fakes(with_metro(wide, sovereignty=wide.metro.sovereignty.model_copy(update={"regions": ("eu",)})))
    with pytest.raises(RefusedByPolicy) as raised:
        workflow.apply(fakes.world, "schiltigheim", lambda _: True)
    lines = raised.value.message.splitlines()
    assert [line.rpartition("[")[2] for line in lines] == [f"{PORTS}]", *[f"{DATA}]"] * 3]
    assert raised.value.exit_code == 4
    assert fakes.engine.runs == []
    assert (fakes.records.kept, fakes.vault.secrets, fakes.vault.zones) == ({}, {}, set())
    assert len(workflow.plan(fakes.world, "schiltigheim").refused) == 4


def test_what_is_exempted_is_applied(wide: Project) -> None:
    fakes = make_fakes(replace(wide, exemptions={"stacks/exemptions.yaml:2": exempt(until=date(2026, 6, 30))}))
    assert workflow.apply(fakes.world, "schiltigheim", lambda _: True).applied
    late = replace(fakes.world, now=lambda: datetime(2026, 7, 1, tzinfo=UTC))
    with pytest.raises(RefusedByPolicy, match=r"stacks/exemptions.yaml:2: ended 2026-06-30 and does not count"):
        workflow.apply(late, "schiltigheim", lambda _: True)


def test_what_is_refused_elsewhere_stops_nobody_else(tmp_path: Path) -> None:
    fakes = make_fakes(sending(metropolis(tmp_path)))
    assert workflow.apply(fakes.world, "schiltigheim/portal", lambda _: True).applied
    with pytest.raises(RefusedByPolicy):
        workflow.apply(fakes.world, "schiltigheim", lambda _: True)


def test_what_is_refused_may_be_destroyed(project: Project, wide: Project) -> None:
    fakes = make_fakes(project)
    workflow.apply(fakes.world, "schiltigheim", lambda _: True)
    assert workflow.destroy(fakes.with_project(wide).world, "all", lambda _: True).applied


def test_versions_and_policies_are_refused_together(project: Project, wide: Project) -> None:
    fakes = make_fakes(project)
    workflow.apply(fakes.world, "schiltigheim", lambda _: True)
    (stack,) = [s for s in fakes.records.kept if s.name == "67447-portal"]
    fakes.records.kept[stack] = fakes.records.kept[stack].model_copy(update={"configured": "1.1.0"})
    with pytest.raises(RefusedByPolicy) as raised:
        workflow.apply(fakes.with_project(wide).world, "schiltigheim", lambda _: True)
    assert len(raised.value.message.splitlines()) == 2
    assert raised.value.message.endswith(f"[{PORTS}]")


# data at rest


def with_volume(root: Path, kind: str | None = None) -> Project:
    """A metropolis one of whose communes asks for a service with a volume."""
    add_release(root, "archives", "1.0.0", resources={"volumes": [DISK]})
    ask(root, "communes/67447-schiltigheim", "archives", version="1.0.0")
    project = load_project(root)
    return with_metro(project, volume_type=kind) if kind else project


DISK = {"name": "fonds", "size_gib": 2, "path": "/srv/archives"}


@pytest.mark.parametrize(
    ("types", "kind", "words"),
    [
        ({}, None, []),
        ({"standard": False}, "standard", []),
        ({"standard": False, "luks": True}, "luks", []),
        (
            {"standard": False, "luks": True},
            "standard",
            ["volume fonds is of type standard, not encrypted; this cloud has luks"],
        ),
        ({"luks": True}, None, ["volume fonds is of the cloud's default type, not encrypted; this cloud has luks"]),
    ],
)
def test_volumes_are_encrypted_where_the_cloud_offers_it(
    tmp_path: Path, types: dict[str, bool], kind: str | None, words: list[str]
) -> None:
    cloud = WHOLE.model_copy(update={"volume_types": types})
    found = judge(with_volume(metropolis(tmp_path), kind), TODAY, cloud).findings
    assert [f.words.en for f in found if f.policy == "volumes-are-encrypted"] == words


def test_an_instance_with_volumes_mounts_them_and_is_not_destroyed_unasked(tmp_path: Path) -> None:
    fakes = make_fakes(with_volume(metropolis(tmp_path)))
    workflow.apply(fakes.world, "schiltigheim/archives", lambda _: True)
    (work,) = [w for w in fakes.engine.works if w.stack.name == "67447-archives"]
    assert work.inputs["volumes"] == {"fonds": {"size_gib": 2, "type": None}}
    assert fakes.configurator.variables["schiltigheim-archives"]["base_volumes"] == [
        {"device": "/dev/disk/by-id/virtio-fonds-00000000000000", "path": "/srv/archives"}
    ]
    with pytest.raises(RefusedByPolicy, match="keeps its data in fonds"):
        workflow.destroy(fakes.world, "schiltigheim", lambda _: True)
    assert not [run for run in fakes.engine.runs if run[0] == "destroy"]
    workflow.destroy(fakes.world, "schiltigheim", lambda _: True, with_data=True)
    assert [str(stack) for run, stack in fakes.engine.runs if run == "destroy"]


def test_two_volumes_of_a_release_are_apart(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="same path"):
        Resources(flavor="f", ports=(80,), volumes=(Volume(**DISK), Volume(**{**DISK, "name": "autre"})))
