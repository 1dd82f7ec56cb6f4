"""What the cloud's processes and guests wrote: files of the run directory, shown by ``tail``."""

from __future__ import annotations

import datetime
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from agglo_devcloud import guests
from agglo_devcloud.errors import DevCloudError
from agglo_devcloud.layout import Layout


@dataclass(frozen=True)
class Log:
    """All files of one service (its own log, and what it wrote to its output), or a guest's console."""

    name: str
    files: tuple[Path, ...]

    @property
    def size(self) -> int:
        """Octets."""
        return sum(file.stat().st_size for file in self.files)

    @property
    def written(self) -> str:
        """When anything was written last, in local time."""
        last = max(file.stat().st_mtime for file in self.files)
        return datetime.datetime.fromtimestamp(last).astimezone().isoformat(" ", "seconds")


def all_(layout: Layout) -> list[Log]:
    """Every log that something was written to, by name; guests' consoles last."""
    written: dict[str, list[Path]] = {}
    for file in sorted(layout.log.glob("*")) if layout.log.is_dir() else []:
        if file.stat().st_size:
            written.setdefault(file.stem, []).append(file)
    services = [Log(name, tuple(files)) for name, files in written.items()]
    consoles = [Log(guest.machine, (guest.console,)) for guest in guests.all_guests(layout) if guest.console.exists()]
    return services + consoles


def find(layout: Layout, name: str) -> Log:
    """The log of ``name``. Raises DevCloudError when nothing was written."""
    known = {log.name: log for log in all_(layout)}
    if name not in known:
        if any(layout.log.glob(f"{name}.*")):
            raise DevCloudError(f"{name} has written nothing yet", hint=f"agglo dev status --name {layout.name}")
        there = f"; there is {', '.join(known)}" if known else ""
        raise DevCloudError(f"there is no log of '{name}'{there}", hint=f"agglo dev logs --name {layout.name}")
    return known[name]


def command(log: Log, lines: int, *, follow: bool) -> list[str]:
    """How to show it: each file under a heading when there are several."""
    words: Sequence[str | Path] = ["tail", "-n", str(lines), *(["-F"] if follow else []), "--", *log.files]
    return [str(word) for word in words]


def show(log: Log, lines: int, *, follow: bool) -> int:
    """Show the last ``lines`` on the standard output; with ``follow``, go on until Ctrl-C. tail's exit code."""
    try:
        return subprocess.run(command(log, lines, follow=follow), check=False).returncode
    except KeyboardInterrupt:
        return 0  # how following ends
