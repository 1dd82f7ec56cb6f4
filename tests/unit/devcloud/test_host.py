"""What is said of a machine that cannot run a cloud."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import pytest

from agglo_devcloud import host, processes
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


def test_ports_of_the_clouds_own_lost_processes_are_no_problem(layout: Layout) -> None:
    listen = "import socket, sys, time; s = socket.create_server((sys.argv[1], int(sys.argv[2]))); time.sleep(60)"
    port = layout.port("keystone")
    lost = processes.spawn(layout, "keystone", [sys.executable, "-c", listen, LOOPBACK, str(port)])
    processes.wait_for(lambda: not host._is_free(port), "the listener", timeout=10, process=lost)
    (layout.pids / "keystone").unlink()
    assert host.port_problems(layout) != []
    assert host._runs(layout)
    processes.stop_strays(layout)
    assert not host._runs(layout)


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


def test_a_kernel_without_loop_devices_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(host, "_LOOP", tmp_path / "loop-control")
    monkeypatch.setattr(host, "_load", lambda module: module != "loop")
    assert host.kernel_problems() == [f"no {tmp_path}/loop-control: volumes need loop devices"]
