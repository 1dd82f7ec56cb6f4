"""What tests of the edges need: who has the virtual address, and a visitor that counts what it loses."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import urllib3

from agglo_devcloud.layout import Layout
from tests.integration.conftest import way_in


def holders(layout: Layout, servers: dict[str, str], vip: str) -> list[str]:
    """Names of the edges that have the virtual address."""
    return [name for name, server in servers.items() if f" {vip}/32" in _addresses(layout, server)]


def _addresses(layout: Layout, server: str) -> str:
    try:
        return way_in(layout, server).run("ip", "-br", "address")
    except (AssertionError, OSError, IndexError):
        return ""  # it does not run, or it just ends


@dataclass
class Visits:
    """When each request was made and whether it was answered, in the order of time (seconds, monotonic)."""

    made: list[tuple[float, bool]] = field(default_factory=list)

    @property
    def lost(self) -> int:
        """Requests without an answer."""
        return sum(not good for _, good in self.made)

    @property
    def gap(self) -> float:
        """Seconds from the first lost request to the first answered one after the last lost one, or to the last made;
        0 without any.
        """
        bad = [at for at, good in self.made if not good]
        after = [at for at, good in self.made if bad and good and at > bad[-1]]
        end = after[0] if after else self.made[-1][0] if bad else 0.0
        return end - bad[0] if bad else 0.0

    @property
    def recovered(self) -> bool:
        """True when the last 20 requests were answered."""
        return len(self.made) > 20 and all(good for _, good in self.made[-20:])

    def __str__(self) -> str:
        return f"{len(self.made)} requests, {self.lost} lost, a gap of {self.gap:.1f} s"


@contextmanager
def visiting(layout: Layout, host: str, path: str = "/") -> Iterator[Visits]:
    """A visitor who opens a page by a new connection ten times a second, and waits one second for an answer."""
    visits, done = Visits(), threading.Event()
    trust = ssl.create_default_context(cafile=str(layout.vault_dir / "ca.pem"))

    def visit() -> None:
        while not done.wait(0.1):
            at = time.monotonic()
            visits.made.append((at, _answers(layout, host, path, trust)))

    thread = threading.Thread(target=visit)
    thread.start()
    try:
        yield visits
    finally:
        done.set()
        thread.join()


def _answers(layout: Layout, host: str, path: str, trust: ssl.SSLContext) -> bool:
    with urllib3.HTTPSConnectionPool(
        "127.0.0.1", layout.port("edge"), server_hostname=host, assert_hostname=host, ssl_context=trust,
        timeout=1, retries=False,
    ) as pool:  # fmt: skip
        try:
            return pool.request("GET", path, headers={"Host": host}).status == 200
        except (urllib3.exceptions.HTTPError, OSError):
            return False
