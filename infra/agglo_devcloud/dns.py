"""BIND on loopback: the name server that designate manages."""

from __future__ import annotations

import shutil
import socket

from agglo_devcloud import processes
from agglo_devcloud.layout import LOOPBACK, Layout

NAME = "named"


def start(layout: Layout) -> bool:
    """Start and wait until it answers; False when it runs already."""
    if processes.find(layout, NAME):
        return False
    command = [shutil.which("named") or "/usr/sbin/named", "-g", "-n", "1", "-U", "1"]
    process = processes.spawn(layout, NAME, [*command, "-c", layout.etc / "named" / "named.conf"])
    processes.wait_for(
        lambda: _answers(layout.port("dns")), "BIND", timeout=20, process=process, log=layout.log / f"{NAME}.out"
    )
    return True


def stop(layout: Layout) -> None:
    """End it."""
    processes.stop(layout, [NAME])


def _answers(port: int) -> bool:
    with socket.create_connection((LOOPBACK, port), timeout=2):
        return True
