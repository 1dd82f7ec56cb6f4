"""Times of the main job on an embedded cloud of its own, as one table. As root: .venv/bin/python bench/main_job.py

Everything is measured in one run on one machine, so that the rows may be compared with each other.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[1]
NAME = "bench"
AGGLO = Path(sys.executable).parent / "agglo"


def agglo(root: Path, *arguments: str) -> str:
    """Run the command line; its stdout."""
    path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    environment = {"AGGLO_DEV_CLOUD": NAME, "PATH": path, "HOME": str(Path.home())}
    command: list[str | Path] = [AGGLO, "--root", root, *arguments]
    return subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout


def seconds(root: Path, *arguments: str) -> float:
    """Wall time of one command."""
    start = time.monotonic()
    agglo(root, *arguments)
    return time.monotonic() - start


@contextmanager
def project() -> Iterator[Path]:
    """A copy of the project's data with a second commune that asks for a portal."""
    with tempfile.TemporaryDirectory() as folder:
        for name in ("stacks", "catalog", "playbooks"):
            shutil.copytree(ROOT / name, Path(folder) / name, ignore=shutil.ignore_patterns("__pycache__"))
        yield Path(folder)


def measure(root: Path) -> Iterator[tuple[str, float, str]]:
    """What is measured, its figure and unit."""
    yield "dev up, installed but empty", seconds(root, "dev", "up", "--name", NAME), "s"
    yield "apply schiltigheim, from nothing", seconds(root, "apply", "schiltigheim", "--yes"), "s"
    yield "apply schiltigheim, nothing to do", seconds(root, "apply", "schiltigheim", "--yes"), "s"
    communes = root / "stacks" / "communes"
    shutil.copy(communes / "67447-schiltigheim" / "portal.yaml", communes / "67043-bischheim")
    yield "apply bischheim, a new landing zone and portal", seconds(root, "apply", "bischheim", "--yes"), "s"
    agglo(root, "destroy", "bischheim/portal", "--yes")
    yield "apply bischheim/portal, a new portal", seconds(root, "apply", "bischheim/portal", "--yes"), "s"
    memory = json.loads(agglo(root, "dev", "status", "--name", NAME, "--json"))["memory"]
    yield "memory with bastion, edge and two portals", memory / 2**20, "MiB"
    yield "dev down", seconds(root, "dev", "down", "--name", NAME), "s"
    yield "dev up, warm", seconds(root, "dev", "up", "--name", NAME), "s"
    yield "verify schiltigheim", seconds(root, "verify", "schiltigheim"), "s"


def main() -> None:
    """Measure and print."""
    with project() as root:
        try:
            for what, figure, unit in measure(root):
                print(f"{what:<50} {figure:8.1f} {unit}", flush=True)
        finally:
            agglo(root, "dev", "reset", "--name", NAME)


if __name__ == "__main__":
    main()
