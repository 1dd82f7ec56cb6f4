"""Jobs: order, failure, interruption."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from agglo_devcloud.errors import InstallError
from agglo_devcloud.jobs import Job, StoppedError, Task, run_jobs
from agglo_devcloud.progress import Recorder, Silent


def test_a_job_begins_after_those_it_needs() -> None:
    seen: list[str] = []
    jobs = [
        Job("template", lambda task: seen.append(task.name), after=("environment",)),
        Job("environment", lambda task: seen.append(task.name)),
    ]
    run_jobs(jobs, Silent())
    assert seen == ["environment", "template"]


def test_independent_jobs_run_at_the_same_time() -> None:
    together = threading.Barrier(2, timeout=5)
    run_jobs([Job(name, lambda _: together.wait() and None) for name in ("image", "tools")], Silent())


def test_a_failure_ends_the_commands_of_the_others_and_begins_no_more(tmp_path: Path) -> None:
    begun: list[str] = []
    running = threading.Event()
    ended: list[Exception] = []

    def long(task: Task) -> None:
        running.set()
        try:
            task.run(["sh", "-c", "sleep 60 & wait"], log=tmp_path / "log")
        except StoppedError as error:
            ended.append(error)
            raise

    def fail(task: Task) -> None:
        running.wait()
        time.sleep(0.1)
        raise InstallError("no network")

    jobs = [Job("long", long), Job("fail", fail), Job("later", lambda task: begun.append(task.name), after=("fail",))]
    start = time.monotonic()
    with pytest.raises(InstallError, match="no network"):
        run_jobs(jobs, Silent())
    assert time.monotonic() - start < 5
    assert len(ended) == 1
    assert begun == []


def test_an_interruption_ends_the_commands(tmp_path: Path) -> None:
    script = f"""
import signal
from pathlib import Path
from agglo_devcloud.jobs import Job, run_jobs
from agglo_devcloud.progress import Silent
log = Path({str(tmp_path / "log")!r})
signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever runs the tests may have it ignored
run_jobs([Job("long", lambda task: task.run(["sh", "-c", "echo $$; sleep 60 & wait"], log=log))], Silent())
"""
    child = subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.DEVNULL)
    while not (tmp_path / "log").exists() or not (tmp_path / "log").read_text():
        time.sleep(0.02)
    child.send_signal(signal.SIGINT)
    assert child.wait(timeout=30) != 0
    group = int((tmp_path / "log").read_text().split()[0])
    assert _alive_in(group) == []


def _alive_in(group: int) -> list[int]:
    """Processes of a process group that are not zombies."""
    alive = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = path.read_text().rpartition(")")[2].split()
            if fields[0] not in "ZX" and int(fields[2]) == group:
                alive.append(int(path.parent.name))
    return alive


def test_a_failed_command_is_told_with_its_last_line_and_its_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    job = Job("image", lambda task: task.run(["sh", "-c", "echo no space left; exit 3"], log=log))
    with pytest.raises(InstallError, match="'sh' failed: no space left") as caught:
        run_jobs([job], Silent())
    assert str(log) in caught.value.hint


def test_an_absent_program_is_told(tmp_path: Path) -> None:
    with pytest.raises(InstallError, match="no-such-program is not installed"):
        run_jobs([Job("x", lambda task: task.run(["no-such-program"], log=tmp_path / "log"))], Silent())


def test_jobs_that_wait_for_each_other_are_refused() -> None:
    jobs = [Job("a", lambda _: None, after=("b",)), Job("b", lambda _: None, after=("a",))]
    with pytest.raises(ValueError, match="a, b"):
        run_jobs(jobs, Silent())


def test_progress_tells_what_is_done() -> None:
    recorder = Recorder()
    run_jobs([Job("image", lambda task: task.say("packing"))], recorder)
    assert recorder.events == [("image", "packing"), ("image", "done 0 s")]
