"""Ctrl-C in the middle of a change: let what runs come to an orderly end, then stop."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

_Result = TypeVar("_Result")


def uninterrupted(operation: Callable[[], _Result], on_interrupt: Callable[[], None] = lambda: None) -> _Result:
    """Run ``operation`` in a thread; on Ctrl-C call ``on_interrupt``, wait for the end, then raise KeyboardInterrupt.

    The engine is a child in the terminal's process group: it gets the same signal, ends its current step and writes its
    state. A second Ctrl-C is raised at once.
    """
    results: list[_Result] = []
    failures: list[BaseException] = []

    def work() -> None:
        try:
            results.append(operation())
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    interrupted = False
    while thread.is_alive():
        try:
            thread.join(0.1)
        except KeyboardInterrupt:
            if interrupted:
                raise
            interrupted = True
            on_interrupt()
    if interrupted:
        raise KeyboardInterrupt
    if failures:
        raise failures[0]
    return results[0]
