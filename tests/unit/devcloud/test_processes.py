"""Processes of a cloud: found again by PID and start time, never mistaken, ended together."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from agglo_devcloud import processes
from agglo_devcloud.errors import StartError
from agglo_devcloud.layout import Layout


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """A cloud with nothing in it."""
    return Layout("blue", 0, tmp_path)


def test_a_process_is_found_again_and_ended(layout: Layout) -> None:
    started = processes.spawn(layout, "sleeper", ["sleep", "60"])
    assert processes.find(layout, "sleeper") == started
    processes.stop(layout, ["sleeper"])
    assert not started.alive()
    assert processes.names(layout) == []


def test_a_reused_pid_is_not_ours(layout: Layout) -> None:
    layout.pids.mkdir(parents=True)
    (layout.pids / "stranger").write_text(f"{os.getpid()} 1\n")
    assert processes.find(layout, "stranger") is None


@pytest.mark.parametrize("text", ["", "garbage", "12", "1 2 3"])
def test_a_damaged_file_is_no_process(layout: Layout, text: str) -> None:
    layout.pids.mkdir(parents=True)
    (layout.pids / "odd").write_text(text)
    assert processes.find(layout, "odd") is None


def test_what_ignores_sigterm_is_killed(layout: Layout) -> None:
    started = processes.spawn(layout, "stubborn", ["sh", "-c", "trap '' TERM; while :; do sleep 0.1; done"])
    time.sleep(0.1)
    processes.stop(layout, ["stubborn"], timeout=0.2)
    assert not started.alive()


def test_waiting_ends_when_the_process_does(layout: Layout) -> None:
    started = processes.spawn(layout, "short", ["sleep", "0.2"])
    with pytest.raises(StartError) as raised:
        processes.wait_for(lambda: False, "nothing", timeout=30, process=started, log=Path("/x/short.out"))
    assert "short ended" in raised.value.message
    assert "/x/short.out" in raised.value.hint


def test_strays_are_found_by_their_mark_and_only_this_clouds(layout: Layout) -> None:
    ours = processes.spawn(layout, "lost", ["sleep", "60"])
    (layout.pids / "lost").unlink()
    other = subprocess.Popen(["sleep", "60"], env={processes.MARK: f"{layout.run}2"})
    try:
        assert [stray.pid for stray in processes.strays(layout)] == [ours.pid]
        processes.stop_strays(layout)
        assert not ours.alive()
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()
