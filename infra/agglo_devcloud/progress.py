"""How long-running work says what it does and what it waits for."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol, TextIO


class Progress(Protocol):
    """Receives the state of named tasks, from any thread."""

    def update(self, task: str, state: str) -> None:
        """``task`` is now doing, or waiting for, ``state``."""

    def finish(self, task: str, note: str = "") -> None:
        """``task`` is done; ``note`` is a short remark such as a duration."""


class Silent:
    """A progress that says nothing."""

    def update(self, task: str, state: str) -> None:
        """Ignore."""

    def finish(self, task: str, note: str = "") -> None:
        """Ignore."""


class Lines:
    """A progress of plain lines with the seconds since it began."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._start = time.monotonic()
        self._lock = threading.Lock()

    def update(self, task: str, state: str) -> None:
        """Write the state."""
        with self._lock:
            print(f"{time.monotonic() - self._start:7.1f} s  {task}: {state}", file=self._out, flush=True)

    def finish(self, task: str, note: str = "") -> None:
        """Write the end."""
        self.update(task, f"done {note}".strip())


class Recorder:
    """A progress that remembers, for tests: ``events`` holds ``(task, text)`` in order."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str]] = []
        self._lock = threading.Lock()

    def update(self, task: str, state: str) -> None:
        """Remember the state."""
        with self._lock:
            self.events.append((task, state))

    def finish(self, task: str, note: str = "") -> None:
        """Remember the end."""
        with self._lock:
            self.events.append((task, f"done {note}".strip()))


@contextmanager
def step(progress: Progress, task: str, state: str) -> Iterator[None]:
    """Announce ``state``, run the block, and finish ``task`` with its duration in seconds."""
    start = time.monotonic()
    progress.update(task, state)
    yield
    progress.finish(task, f"{time.monotonic() - start:.1f} s")
