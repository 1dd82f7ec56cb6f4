"""When lines of the project's files came to be: the history as Git keeps it, in one process for all files."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

_COMMIT = "\x01"
_HUNK = re.compile(r"^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")
_TIMEOUT = 60  # seconds


@dataclass(frozen=True)
class Change:
    """A commit as it landed: first parents only, so that the time is when it came into force."""

    at: datetime
    by: str


@dataclass
class History:
    """For each file (relative to the project's root) the change that each line stems from; None: not committed yet."""

    lines: dict[str, list[Change | None]] = field(default_factory=dict)
    born: dict[str, Change] = field(default_factory=dict)

    def since(self, name: str, line: int) -> Change | None:
        """The change that line ``line`` (from 1) of a file stems from, if it is known."""
        known = self.lines.get(name, [])
        return known[line - 1] if 0 < line <= len(known) else None


def read_history(root: Path, below: str = "stacks") -> History:
    """The history of every file below a folder; an empty one where there is no Git or no commit."""
    history = History()
    log = ["log", "--first-parent", "-m", "--reverse", "--no-renames", f"--format={_COMMIT}%ct%x09%an"]
    _replay(history, _git(root, [*log, *_PATCH, "--", below]), None)
    _replay(history, _git(root, ["diff", "HEAD", "--no-renames", *_PATCH, "--", below]), None)
    return history


_PATCH = ["-p", "--unified=0", "--relative", "--no-color", "--no-ext-diff", "--src-prefix=a/", "--dst-prefix=b/"]


def _git(root: Path, arguments: list[str]) -> Iterator[str]:
    command = ["git", "-c", "core.quotePath=false", "-C", str(root), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_TIMEOUT, check=False)
    except FileNotFoundError:
        return
    if done.returncode == 0:
        yield from done.stdout.decode("utf-8", "replace").split("\n")


def _replay(history: History, text: Iterable[str], change: Change | None) -> None:
    """Apply each hunk of a series of patches to what is known of the lines; contents do not matter, only places."""
    name, old, shift, left = "", "", 0, 0
    for line in text:
        if left:  # lines of a hunk may look like anything
            left -= 0 if line.startswith("\\") else 1
        elif line.startswith(_COMMIT):
            seconds, _, author = line[1:].partition("\t")
            change = Change(datetime.fromtimestamp(int(seconds), UTC), author)
        elif line.startswith("+++ "):
            name, shift = ("" if line == "+++ /dev/null" else line[6:].rstrip("\t")), 0
            if name and change:
                history.born.setdefault(name, change)
            elif not name:  # deleted: should it come again, it is another file
                history.lines.pop(old, None)
                history.born.pop(old, None)
        elif line.startswith("--- "):
            old = line[6:].rstrip("\t")
        elif found := _HUNK.match(line):
            start, removed, _, added = (int(part) if part is not None else 1 for part in found.groups())
            left = removed + added
            if name:
                known = history.lines.setdefault(name, [])
                at = start - 1 + shift if removed else start + shift
                known[at : at + removed] = [change] * added
                shift += added - removed
