"""Certificates that the edges show, as a visitor's browser sees them."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

_SECONDS = 5.0
_AT_ONCE = 16


class EdgeTls:
    """The edges at ``address:port``; ``ca`` is a PEM file of authorities, unless those of this machine do."""

    def __init__(self, at: str, ca: str | None) -> None:
        host, _, port = at.rpartition(":")
        self._at = (host, int(port))
        self._trust = ssl.create_default_context(cafile=ca)

    def ends(self, names: Iterable[str]) -> Mapping[str, datetime | None]:
        """When the certificate of each name ends; None where there is no valid one, or no edge answers."""
        wanted = list(names)
        with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
            return dict(zip(wanted, pool.map(self._end, wanted), strict=True))

    def _end(self, name: str) -> datetime | None:
        try:
            with (
                socket.create_connection(self._at, timeout=_SECONDS) as plain,
                self._trust.wrap_socket(plain, server_hostname=name) as secure,
            ):
                until = (secure.getpeercert() or {}).get("notAfter")
        except OSError:  # ssl.SSLError is one
            return None
        return datetime.fromtimestamp(ssl.cert_time_to_seconds(until), UTC) if isinstance(until, str) else None
