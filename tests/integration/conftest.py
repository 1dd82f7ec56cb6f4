"""One embedded cloud for all tests of this folder that need one, with a copy of the project that may be changed."""

from __future__ import annotations

import json
import os
import shutil
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import urllib3
from _pytest.runner import runtestprotocol
from ruamel.yaml import YAML

from agglo.adapters.connection import read_env_file
from agglo_devcloud import bootstrap, loops, ovn, processes, slots
from agglo_devcloud.layout import Layout

KEPT = os.environ.get("AGGLO_TEST_CLOUD")  # a cloud that stays when the tests end, for whoever writes some
NAME = KEPT or f"t{os.getpid() % 100_000}"


@dataclass(frozen=True)
class Inside:
    """The way into a guest: its first process, the child of systemd-nspawn."""

    leader: int

    def run(self, *command: str, text: str = "") -> str:
        """Run a command as the guest's root, with ``text`` on its stdin, and expect success; its stdout."""
        done = subprocess.run(
            self._command(*command), input=text, capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def start(self, *command: str) -> subprocess.Popen[str]:
        """Start a command; its stdout can be read."""
        return subprocess.Popen(self._command(*command), stdout=subprocess.PIPE, text=True)

    def _command(self, *command: str) -> list[str]:
        return ["nsenter", "-t", str(self.leader), "-a", *command]


def way_in(layout: Layout, server: str) -> Inside:
    """The way into a server."""
    found = processes.find(layout, f"guest-{server}")
    assert found, f"server {server} does not run"
    return Inside(int(Path(f"/proc/{found.pid}/task/{found.pid}/children").read_text().split()[-1]))


@dataclass(frozen=True)
class Cloud:
    """An embedded cloud and a copy of the project that may be changed."""

    layout: Layout
    root: Path

    def agglo(self, *arguments: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """Run the command line as a person would."""
        return subprocess.run(
            [Path(sys.executable).parent / "agglo", "--root", self.root, *arguments],
            env={**os.environ, "AGGLO_DEV_CLOUD": NAME, **(environment or {})},
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )

    def done(self, *arguments: str) -> str:
        """Run it and expect success; its stdout."""
        result = self.agglo(*arguments)
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout

    def page(self, host: str = "portail.schiltigheim.agglo.localhost", path: str = "/") -> str:
        """A page through the edge (the portal's first), its certificate checked against the cloud's authority."""
        answer = self.answer(host, path)
        assert answer.status == 200
        return answer.data.decode()

    def answer(self, host: str, path: str = "/", **options: Any) -> urllib3.BaseHTTPResponse:
        """What comes of a request through the edge; ``options`` are urllib3's."""
        trust = ssl.create_default_context(cafile=str(self.layout.vault_dir / "ca.pem"))
        with urllib3.HTTPSConnectionPool(
            "127.0.0.1", self.layout.port("edge"), server_hostname=host, assert_hostname=host, ssl_context=trust
        ) as pool:
            return pool.request("GET", path, headers={"Host": host}, **options)

    def record(self, stack: str) -> dict[str, Any]:
        """What is recorded of a stack."""
        found: dict[str, Any] = json.loads((self.state / "records" / f"{stack}.json").read_text())
        return found

    def inside(self, server: str) -> Inside:
        """The way into a server."""
        return way_in(self.layout, server)

    @property
    def state(self) -> Path:
        return self.layout.run / "agglo"


def wait_until(happened: Callable[[], object], seconds: float = 60, pause: float = 0.2) -> None:
    """Wait for ``happened()`` to be true, asking every ``pause`` seconds."""
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(pause)


@contextmanager
def changed_metro(cloud: Cloud, change: Callable[[Any], None]) -> Iterator[None]:
    """The project's ``metro.yaml`` with a change, and as it was afterwards; nothing is applied."""
    file = cloud.root / "stacks/metro.yaml"
    before = file.read_text()
    settings = YAML().load(before)
    change(settings)
    with file.open("w") as changed:
        YAML().dump(settings, changed)
    try:
        yield
    finally:
        file.write_text(before)


def newer_image(cloud: Cloud, folder: Path) -> dict[str, str]:
    """What makes agglo find another image of the same content; a new one at each call."""
    image = Path(read_env_file(cloud.layout.connection_env)["AGGLO_IMAGE_FILE"]).read_bytes()
    newer = folder / "newer.squashfs"
    newer.write_bytes(image + os.urandom(4096))
    return {"AGGLO_IMAGE_FILE": str(newer)}


def aborts() -> int:
    """How often the cloud's switches aborted so far; 0 while there is no cloud."""
    layout = slots.find(NAME)
    return ovn.aborts(layout) if layout else 0


def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """A test that fails while the switch aborts is run once more, and says so; any other failure stands."""
    if "cloud" not in getattr(item, "fixturenames", ()):
        return None
    before = aborts()
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    reports = runtestprotocol(item, log=False, nextitem=nextitem)
    if any(report.failed for report in reports) and aborts() > before:
        print(f"\n{item.nodeid}: the switch aborted meanwhile; once more")
        _start_servers()
        item._initrequest()  # type: ignore[attr-defined]  # as pytest-rerunfailures does
        reports = runtestprotocol(item, log=False, nextitem=nextitem)
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


def _start_servers() -> None:
    """Start what a test that was cut short had stopped, and let the edges settle."""
    layout = slots.find(NAME)
    if layout is None:
        return
    compute = bootstrap.connect(layout).compute
    for server in list(compute.servers(all_projects=True, status="SHUTOFF")):
        compute.start_server(server)
        compute.wait_for_server(server, status="ACTIVE", wait=120)
    time.sleep(20)


@pytest.fixture(scope="session")
def cloud(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """A cloud with Schiltigheim's portal applied; reset at the end, whatever happened."""
    copy = tmp_path_factory.mktemp("project")
    for name in ("stacks", "catalog", "playbooks"):
        shutil.copytree(root / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    made = Cloud(slots.find(NAME) or slots.propose(NAME), copy)
    try:
        made.done("dev", "up", "--name", NAME)
        made.agglo("apply", "schiltigheim", "--yes")
        made.done("apply", "schiltigheim", "--yes")  # completes what an abort of the switch may have broken
        yield made
    finally:
        if not KEPT:
            made.agglo("dev", "reset", "--name", NAME)


@pytest.fixture(scope="session")
def operator(cloud: Cloud) -> Any:
    """OpenStack as the operator."""
    return bootstrap.connect(cloud.layout)


def leftovers(layout: Layout) -> list[str]:
    """Processes, namespaces, mounts, control groups and loop devices of a cloud."""
    marks = (str(layout.run), f"agglo-{layout.name}-")
    found = [f"namespace {p.name}" for p in Path("/run/netns").glob(f"agglo-{layout.name}-*")]
    found += [f"mount {line}" for line in Path("/proc/mounts").read_text().splitlines() if str(layout.run) in line]
    found += [f"group {p}" for p in Path("/sys/fs/cgroup").rglob(f"*agglo-{layout.name}*")]
    found += [f"loop device {device}" for device in loops.below(layout.run)]
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if int(process.name) != os.getpid() and any(mark in command for mark in marks):
            found.append(f"process {process.name} {command[:80]}")
    return found
