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
    with pytest.raises(HostError, match="cannot be read"):
        slots.all_clouds()
