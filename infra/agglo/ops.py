"""What the metropolis's own services know of guests and routes: a function of settings and records. No I/O."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from pydantic import JsonValue

from agglo.metro import Metro
from agglo.records import Record, Route

NAME = "ops"
MAIL, LOGS, PROXY = 25, 514, 3128  # ports of the relay, of the collector of logs, of the way out
TENANT = "metro"  # whose secrets the guest may read; in the place of a tenant's code and key
DNS_KEY = f"communes/{TENANT}/edge/dns"  # in the Vault: may write in the zone of challenges
MAIL_KEY = f"communes/{TENANT}/mail/key"  # in the Vault: signs the metropolis's mail
SELECTOR = "agglo"  # of the signature, in DKIM's sense
METRICS = "/var/lib/prometheus/node-exporter/agglo.prom"  # on the guest that watches all others


@dataclass(frozen=True)
class Known:
    """A guest as the metropolis's services know it: its address on transit, and whose it is (a tenant's key)."""

    name: str
    address: str
    tenant: str


def known_guests(metro: Metro, records: Iterable[Record]) -> list[Known]:
    """The metropolis's own guests, then those of all instances that have a server and stay, in the order of names."""
    own = [Known(name, address, TENANT) for name, address in metro.guests.items()]
    instances = [
        record
        for record in records
        if {"server", "address"} <= record.outputs.keys() and not (record.intent and record.intent.step == "destroy")
    ]
    return own + sorted((_instance(record) for record in instances), key=lambda known: known.name)


def targets(metro: Metro, guests: Iterable[Known], routes: Iterable[Route]) -> dict[str, JsonValue]:
    """Prometheus's file_sd by file name: each guest, and each route as it is asked of the edge."""
    return {
        "guests.json": [
            {"targets": [f"{known.address}:9100"], "labels": {"guest": known.name, "tenant": known.tenant}}
            for known in guests
        ],
        "routes.json": [
            {
                "targets": [f"https://{metro.transit.vip}{route.health}"],
                "labels": {"host": route.host, "tenant": route.instance.partition("/")[0]},
            }
            for route in routes
        ],
    }


def log_sources(guests: Iterable[Known]) -> dict[str, JsonValue]:
    """rsyslog's lookup table: by the address that a log comes from, which cannot be forged, the folder it goes to."""
    table: list[JsonValue] = [{"index": g.address, "value": f"{g.tenant}/{g.name}"} for g in guests]
    return {"version": 1, "nomatch": "unknown", "type": "string", "table": table}


def metrics(records: Collection[Record], backup_max_age_hours: int) -> str:
    """What records say of each stack, in Prometheus's text form; how old a volume's newest backup may be."""
    verified = [({"stack": record.title}, record.verified) for record in records if record.verified]
    looked = [({"stack": record.title}, record.looked) for record in records if record.looked]
    saved = [({**of, "volume": name}, at) for of, look in looked for name, at in look.volumes.items()]
    families = [
        _gauge(
            "last_verified_timestamp_seconds",
            "When the stack's checks last ran.",
            [(of, v.at.timestamp()) for of, v in verified],
        ),
        _gauge("failed_checks", "How many of the stack's checks failed then.", [(of, v.failed) for of, v in verified]),
        _gauge(
            "last_drift_timestamp_seconds",
            "When drift of the stack was last looked for.",
            [(of, x.at.timestamp()) for of, x in looked],
        ),
        _gauge(
            "drifted_resources",
            "How many resources differed then from what was applied, or were not agglo's.",
            [(of, len(x.differs) + len(x.unmanaged)) for of, x in looked],
        ),
        _gauge(
            "volume_saved_timestamp_seconds",
            "When the newest backup of the volume was made; the volume itself, when it has none.",
            [(of, at.timestamp()) for of, at in saved],
        ),
        _gauge("backup_max_age_seconds", "How old that may be.", [({}, backup_max_age_hours * 3600)]),
    ]
    return "".join(families)


def _gauge(name: str, words: str, samples: Iterable[tuple[Mapping[str, str], float]]) -> str:
    """One family of metrics in Prometheus's text form."""
    lines = [f"# HELP agglo_{name} {words}", f"# TYPE agglo_{name} gauge"]
    for labels, value in samples:
        said = ",".join(f"{label}={_quoted(text)}" for label, text in labels.items())
        lines.append(f"agglo_{name}{{{said}}} {value:.0f}" if said else f"agglo_{name} {value:.0f}")
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    """A label's value: people name volumes as they like."""
    plain = "".join(c if c.isprintable() else " " for c in text)
    return '"' + plain.replace("\\", "\\\\").replace('"', '\\"') + '"'


def egress(metro: Metro) -> list[JsonValue]:
    """Where every guest may go: names, transit, the lease of its address, metadata. The proxy allows the rest."""
    dns = f"{metro.public.dns}/32"
    return [
        {"prefix": dns, "protocol": "udp", "port": 53},
        {"prefix": dns, "protocol": "tcp", "port": 53},
        {"prefix": str(metro.transit.cidr)},
        {"prefix": "255.255.255.255/32", "protocol": "udp", "port": 67},
        {"prefix": "169.254.169.254/32", "protocol": "tcp", "port": 80},
    ]


def egress_of_proxy(metro: Metro, acme_directory: str) -> list[JsonValue]:
    """Where the guest may go that fetches and sends for all others."""
    relay = (metro.mail.relayhost or "").partition(":")[2]
    ports = {*_ports(metro, acme_directory, "http"), *_ports(metro, acme_directory, "https"), int(relay or 25)}
    return [{"prefix": "0.0.0.0/0", "protocol": "tcp", "port": port} for port in sorted(ports)]


def mail_names(metro: Metro, key: str) -> dict[str, JsonValue]:
    """Sender domains in the metropolis's own zone and what their TXT records say; without a relay ``path`` is ""."""
    own = [s for s in metro.mail.senders if s == metro.domain or s.endswith(f".{metro.domain}")]
    return {
        "senders": [*own],
        "path": _path((metro.mail.relayhost or "").partition(":")[0]),
        "selector": SELECTOR,
        "key": key,
    }


def _path(relay: str) -> str:
    """A relay host in the words of SPF."""
    return f"{'ip4' if re.fullmatch(r'[0-9.]+', relay) else 'a'}:{relay}" if relay else ""


def allowed(metro: Metro, acme_directory: str) -> dict[str, JsonValue]:
    """Names and ports that the way out is open to: what is asked for, and whom the edges ask for their certificates."""
    asked = {urlsplit(url).hostname for url in (acme_directory, *metro.acme.urls)}
    names: list[JsonValue] = [*sorted({*metro.egress.allowed, *(name for name in asked if name)})]
    return {
        "egress_allowed": names,
        "egress_http_ports": [*_ports(metro, acme_directory, "http")],
        "egress_tls_ports": [*_ports(metro, acme_directory, "https")],
    }


def _ports(metro: Metro, acme_directory: str, scheme: Literal["http", "https"]) -> list[int]:
    """The scheme's own port, and those of what the edges ask by it."""
    usual = {"http": 80, "https": 443}[scheme]
    asked = [urlsplit(url) for url in (acme_directory, *metro.acme.urls)]
    return sorted({usual, *(url.port or usual for url in asked if url.scheme == scheme)})


def _instance(record: Record) -> Known:
    tenant, _, service = record.title.partition("/")
    slug = tenant.partition("-")[2]
    return Known(f"{slug}-{service}", str(record.outputs["address"]), tenant)
