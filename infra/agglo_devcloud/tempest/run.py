"""Run Tempest's tests from the outside of a cloud: floating IPs can be reached there."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from agglo_devcloud import environment, network
from agglo_devcloud.errors import StartError
from agglo_devcloud.layout import Layout
from agglo_devcloud.settings import write_private
from agglo_devcloud.tempest.results import Event
from agglo_devcloud.tempest.selection import Case

_STREAM = Path(__file__).with_name("stream.py")
_LONGEST_TEST = 900  # seconds; then Tempest itself ends it
_CONFIG = """\
[DEFAULT]
test_path={package}/test_discover
top_dir={top}
group_regex=([^\\.]*\\.)*
"""


def workspace(layout: Layout) -> Path:
    """Where Tempest's files of this run are."""
    return layout.run / f"tempest-{os.getpid()}"


def set_up(layout: Layout) -> None:
    """Make an empty workspace."""
    place = workspace(layout)
    shutil.rmtree(place, ignore_errors=True)
    (place / "lock").mkdir(parents=True, mode=0o700)
    (top,) = environment.tempest().directory.glob("lib/python3*/site-packages")
    (place / ".stestr.conf").write_text(_CONFIG.format(package=top / "tempest", top=top))
    configure(layout, "")  # Tempest reads it also to list its tests
    _call(layout, "init")


def configure(layout: Layout, text: str) -> None:
    """Write ``tempest.conf``; it holds the admin's password."""
    write_private(workspace(layout) / "tempest.conf", text)


def names(layout: Layout) -> list[str]:
    """All of Tempest's tests. Raises StartError."""
    return [line for line in _call(layout, "list").splitlines() if line.startswith("tempest.")]


def run(layout: Layout, tests: Sequence[Case], concurrency: int) -> Iterator[Event]:
    """Run the tests, ``concurrency`` at a time; what becomes of each, as it ends. Raises StartError."""
    chosen = workspace(layout) / "tests.txt"
    chosen.write_text("".join(f"{test.id}\n" for test in tests))
    command = [*_stestr("run"), "--subunit", "--concurrency", str(concurrency), "--load-list", str(chosen)]
    with (workspace(layout) / "stestr.out").open("ab") as out:
        tested = subprocess.Popen(
            network.enter(layout.external_netns, *command),
            cwd=workspace(layout),
            env=_environment(layout),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=out,
            start_new_session=True,  # one signal reaches its workers too
        )
        reader = subprocess.Popen(
            [environment.tempest().program("python"), "-P", _STREAM],
            stdin=tested.stdout, stdout=subprocess.PIPE, stderr=out, text=True,
        )  # fmt: skip
        try:
            yield from _events(reader)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(tested.pid, signal.SIGTERM)
            for process in (tested, reader):
                process.wait()


def _events(reader: subprocess.Popen[str]) -> Iterator[Event]:
    assert reader.stdout
    for line in reader.stdout:
        yield Event(**json.loads(line))


def _call(layout: Layout, *words: str) -> str:
    done = subprocess.run(
        _stestr(*words),
        cwd=workspace(layout), env=_environment(layout), capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    if done.returncode:
        raise StartError(f"stestr {' '.join(words)} failed: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def _stestr(*words: str) -> list[str | Path]:
    return [environment.tempest().program("stestr"), *words]


def _environment(layout: Layout) -> dict[str, str]:
    """Nothing of the caller's: a proxy or an OS_ variable would change what is tested."""
    return {
        "PATH": f"{environment.tempest().directory / 'bin'}:{os.environ.get('PATH', os.defpath)}",
        "HOME": str(workspace(layout)),
        "LANG": "C.UTF-8",
        "TEMPEST_CONFIG_DIR": str(workspace(layout)),
        "OS_TEST_TIMEOUT": str(_LONGEST_TEST),
        "PYTHONWARNINGS": "ignore",
    }
