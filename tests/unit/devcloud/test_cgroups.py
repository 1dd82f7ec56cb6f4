"""Which control groups guests get on cgroup v2, v1 and hybrid hosts."""

from __future__ import annotations

from pathlib import Path

import pytest

from agglo_devcloud import cgroups
from agglo_devcloud.cgroups import Hierarchy
from agglo_devcloud.layout import Layout

V2 = "cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid,nodev,noexec,relatime,nsdelegate 0 0\n"
V1 = """\
tmpfs /sys/fs/cgroup tmpfs ro,mode=755 0 0
cgroup /sys/fs/cgroup/systemd cgroup rw,xattr,name=systemd 0 0
cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,cpu,cpuacct 0 0
cgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0
cgroup /sys/fs/cgroup/pids cgroup rw,pids 0 0
cgroup /sys/fs/cgroup/devices cgroup rw,devices 0 0
"""
HYBRID = V1 + "cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n"


def test_v2_alone_is_one_hierarchy_that_limits_memory() -> None:
    assert cgroups.hierarchies(V2) == [Hierarchy(Path("/sys/fs/cgroup"), 2, memory=True)]


def test_v1_takes_the_named_hierarchy_and_the_limits_and_leaves_the_others() -> None:
    assert [h.mount.name for h in cgroups.hierarchies(V1)] == ["systemd", "memory", "pids", "devices"]


def test_hybrid_takes_both_and_limits_devices_by_v2() -> None:
    found = cgroups.hierarchies(HYBRID)
    assert [(h.mount.name, h.version) for h in found] == [("systemd", 1), ("memory", 1), ("pids", 1), ("unified", 2)]


def test_a_mount_point_with_a_space_is_no_obstacle() -> None:
    assert cgroups.hierarchies("/dev/sda /mnt/a\\040b ext4 rw 0 0\n" + V2) == cgroups.hierarchies(V2)


@pytest.mark.parametrize(
    ("hierarchy", "file"),
    [
        (Hierarchy(Path("/c"), 2, memory=True), Path("/g/memory.max")),
        (Hierarchy(Path("/c"), 1, memory=True), Path("/g/memory.limit_in_bytes")),
        (Hierarchy(Path("/c"), 1, memory=False), None),
    ],
)
def test_where_memory_is_limited(hierarchy: Hierarchy, file: Path | None) -> None:
    assert hierarchy.limit_file(Path("/g")) == file


def test_a_guests_groups_on_v2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mount = tmp_path / "cgroup"
    for directory in (mount, mount / "agglo-blue", mount / "agglo-blue" / "guest"):
        directory.mkdir()
        (directory / "cgroup.controllers").write_text("cpu memory pids")
        (directory / "memory.max").touch()
    monkeypatch.setattr(cgroups, "mounted", lambda: [Hierarchy(mount, 2, memory=True)])
    entries = cgroups.make(Layout("blue", 0, tmp_path), "guest", 512)
    assert entries == [mount / "agglo-blue" / "guest" / "cgroup.procs"]
    assert (mount / "agglo-blue" / "guest" / "memory.max").read_text() == str(512 * 1024 * 1024)
    assert (mount / "cgroup.subtree_control").read_text() == "+memory +pids"
    assert (mount / "agglo-blue" / "cgroup.subtree_control").read_text() == "+memory +pids"
