"""Bad ends of a cloud of its own on a small disk of its own: ``up`` repairs or says what to do, ``reset`` works."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from agglo_devcloud import network, processes, slots
from agglo_devcloud.commands import run
from agglo_devcloud.layout import Layout
from tests.integration.conftest import leftovers

pytestmark = pytest.mark.integration
MIB, GIB = 1024**2, 1024**3
AGGLO = Path(sys.executable).parent / "agglo"


@dataclass(frozen=True)
class Small:
    """A cloud whose files are on a disk of 8 GiB, which takes only what is written to it."""

    name: str
    home: Path

    @property
    def layout(self) -> Layout:
        return slots.find(self.name) or Layout(self.name, 0, self.home)

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "AGGLO_DEV_HOME": str(self.home)}

    def agglo(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [AGGLO, "dev", *words, "--name", self.name]
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=400, check=False)

    def done(self, *words: str) -> str:
        result = self.agglo(*words)
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout

    def is_up(self) -> bool:
        return bool(json.loads(self.agglo("status", "--json").stdout)["up"])

    @contextmanager
    def full(self) -> Iterator[None]:
        """Nothing is left while the block runs; nothing of it is taken from the machine's own disk."""
        ballast, rest = self.home / ".ballast", self.home / ".rest"
        run(["fallocate", "-l", str(shutil.disk_usage(self.home).free - MIB), ballast])
        try:
            with rest.open("wb", buffering=0) as file, suppress(OSError):
                while file.write(bytes(1024)):
                    pass
            yield
        finally:
            ballast.unlink()
            rest.unlink()

    def kill(self, *names: str) -> None:
        for name in names:
            found = processes.find(self.layout, name)
            assert found, f"{name} does not run"
            os.kill(found.pid, signal.SIGKILL)
            processes.wait_for(lambda found=found: not found.alive(), name, timeout=10)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Small]:
    """The cloud, not started; its disk goes with it."""
    folder = tmp_path_factory.mktemp("small")
    disk, home = folder / "disk", folder / "h"
    home.mkdir()
    with disk.open("wb") as file:
        file.truncate(8 * GIB)
    run(["mkfs.ext4", "-q", "-F", "-m", "0", "-O", "^has_journal", disk])
    run(["mount", "-o", "loop", disk, home])
    made = Small(f"b{os.getpid() % 100_000}", home)
    try:
        yield made
    finally:
        made.agglo("reset")
        run(["umount", "--lazy", home])
        disk.unlink()


def test_an_up_that_was_killed_is_completed_by_the_next(small: Small) -> None:
    command = [AGGLO, "dev", "up", "--name", small.name]
    killed = subprocess.Popen(command, env=small.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    end = time.monotonic() + 120
    while not processes.find(small.layout, "keystone"):
        assert time.monotonic() < end
        assert killed.poll() is None
        time.sleep(0.05)
    killed.kill()
    killed.wait()
    small.done("up")
    assert small.is_up()


def test_up_starts_what_was_killed(small: Small) -> None:
    small.kill("mariadb", "zygote", "nova", "ovn-databases", "ovs-c1-switch", "relay", "vault", "named")
    small.done("up")
    assert small.is_up()


def test_a_full_disk_is_named_and_up_goes_on_when_there_is_room(small: Small) -> None:
    small.kill("mariadb", "glance")
    with small.full():
        failed = small.agglo("up")
        assert failed.returncode == 1
        assert "Traceback" not in failed.stderr
        assert f"the disk of {small.home} is full" in failed.stderr
        assert f"free some, then agglo dev up --name {small.name}" in failed.stderr
    small.done("up")
    assert small.is_up()


def test_what_a_crash_left_is_cleared_when_its_files_are_lost(small: Small) -> None:
    """Processes, namespaces and a mount of a run that no file remembers."""
    lost = processes.find(small.layout, "keystone")
    assert lost
    run(["ip", "netns", "add", small.layout.netns("g12345678")])
    shutil.rmtree(small.layout.run)
    stale = small.layout.run / "nova" / "instances" / "0b2e1f9a-3c4d-4e5f-8a9b-1c2d3e4f5a6b" / "root"
    stale.mkdir(parents=True)
    run(["mount", "-t", "tmpfs", "tmpfs", stale])
    small.done("up")
    assert small.is_up()
    assert not lost.alive()
    assert not stale.is_mount()
    assert small.layout.netns("g12345678") not in network.namespaces(small.layout)


def test_reset_works_on_a_full_disk_and_when_the_register_is_lost(small: Small) -> None:
    layout = small.layout
    (slots.register() / str(layout.slot)).unlink()
    with small.full():
        assert "Nothing is left" in small.done("reset")
    assert leftovers(layout) == []
    assert not layout.run.exists()
    assert small.done("reset").startswith("There is no embedded cloud")
