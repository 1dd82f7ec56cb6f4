"""Make one process slow: hold it still for some seconds, let it work for a moment, and so on until ended.

Run as ``python -m agglo_devcloud.slowness PID START SECONDS``. Told to end, it lets the process go on at once.
"""

from __future__ import annotations

import os
import signal
import sys
import threading

from agglo_devcloud.processes import Process

WORK_SECONDS = 0.1


def main() -> None:
    """Until SIGTERM, or until the process has ended."""
    slowed = Process("slowed", int(sys.argv[1]), int(sys.argv[2]))
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    hold(slowed, float(sys.argv[3]), ended)


def hold(slowed: Process, seconds: float, ended: threading.Event) -> None:
    """Stop it for ``seconds`` and let it work, in turns, until ``ended``."""
    while slowed.alive() and not ended.is_set():
        _send(slowed, signal.SIGSTOP)
        ended.wait(seconds)
        _send(slowed, signal.SIGCONT)
        ended.wait(WORK_SECONDS)


def _send(slowed: Process, number: signal.Signals) -> None:
    if slowed.alive():
        os.kill(slowed.pid, number)


if __name__ == "__main__":
    main()
