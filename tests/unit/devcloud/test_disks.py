"""Disks of guests: names, what their systemd-tmpfiles is told, and links that lead out of a guest."""

from __future__ import annotations

from pathlib import Path

import pytest

from agglo_devcloud import disks, loops
from agglo_devcloud.disks import Disk
from agglo_devcloud.guests import Guest
from agglo_devcloud.layout import Layout

UUID = "0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d"
DATA = Disk("vdb", "11111111-2222-4333-8444-555555555555", Path("/volumes/one"))
LOGS = Disk("vdc", "66666666-7777-4888-8999-aaaaaaaaaaaa", Path("/volumes/two"))


@pytest.fixture
def guest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Guest:
    """A guest that does not run, on a machine whose loop devices are files."""
    made = Guest(Layout("blue", 0, tmp_path), UUID)
    made.root.mkdir(parents=True)
    known: dict[Path, Path] = {}
    monkeypatch.setattr(loops, "attach", lambda file: known.setdefault(file, Path(f"/dev/loop{len(known)}")))
    monkeypatch.setattr(loops, "detach", lambda file: known.pop(file, None))
    monkeypatch.setattr(loops, "number", lambda device: (7, int(device.name.removeprefix("loop"))))
    return made


def test_a_disk_has_the_link_that_kvm_gives_it() -> None:
    assert DATA.link == "virtio-11111111-2222-4333-8"
    assert disks.tmpfiles_lines(DATA, (7, 3)) == (
        "b+ /dev/vdb 0660 root disk - 7:3\nL+ /dev/disk/by-id/virtio-11111111-2222-4333-8 - - - - ../../vdb\n"
    )


def test_a_guest_boots_with_exactly_the_disks_that_nova_names(guest: Guest) -> None:
    assert disks.prepare(guest, [DATA, LOGS]) == [(7, 0), (7, 1)]
    assert disks.prepare(guest, [LOGS]) == [(7, 1)]
    assert disks.known(guest) == [LOGS]
    assert (guest.root / disks.TMPFILES).read_text() == disks.tmpfiles_lines(LOGS, (7, 1))


def test_a_guest_that_is_off_gets_and_loses_disks_on_paper(guest: Guest) -> None:
    disks.attach(guest, DATA)
    disks.attach(guest, LOGS)
    disks.detach(guest, DATA.volume)
    assert disks.known(guest) == [LOGS]
    assert not (guest.root / disks.TMPFILES).exists()


def test_a_guests_links_do_not_lead_the_machine_to_files_of_its_own(guest: Guest, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (guest.root / "etc").symlink_to(outside)
    with pytest.raises(OSError, match="etc"):
        disks.prepare(guest, [DATA])
    assert list(outside.iterdir()) == []
