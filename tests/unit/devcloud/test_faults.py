"""Faults on demand that need no cloud: processes of our own, and what is said of wrong names."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agglo_devcloud import faults, lifecycle, processes, slowness
from agglo_devcloud.errors import DevCloudError
from agglo_devcloud.faults import Fault
from agglo_devcloud.layout import Layout
from agglo_devcloud.processes import Process
from agglo_devcloud.progress import Recorder


@pytest.fixture
def layout(tmp_path: Path) -> Iterator[Layout]:
    """A cloud of which one process runs, ``glance``; the name is of no real one."""
    made = Layout("unittest", 9, tmp_path)
    processes.spawn(made, "glance", ["sleep", "60"])
    yield made
    processes.stop_strays(made)


def service(layout: Layout) -> Process:
    found = processes.find(layout, "glance")
    assert found
    return found


def test_a_stopped_service_is_held_still_and_goes_on_when_healed(layout: Layout) -> None:
    fault = faults.stop(layout, "glance")
    assert processes.stopped(service(layout).pid)
    assert [known.name for known in faults.current(layout)] == ["stop-glance"]
    faults.heal(layout, fault)
    assert not processes.stopped(service(layout).pid)
    assert faults.current(layout) == []


def test_a_killed_service_is_gone_and_the_fault_is_over_once_it_runs_again(layout: Layout) -> None:
    faults.kill(layout, "glance")
    assert processes.find(layout, "glance") is None
    assert [known.name for known in faults.current(layout)] == ["kill-glance"]
    processes.spawn(layout, "glance", ["sleep", "60"])
    assert faults.current(layout) == []


def test_a_slow_service_works_now_and_then_until_healed(layout: Layout) -> None:
    fault = faults.slow(layout, "glance", 0.2)
    assert fault.note == "0.2 s"
    pid, seen = service(layout).pid, set()
    end = time.monotonic() + 10
    while len(seen) < 2 and time.monotonic() < end:
        seen.add(processes.stopped(pid))
    assert seen == {True, False}
    faults.heal(layout, fault)
    assert processes.find(layout, "fault-slow-glance") is None
    assert not processes.stopped(pid)


def test_slowness_ends_with_its_process() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    slowness.hold(Process("gone", child.pid, 1), 60, threading.Event())  # returns


def test_down_heals_first_so_that_nothing_waits_for_a_frozen_process(layout: Layout) -> None:
    faults.stop(layout, "glance")
    start = time.monotonic()
    lifecycle.down(layout, Recorder())
    assert time.monotonic() - start < 4  # what is frozen would be killed after 4 s
    assert faults.current(layout) == []


def test_all_are_healed_when_one_record_is_damaged(layout: Layout) -> None:
    faults.stop(layout, "glance")
    (layout.run / "faults" / "cut-odd.json").write_text("{")
    (layout.run / "faults" / "odd.json").write_text('{"kind": "odd", "target": "x"}')
    assert [fault.name for fault in faults.heal_all(layout)] == ["stop-glance"]


@pytest.mark.parametrize("name", ["nova", "guest-1", "../etc"])
def test_what_does_not_run_is_refused_with_what_does(layout: Layout, name: str) -> None:
    with pytest.raises(DevCloudError, match="no service") as caught:
        faults.stop(layout, name)
    assert caught.value.hint == "one of: glance"
    assert faults.current(layout) == []


def test_cables_are_the_clouds_own(layout: Layout) -> None:
    assert faults.cables(layout) == {
        "public": ("ext",),
        "compute-1": ("und1", "prv1"),
        "compute-1-underlay": ("und1",),
        "compute-1-provider": ("prv1",),
        "compute-2": ("und2", "prv2"),
        "compute-2-underlay": ("und2",),
        "compute-2-provider": ("prv2",),
    }


def test_wrong_names_are_refused_with_the_right_ones(layout: Layout) -> None:
    with pytest.raises(DevCloudError, match="no network 'internet'") as caught:
        faults.cut(layout, "internet")
    assert "compute-2-provider" in caught.value.hint
    with pytest.raises(DevCloudError, match="no data 'all'") as caught:
        faults.fill(layout, "all", 0)
    assert caught.value.hint == "one of: images, objects, volumes"
    with pytest.raises(DevCloudError, match="no fault 'x'"):
        faults.find(layout, "x")


def test_data_too_large_to_move_are_refused_before_anything_is_changed(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    (layout.run / "glance" / "images").mkdir(parents=True)
    monkeypatch.setattr(faults, "_used", lambda directory: 5 * 1024**3)
    with pytest.raises(DevCloudError, match="5120 MiB"):
        faults.fill(layout, "images", 0)
    assert faults.current(layout) == []


def test_a_fault_has_a_name_by_which_it_is_healed(layout: Layout) -> None:
    made = faults.stop(layout, "glance")
    assert faults.find(layout, "stop-glance") == made
    assert Fault("cut", "compute-1-underlay").name == "cut-compute-1-underlay"
