"""The communes of the metropolis as they are in ``stacks/``: complete, and true to their source."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from agglo.adapters.files import load_project
from agglo.project import Project


@pytest.fixture(scope="module")
def metropolis() -> Project:
    return load_project(Path(__file__).parents[2])


def test_all_communes_are_there_with_the_inhabitants_of_the_metropolis(metropolis: Project) -> None:
    communes = metropolis.communes.values()
    assert len(communes) == 33
    # The EPCI's own total in the data set that stacks/communes/SOURCES.md names.
    assert sum(c.population.count for c in communes) == 517_386


def test_folders_are_named_after_code_and_slug(metropolis: Project) -> None:
    folders = {p.name for p in (metropolis.root / "stacks" / "communes").iterdir() if p.is_dir()}
    assert folders == {c.key for c in metropolis.communes.values()}


def test_slugs_are_unique_dns_labels(metropolis: Project) -> None:
    slugs = [c.slug for c in metropolis.communes.values()]
    assert len(set(slugs)) == len(slugs)
    assert all(re.fullmatch(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?", slug) for slug in slugs)


def test_ligatures_and_articles_make_readable_slugs(metropolis: Project) -> None:
    assert metropolis.communes["67204"].slug == "hoenheim"
    assert metropolis.communes["67519"].slug == "la-wantzenau"


def test_postal_codes_are_shared_so_they_are_no_key(metropolis: Project) -> None:
    codes = [code for c in metropolis.communes.values() for code in c.postal_codes]
    assert len(set(codes)) < len(codes)


def test_every_commune_has_a_quota_class(metropolis: Project) -> None:
    classes = {c.slug: metropolis.metro.quota_class(c) for c in metropolis.communes.values()}
    assert classes["osthoffen"] == "S"
    assert classes["bischheim"] == "M"
    assert classes["schiltigheim"] == "L"
    assert classes["strasbourg"] == "XL"


def test_quotas_grow_with_the_class(metropolis: Project) -> None:
    small, *_, large = (metropolis.metro.quota_classes[name] for name in ("S", "M", "L", "XL"))
    assert small.compute.cores < large.compute.cores
    assert small.volume.gigabytes < large.volume.gigabytes


def test_rings_name_known_communes_and_end_with_the_rest(metropolis: Project) -> None:
    rings = YAML(typ="safe").load((metropolis.root / "stacks" / "rings.yaml").read_text())["rings"]
    named = [slug for ring in rings[:-1] for slug in ring["members"]]
    assert len(set(named)) == len(named)
    assert set(named) <= {c.slug for c in metropolis.communes.values()}
    assert rings[-1]["members"] == "rest"


def test_the_flavor_of_every_release_exists(metropolis: Project) -> None:
    flavors = {f.name for f in metropolis.metro.flavors}
    releases = [r for versions in metropolis.catalog.releases.values() for r in versions.values()]
    assert {r.manifest.resources.flavor for r in releases} <= flavors


def test_flavor_names_tell_the_truth(metropolis: Project) -> None:
    for flavor in metropolis.metro.flavors:
        vcpus, ram, disk = re.fullmatch(r"SCS-(\d+)[LVTC]-(\d+)-(\d+)", flavor.name).groups()  # type: ignore[union-attr]
        assert (flavor.vcpus, flavor.ram_mib, flavor.disk_gib) == (int(vcpus), int(ram) * 1024, int(disk))
