"""What people see: a line of progress on stderr while something runs, tables and messages."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import click
from pydantic import JsonValue
from rich.cells import cell_len, set_cell_size
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.spinner import Spinner
from rich.table import Table

from agglo.world import Progress

_EVERY = 10.0  # seconds between two lines of the same task when stderr is not a terminal


@dataclass
class _Task:
    """One thing that is being done, since when, and when a log last had a line of it (seconds of the process)."""

    state: str
    since: float
    spoke: float = -_EVERY


class Voice:
    """Progress for both libraries: lines that change on a terminal, plain lines elsewhere (logs of CI)."""

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._clock = clock
        self._live: Live | None = None
        self._spinner = Spinner("dots")
        self._head = ""
        self._count = ""
        self._doing: dict[str, _Task] = {}
        self._start = clock()
        self._lock = threading.Lock()

    def __call__(self, text: str) -> None:
        """``<task>: <state>``, or what is being done where it is one thing at a time."""
        task, _, state = text.rpartition(": ")
        alone = not task or task.endswith(" ")  # Ansible's "role : task" is no task of ours
        self.update("" if alone else task, text if alone else state)

    def update(self, task: str, state: str) -> None:
        """``task`` is now doing ``state``; several tasks may run side by side."""
        with self._lock:
            known = self._doing.setdefault(task, _Task(state, self._clock()))
            known.state = state
            if not self._live and self._clock() - known.spoke >= _EVERY:
                known.spoke = self._clock()
                self._line(task, state)

    def finish(self, task: str, note: str = "") -> None:
        """``task`` is done."""
        with self._lock:
            self._doing.pop(task, None)
            self._line(task, f"done {note}".strip())

    def watch(self, progress: Progress) -> None:
        """A run over many stacks: each has a line while it runs, and the head counts them."""
        failed = f", {progress.failed} failed" if progress.failed else ""
        with self._lock:
            self._count = f"{progress.done} of {progress.total} done{failed}"
            self._doing.pop(progress.title, None)
            for title in progress.running:
                self._doing.setdefault(title, _Task("begins", self._clock()))
            ended = progress.ended
            if ended and ended.error:
                message = " ".join(ended.error.message.split())
                self._line(progress.title, f"failed after {ended.seconds:.0f} s: {message} ({self._count})")
            elif ended and ended.changes is not None and not self._live:
                self._line(progress.title, f"done in {ended.seconds:.0f} s ({self._count})")

    def _line(self, task: str, text: str) -> None:
        seconds = self._clock() - self._start
        shown = escape(f"{task + ': ' if task else ''}{text}")
        self._console.print(f"[dim]{seconds:6.1f} s[/]  {shown}", highlight=False, soft_wrap=True)

    def _shown(self) -> RenderableType:
        """The head, then one line for each task."""
        with self._lock:
            tasks = {name: task for name, task in self._doing.items() if name}
            alone = self._doing[""].state if "" in self._doing else ""
        grid = Table.grid(padding=(0, 2))
        grid.add_column(no_wrap=True)
        grid.add_column(justify="right", no_wrap=True)
        grid.add_column(no_wrap=True, overflow="ellipsis")
        for name, task in tasks.items():
            grid.add_row(f"  {escape(name)}", f"{self._clock() - task.since:.0f} s", escape(task.state))
        self._spinner.update(text=escape("  ".join(filter(None, (self._head, self._count, alone)))))
        return Group(self._spinner, grid)

    @contextmanager
    def live(self, what: str) -> Iterator[Voice]:
        """Show progress while the block runs."""
        self._doing.clear()
        self._head, self._count = what, ""
        if not self._console.is_terminal:
            yield self
            return
        live = Live(console=self._console, get_renderable=self._shown, transient=True, redirect_stdout=False)
        with live:
            self._live = live
            try:
                yield self
            finally:
                self._live = None

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Hide the changing lines while an answer is printed or a question asked."""
        live = self._live
        if live:
            live.stop()
        yield
        if live:
            live.start()


def new_voice() -> Voice:
    """Progress on stderr."""
    return Voice(Console(stderr=True))


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table on stdout: folded to the width of a terminal; one line a row where programs or logs read it."""
    console = Console()
    if not console.is_terminal:
        click.echo(_plain_table([columns, *rows]))
        return
    shown = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        shown.add_column(column, overflow="fold")
    for row in rows:
        shown.add_row(*map(escape, row))
    console.print(shown)


def fits(rows: Sequence[Sequence[str]]) -> bool:
    """True when a table of these rows is no wider than the terminal; what is no terminal has any width."""
    console = Console()
    return not console.is_terminal or max(map(cell_len, _plain_table(rows).splitlines())) <= console.width


def _plain_table(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(set_cell_size(cell, width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def plural(count: int, noun: str) -> str:
    """``1 release``, ``2 releases``."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def answer_json(value: JsonValue) -> None:
    """Print the machine-readable answer on stdout."""
    click.echo(json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False))


def is_terminal() -> bool:
    """True when a person can answer a question."""
    return sys.stdin.isatty() and sys.stderr.isatty()
