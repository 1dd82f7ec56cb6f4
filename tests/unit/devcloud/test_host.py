"""What is said of a machine that cannot run a cloud."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from agglo_devcloud import host
from agglo_devcloud.errors import HostError
from agglo_devcloud.layout import LOOPBACK, Layout

LITTLE = "MemTotal:  4000000 kB\nMemAvailable:  2097152 kB\n"
ENOUGH = "MemTotal: 16000000 kB\nMemAvailable: 12000000 kB\n"


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout("test1", 97, tmp_path)


def test_every_problem_is_told_at_once(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "missing_packages", lambda: ["ovn-host", "bind9"])
    monkeypatch.setattr(host.os, "geteuid", lambda: 1000)
    monkeypatch.setattr(host, "MEMORY", 1 << 60)
    monkeypatch.setattr(host, "DISK", 1 << 60)
    with socket.create_server((LOOPBACK, layout.port("keystone"))), pytest.raises(HostError) as caught:
        host.check(layout)
    message = caught.value.message
    assert "root is needed" in message
    assert "missing Debian packages: ovn-host bind9" in message
    assert "free memory" in message
    assert "free disk" in message
    assert f"port {layout.port('keystone')} (keystone) is taken" in message


def test_memory() -> None:
    assert host.memory_problems(ENOUGH) == []
    assert host.memory_problems(LITTLE) == ["free memory: 2.0 GiB; the cloud needs 6.0 GiB"]


def test_disk(tmp_path: Path) -> None:
    assert host.disk_problems(tmp_path, 5 * host.GIB) == []
    assert host.disk_problems(tmp_path, host.GIB) == [f"free disk for {tmp_path}: 1.0 GiB; the cloud needs 5.0 GiB"]


def test_root() -> None:
    assert host.root_problems(0) == []
    assert "sudo" in host.root_problems(1000)[0]


def test_packages_are_read_from_the_file_that_setup_installs() -> None:
    text = "# why\n\nbind9  # the DNS server\novn-host\n"
    assert host.wanted_packages(text) == ["bind9", "ovn-host"]
    assert "systemd-container" in host.wanted_packages(host.PACKAGES.read_text())


def test_free_ports_are_no_problem(layout: Layout) -> None:
    assert host.port_problems(layout) == []
