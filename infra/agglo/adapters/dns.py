"""The DNS, asked at one resolver."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor

import dns.exception
import dns.resolver

from agglo.domains import Answer

_SECONDS = 3.0  # for one question, all tries
_AT_ONCE = 16


class DnsNames:
    """``server`` is an address, or ``address:port``."""

    def __init__(self, server: str) -> None:
        address, _, port = server.partition(":")
        self._resolver = dns.resolver.Resolver(configure=False)
        self._resolver.nameservers = [address]
        self._resolver.port = int(port or 53)
        self._resolver.lifetime = _SECONDS

    def look_up(self, names: Iterable[str]) -> Mapping[str, Answer]:
        """What it says of each name; an answer with ``error`` where it says nothing."""
        wanted = list(names)
        with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
            return dict(zip(wanted, pool.map(self._look_up, wanted), strict=True))

    def _look_up(self, name: str) -> Answer:
        aliases: dict[str, None] = {}
        addresses: list[str] = []
        try:
            for kind in ("A", "AAAA"):
                found = self._resolver.resolve(f"{name}.", kind, raise_on_no_answer=False)
                for rrset in found.response.answer:
                    if rrset.rdtype == dns.rdatatype.CNAME:
                        aliases |= {str(record.target).rstrip("."): None for record in rrset}
                    else:
                        addresses += [record.address for record in rrset]
        except dns.resolver.NXDOMAIN:
            return Answer()
        except dns.exception.DNSException as error:
            return Answer(error=str(error).partition(":")[0])
        return Answer(tuple(aliases), tuple(addresses))
