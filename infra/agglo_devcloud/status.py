"""What one embedded cloud looks like now: processes, guests, ports."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from agglo_devcloud import cgroups, dns, faults, guests, mariadb, network, ovn, processes, services, vault
from agglo_devcloud.layout import Layout

UP, STARTING, HUNG, STOPPED = "up", "starting", "hung", "stopped"
SEALED, DEAD, ABSENT = "sealed", "dead", "absent"
COMPANIONS = ("relay", "vault")
_GUEST = "guest-"


@dataclass(frozen=True)
class ServiceStatus:
    """A process: ``memory`` in bytes (PSS); ``state`` is one of these.

    up · starting · hung (came up once, answers no more) · stopped (held still by a signal) · sealed (the Vault) ·
    dead (ran and is gone) · absent.
    """

    name: str
    state: str
    pid: int | None
    address: str
    memory: int


@dataclass(frozen=True)
class GuestStatus:
    """A server's container; ``memory`` in bytes, of its control group."""

    uuid: str
    machine: str
    state: str
    pid: int | None
    memory: int


@dataclass(frozen=True)
class Status:
    """All of it."""

    name: str
    services: tuple[ServiceStatus, ...]
    guests: tuple[GuestStatus, ...]
    ports: dict[str, int]
    faults: tuple[faults.Fault, ...] = ()

    @property
    def up(self) -> bool:
        """True when every process is."""
        return all(service.state == UP for service in self.services)

    @property
    def memory(self) -> int:
        """Bytes of all processes and guests."""
        services = sum(service.memory for service in self.services)
        return services + sum(guest.memory for guest in self.guests)


def expected(layout: Layout) -> list[str]:
    """Names of the processes that a whole cloud consists of, apart from guests."""
    return [*services.PROCESSES, mariadb.NAME, dns.NAME, *ovn.names(layout), *COMPANIONS]


def is_up(layout: Layout) -> bool:
    """True when every process runs, every service answers, every namespace is there, and no fault was made.

    And when the Vault has the content that this version wants: a cloud may be older than it.
    """
    return (
        all(processes.find(layout, name) for name in expected(layout))
        and all(state == UP for state in _states(layout, expected(layout)))
        and set(network.plan(layout).namespaces) <= set(network.namespaces(layout))
        and not faults.current(layout)
        and vault.is_current(layout)
    )


def status(layout: Layout) -> Status:
    """Look at everything; changes nothing and works on a cloud that is down."""
    names = expected(layout)
    parts = [_service(layout, name, state) for name, state in zip(names, _states(layout, names), strict=True)]
    found = tuple(_guest(guest) for guest in guests.all_guests(layout))
    return Status(layout.name, tuple(parts), found, layout.ports(), tuple(faults.current(layout)))


def _states(layout: Layout, names: list[str]) -> list[str]:
    with ThreadPoolExecutor(len(names)) as pool:
        return list(pool.map(lambda name: _state(layout, name), names))


def _state(layout: Layout, name: str) -> str:
    process = processes.find(layout, name)
    if process is None:
        return DEAD if (layout.pids / name).exists() else ABSENT
    if processes.stopped(process.pid):
        return STOPPED
    if name in services.PROCESSES and not services.healthy(layout, name):
        return HUNG if services.came_up(layout, name) else STARTING
    if name == vault.NAME and not vault.healthy(layout):
        return SEALED
    return UP


def _service(layout: Layout, name: str, state: str) -> ServiceStatus:
    process = processes.find(layout, name)
    known = layout.ports()
    port = {"named": "dns"}.get(name, name)
    address = layout.url(name) if name in services.PROCESSES and name in known else ""
    if not address and port in known:
        address = f"127.0.0.1:{known[port]}"
    pid = process.pid if process else None
    return ServiceStatus(name, state, pid, address, _memory(pid) if pid else 0)


def _guest(guest: guests.Guest) -> GuestStatus:
    process = guest.process()
    memory = cgroups.memory_used(guest.layout, guest.machine) if process else 0
    return GuestStatus(guest.uuid, guest.machine, UP if process else DEAD, process.pid if process else None, memory)


def _memory(pid: int) -> int:
    """Proportional set size in bytes: pages shared with other processes count in parts. 0 when it just ended."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
