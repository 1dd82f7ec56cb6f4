"""Times of the main job on an embedded cloud of its own; prints one table. Run as root: .venv/bin/python bench/main_job.py

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
    return subprocess.run(
        [AGGLO, "--root", root, *arguments],
        env={"AGGLO_DEV_CLOUD": NAME, "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(Path.home())},
        check=True, stdout=subprocess.PIPE, text=True,
    ).stdout  # fmt: skip


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


def main() -> None:
    """Measure and print."""
    rows: list[tuple[str, float, str]] = []
    with project() as root:
        try:
            rows.append(("agglo dev up, installed but empty", seconds(root, "dev", "up", "--name", NAME), "s"))
            rows.append(
                ("agglo apply schiltigheim, from nothing", seconds(root, "apply", "schiltigheim", "--yes"), "s")
            )
            rows.append(
                ("agglo apply schiltigheim, nothing to do", seconds(root, "apply", "schiltigheim", "--yes"), "s")
            )
            communes = root / "stacks" / "communes"
            shutil.copy(communes / "67447-schiltigheim" / "portal.yaml", communes / "67043-bischheim")
            agglo(root, "apply", "schiltigheim", "--yes")
            rows.append(
                (
                    "agglo apply bischheim, a new landing zone and portal",
                    seconds(root, "apply", "bischheim", "--yes"),
                    "s",
                )
            )
            status = json.loads(agglo(root, "dev", "status", "--name", NAME, "--json"))
            rows.append(("memory of the cloud with 4 guests", status["memory"] / 2**20, "MiB"))
            rows.append(("agglo dev down", seconds(root, "dev", "down", "--name", NAME), "s"))
            rows.append(("agglo dev up, warm", seconds(root, "dev", "up", "--name", NAME), "s"))
            rows.append(("agglo verify schiltigheim", seconds(root, "verify", "schiltigheim"), "s"))
        finally:
            agglo(root, "dev", "reset", "--name", NAME)
    for what, figure, unit in rows:
        print(f"{what:<55} {figure:8.1f} {unit}")


if __name__ == "__main__":
    main()
