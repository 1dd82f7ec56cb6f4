"""Names of flavors and properties of images as the SCS standards have them; examples are those of the standards."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from agglo import scs
from agglo.adapters.files import read_project
from agglo.project import Project
from tests.trees import metropolis

GOOD = """
SCS-2C-4-10n SCS-2T-4-10n SCS-2V-4-10n SCS-2L-4-10n SCS-2Li-4-10n SCS-2C-3.5-10n SCS-2C-4u-10n SCS-2C-4o-10n
SCS-2C-4uo-10n SCS-2C-4-10s SCS-2C-4-10s_bms_z3 SCS-2C-4-3x10s SCS-2C-4-3x10s_bms_z3 SCS-2C-4-10 SCS-2C-4-10_bms_z3
SCS-2C-4-n SCS-2C-4- SCS-2C-4-_bms_z3 SCS-2C-4-_bms_z3h_GNa-64_ib SCS-2C-4-_ib SCS-2C-4 SCS-2C-4_bms_z3
SCS-2C-4-3x10 SCS-2C-4-10_kvm_hwv SCS-2C-4-10_hwv SCS-2C-4-10_bms_hwv SCS-2C-4-10n_z3hh SCS-16V-64-500s_GNa-14h
SCS-8Ti-32-50p_i1 SCS-1L-1u-5 SCS-16T-64-200s_GNa-64_ib SCS-4C-16-2x200p_a1 SCS-1V-0.5 SCS-4V-16-50
"""
BAD = {
    "SCS-2-4-10n": "vCPUs and their kind",
    "SCS-2iT-4-10n": "vCPUs and their kind",
    "SCS-2C-4ou-10n": "GiB of memory",
    "SCS-2C-4-1.5n": "whole GB of disk",
    "SCS-2C-4-10_hwv_xen": "hypervisor, hwv, CPU, GPU, ib, in this order",
    "SCS-2V-4.3": "GiB of memory",
    "SCS-2VV-4": "vCPUs and their kind",
    "SCS-0V-4": "vCPUs and their kind",
    "SCS-2V": "GiB of memory",
    "SCS-2V-4-10q": "whole GB of disk",
    "SCS-2V-4-10_z3_bms": "in this order",
    "SCS-2V-4-10n_ib_ib": "in this order",
    "m1.small": "the prefix",
}


@pytest.mark.parametrize("name", GOOD.split())
def test_the_standards_examples_are_names(name: str) -> None:
    assert scs.parse(name).cpus >= 1


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_name_is_told_where(name: str) -> None:
    with pytest.raises(ValueError, match=BAD[name]):
        scs.parse(name)


def test_a_name_is_read() -> None:
    assert scs.parse("SCS-8Ti-32.5u-2x50p_i1") == scs.FlavorName(8, "T", True, 32.5, 50, "nvme")
    assert scs.parse("SCS-1V-0.5").disk_gb is None


def test_a_flavor_may_be_better_than_its_name_and_never_less() -> None:
    assert scs.flavor_problems("SCS-1V-1-5", 1, 1536, 8) == []
    assert scs.flavor_problems("SCS-2V-4-10", 1, 4095, 9) == [
        "SCS-2V-4-10 has 1 vCPU, its name says 2",
        "SCS-2V-4-10 has 4095 MiB of memory, its name says 4 GiB",
        "SCS-2V-4-10 has 9 GiB of disk, its name says 10",
    ]
    assert scs.flavor_problems("m1.small", 1, 1, 1) == []


def test_the_kind_of_vcpu_is_compared_with_the_extra_spec() -> None:
    rng = {"hw_rng:allowed": "true"}
    assert scs.flavor_problems("SCS-1V-1", 1, 1024, 0, {**rng, "scs:cpu-type": "dedicated-core"}) == []
    assert scs.flavor_problems("SCS-1T-1", 1, 1024, 0, {**rng, "scs:cpu-type": "shared-core"}) == [
        "SCS-1T-1 has scs:cpu-type=shared-core, its name says T"
    ]
    assert scs.flavor_problems("SCS-1T-1", 1, 1024, 0, {}) == ["SCS-1T-1 has no hw_rng:allowed=True (SCS-0101)"]
    assert scs.flavor_problems("SCS-1L-1-5", 1, 1024, 5, scs.extra_specs("SCS-1L-1-5")) == []


def flavor(name: str, extra: dict[str, str] | None = None) -> scs.Flavor:
    """A flavor that is as its name says; ``extra`` replaces its extra specs."""
    said = scs.parse(name)
    specs = scs.extra_specs(name) if extra is None else extra
    return scs.Flavor(name, said.cpus, int(said.ram_gib * 1024), said.disk_gb or 0, specs)


def test_extra_specs_are_those_of_scs_0103() -> None:
    assert scs.extra_specs("SCS-2V-4-20s") == {
        "hw_rng:allowed": "True",
        "scs:name-v1": "SCS-2V:4:20s",
        "scs:name-v2": "SCS-2V-4-20s",
        "scs:cpu-type": "shared-core",
        "scs:disk0-type": "ssd",
    }
    assert "scs:disk0-type" not in scs.extra_specs("SCS-1L-1")
    assert scs.extra_specs("m1.small") == {}


def test_standard_flavors_as_their_names_say_are_good() -> None:
    made = [flavor(name) for name in (*scs.MANDATORY_FLAVORS, *scs.RECOMMENDED_FLAVORS)]
    assert scs.standard_problems(made) == scs.missing_flavors(made) == []
    assert scs.missing_flavors(made[1:]) == [scs.MANDATORY_FLAVORS[0]]


def test_a_standard_flavor_may_have_another_name_and_any_disk_where_it_says_none() -> None:
    other = dataclasses.replace(flavor("SCS-1V-4-10"), name="small")
    other = dataclasses.replace(other, extra={**other.extra, "scs:disk0-type": "nvme"})
    assert scs.missing_flavors([other], ["SCS-1V-4-10"]) == []
    assert scs.standard_problems([other]) == []


def test_a_standard_flavor_is_exactly_what_its_name_says() -> None:
    assert scs.standard_problems([dataclasses.replace(flavor("SCS-1L-1-5"), ram_mib=2048)]) == [
        "SCS-1L-1-5: RAM in MiB is 2048, SCS-0103 wants 1024"
    ]
    assert scs.standard_problems([flavor("SCS-1L-1", {"scs:cpu-type": "crowded-core"})]) == [
        "SCS-1L-1: scs:name-v1 is absent, SCS-0103 wants SCS-1L:1",
        "SCS-1L-1: scs:name-v2 is absent, SCS-0103 wants SCS-1L-1",
    ]


IMAGE = {
    "architecture": "x86_64",
    "min_disk": "2",
    "min_ram": "256",
    "os_distro": "debian",
    "os_version": "12",
    "os_purpose": "generic",
    "hw_disk_bus": "virtio",
    "hw_rng_model": "virtio",
    "replace_frequency": "monthly",
    "provided_until": "2028-06-30",
    "uuid_validity": "last-3",
    "hotfix_hours": "0",
    "image_source": "private",
    "image_description": "Debian 12",
    "image_build_date": "2026-11-25 10:00",
    "image_original_user": "debian",
}


def test_an_image_with_all_of_it_is_good() -> None:
    assert scs.image_problems(IMAGE) == []


def test_what_an_image_lacks_is_told_at_once() -> None:
    assert len(scs.image_problems({})) == len(scs.MANDATORY) + len(scs.RECOMMENDED)
    assert scs.image_problems({k: v for k, v in IMAGE.items() if k != "os_distro"}) == [
        "os_distro is missing (mandatory)"
    ]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("replace_frequency", "often"),
        ("provided_until", "forever"),
        ("uuid_validity", "last"),
        ("hotfix_hours", "soon"),
        ("image_build_date", "2026-02-30"),
        ("image_source", "somewhere"),
        ("os_purpose", "web"),
        ("hw_disk_bus", "floppy"),
    ],
)
def test_values_that_the_standard_does_not_know_are_told(name: str, value: str) -> None:
    (said,) = scs.image_problems({**IMAGE, name: value})
    assert said.startswith(f"{name}: ")


def test_the_metropolis_has_names_and_properties_as_the_standards_say(project: Project) -> None:
    metro = project.metro
    assert all(flavor.name.startswith("SCS-") for flavor in metro.flavors)
    computed = {"min_disk": "2", "min_ram": "256", "image_original_user": "debian", "image_build_date": "2026-11-25"}
    assert scs.image_problems({**metro.image.properties, **computed}) == []


def test_all_that_is_wrong_with_metro_yaml_is_told_at_once(tmp_path: Path) -> None:
    root = metropolis(tmp_path)
    path = root / "stacks" / "metro.yaml"
    text = path.read_text().replace("SCS-1V-2-5, vcpus: 1, ram_mib: 2048", "SCS-1V-2-5, vcpus: 1, ram_mib: 1024")
    text = text.replace("SCS-2V-8-20,", "SCS-2-8-20,").replace("frequency: monthly", "frequency: often")
    path.write_text(text)
    said = [str(problem) for problem in read_project(root).files]
    assert [line.partition(": ")[2].split(":")[0] for line in said] == ["image.properties", "flavors.1", "flavors.3"]
    assert "SCS-1V-2-5 has 1024 MiB of memory, its name says 2 GiB" in said[1]
    assert "'SCS-2-8-20' is no SCS-0100 name: '2-8-20' does not begin with vCPUs and their kind" in said[2]
