"""The register of embedded clouds."""

from __future__ import annotations

from pathlib import Path

import pytest

from agglo_devcloud import slots
from agglo_devcloud.errors import DevCloudError, HostError


@pytest.fixture(autouse=True)
def register(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AGGLO_DEV_SLOTS", str(tmp_path / "machine" / ".slots"))
    monkeypatch.setenv("AGGLO_DEV_HOME", str(tmp_path / "home"))
    return tmp_path / "machine" / ".slots"


def test_the_default_cloud_has_slot_zero_and_others_the_first_free_one() -> None:
    assert slots.allot("test1").slot == 1
    assert slots.allot("dev").slot == 0
    assert slots.allot("test2").slot == 2
    assert [cloud.name for cloud in slots.all_clouds()] == ["dev", "test1", "test2"]


def test_a_cloud_keeps_its_slot() -> None:
    first = slots.allot("test1")
    assert slots.allot("test1") == first == slots.find("test1")


def test_a_released_slot_is_given_again() -> None:
    slots.allot("test1")
    second = slots.allot("test2")
    slots.release(slots.allot("test1"))
    assert slots.find("test1") is None
    assert slots.allot("test3").slot == 1
    assert slots.find("test2") == second


def test_nothing_is_left_after_the_last_cloud(register: Path) -> None:
    slots.release(slots.allot("test1"))
    assert not register.parent.exists()


def test_a_proposal_writes_nothing(register: Path) -> None:
    assert slots.propose("test1").slot == 1
    assert not register.exists()


def test_clouds_of_other_directories_are_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slots.allot("test1")
    monkeypatch.setenv("AGGLO_DEV_HOME", str(tmp_path / "elsewhere"))
    assert slots.allot("test2").slot == 2
    with pytest.raises(HostError, match="already a cloud 'test1'"):
        slots.allot("test1")


def test_a_wrong_name_is_refused_before_anything_is_written(register: Path) -> None:
    with pytest.raises(DevCloudError, match="no name"):
        slots.allot("Mon Cloud")
    assert not register.exists()


def test_a_damaged_register_is_told(register: Path) -> None:
    register.mkdir(parents=True)
    (register / "3").write_text("{")
    with pytest.raises(HostError, match="3 is damaged") as caught:
        slots.all_clouds()
    assert "agglo dev reset" in caught.value.hint


def test_a_region_is_a_cloud_beside_another_and_both_know() -> None:
    first = slots.allot("test1")
    second = slots.allot("test1", "r2")
    assert (second.name, second.region, second.beside, second.slot) == ("test1r2", "r2", "test1", 2)
    assert slots.find("test1r2") == second == slots.allot("test1", "r2") == slots.allot("test1r2")
    other = slots.allot("test2")
    assert slots.regions(first) == slots.regions(second) == [first, second]
    assert slots.regions(other) == [other]
    assert first.region == "RegionOne"


@pytest.mark.parametrize("region", ["R2", "region2", "2", "a-b"])
def test_a_region_with_a_wrong_name_is_refused(region: str, register: Path) -> None:
    slots.allot("test1")
    with pytest.raises(DevCloudError, match="no name for a region"):
        slots.allot("test1", region)
    assert [cloud.name for cloud in slots.all_clouds()] == ["test1"]


def test_a_region_needs_the_cloud_that_it_is_beside_and_a_name_that_is_free() -> None:
    with pytest.raises(DevCloudError, match="no embedded cloud 'test1'"):
        slots.allot("test1", "r2")
    slots.allot("test1")
    slots.allot("test1r2")
    with pytest.raises(HostError, match="already a cloud 'test1r2'"):
        slots.allot("test1", "r2")
