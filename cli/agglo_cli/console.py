"""What people see: a line of progress on stderr while something runs, tables and messages."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import click
from pydantic import JsonValue
from rich.console import Console
from rich.status import Status
from rich.table import Table

_EVERY = 10.0  # seconds between two lines of the same task when stderr is not a terminal


class Voice:
    """Progress for both libraries: one changing line on a terminal, plain lines elsewhere (logs of CI)."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._status: Status | None = None
        self._doing: dict[str, str] = {}
        self._spoke: dict[str, float] = {}
        self._start = time.monotonic()
        self._lock = threading.Lock()

    def __call__(self, text: str) -> None:
        """One thing is being done at a time: ``text``."""
        task, _, state = text.rpartition(": ")
        self.update(task, state or text)

    def update(self, task: str, state: str) -> None:
        """``task`` is now doing ``state``; several tasks may run side by side."""
        with self._lock:
            known = self._doing.get(task)
            self._doing[task] = state
            if self._status:
                self._status.update("  ".join(f"[bold]{t}[/] {s}" if t else s for t, s in self._doing.items()))
            elif known is None or time.monotonic() - self._spoke.get(task, 0) > _EVERY:
                self._line(task, state)

    def finish(self, task: str, note: str = "") -> None:
        """``task`` is done."""
        with self._lock:
            self._doing.pop(task, None)
            self._line(task, f"done {note}".strip())

    def _line(self, task: str, text: str) -> None:
        self._spoke[task] = time.monotonic()
        seconds = time.monotonic() - self._start
        self._console.print(
            f"[dim]{seconds:6.1f} s[/]  {task + ': ' if task else ''}{text}", highlight=False, soft_wrap=True
        )

    @contextmanager
    def live(self, what: str) -> Iterator[Voice]:
        """Show progress while the block runs."""
        self._doing.clear()
        if self._console.is_terminal:
            with self._console.status(what) as self._status:
                yield self
            self._status = None
        else:
            yield self

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Hide the changing line while a question is asked."""
        status = self._status
        if status:
            status.stop()
        yield
        if status:
            status.start()


def new_voice() -> Voice:
    """Progress on stderr."""
    return Voice(Console(stderr=True))


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table on stdout."""
    shown = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        shown.add_column(column, overflow="fold")
    for row in rows:
        shown.add_row(*row)
    console = Console()
    if not console.is_terminal:
        console = Console(width=200)
    console.print(shown)


def answer_json(value: JsonValue) -> None:
    """Print the machine-readable answer on stdout."""
    click.echo(json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False))


def is_terminal() -> bool:
    """True when a person can answer a question."""
    return sys.stdin.isatty() and sys.stderr.isatty()
