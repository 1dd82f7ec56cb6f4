"""Names and command lines of guests."""

from __future__ import annotations

from pathlib import Path

import pytest

from agglo_devcloud import guests
from agglo_devcloud.guests import Guest
from agglo_devcloud.layout import Layout

UUID = "0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d"


def test_names_follow_from_cloud_and_server() -> None:
    guest = Guest(Layout("blue", 0, Path("/base")), UUID)
    assert guest.machine == "agglo-blue-0a1b2c3d"
    assert guest.netns == "agglo-blue-g0a1b2c3d"
    assert guest.root == Path("/base/blue/nova/instances") / UUID / "root"


def test_a_guest_needs_no_system_manager_on_the_host() -> None:
    words = guests._nspawn(Guest(Layout("blue", 0, Path("/base")), UUID), "portal-1")
    assert {"--register=no", "--keep-unit", "--boot", "--hostname=portal-1"} <= set(words)


def test_guests_see_nothing_of_the_callers_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OS_PASSWORD", "secret")
    environment = guests._environment(Guest(Layout("blue", 0, Path("/base")), UUID))
    assert "OS_PASSWORD" not in environment
    assert environment["SYSTEMD_NSPAWN_UNIFIED_HIERARCHY"] == "1"


def test_guests_are_found_by_their_files(tmp_path: Path) -> None:
    layout = Layout("blue", 0, tmp_path)
    assert guests.all_guests(layout) == []
    directory = layout.run / "nova" / "instances"
    (directory / UUID).mkdir(parents=True)
    (directory / "compute_nodes").touch()
    (directory / UUID / "host").write_text("compute-2")
    (found,) = guests.all_guests(layout)
    assert (found.uuid, found.host, found.process()) == (UUID, "compute-2", None)
