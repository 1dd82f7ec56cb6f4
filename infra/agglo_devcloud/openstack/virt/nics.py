"""Plug network interfaces: an OVS port of a compute host, moved into the network namespace of a guest or a service."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from agglo_devcloud import network
from agglo_devcloud.commands import run, succeeds
from agglo_devcloud.compute import ComputeHost
from agglo_devcloud.errors import StartError
from agglo_devcloud.guests import Guest
from agglo_devcloud.layout import Layout
from agglo_devcloud.settings import GUEST_MTU

_BRIDGE = "br-int"
_NETWORK = "agglo-network"  # an external id of a guest's port
_lock = threading.Lock()  # choosing a free interface name must not race


@dataclass(frozen=True)
class Nic:
    """A Neutron port as an interface."""

    port: str
    mac: str
    mtu: int

    @property
    def device(self) -> str:
        """Name of its OVS port, as every OpenStack names it."""
        return "tap" + self.port[:11]


def nic(vif: Any) -> Nic:
    """What Nova knows of an interface."""
    return Nic(str(vif["id"]), str(vif["address"]), vif["network"].get_meta("mtu") or GUEST_MTU)


def plug_all(host: ComputeHost, guest: Guest, vifs: Iterable[Any]) -> None:
    """Make the guest's namespace and plug every interface; what is plugged already stays as it is."""
    network.add_namespace(guest.netns)
    for vif in vifs:
        plug(host, guest, vif)


def plug(host: ComputeHost, guest: Guest, vif: Any) -> None:
    """Plug one interface, and remember at the port on which network."""
    insert(guest.layout, host, guest.netns, nic(vif), f"external-ids:{_NETWORK}={vif['network']['id']}")


def insert(layout: Layout, host: ComputeHost, netns: str, made: Nic, *settings: str) -> None:
    """Plug an interface into a namespace. OVN binds the port as soon as ``iface-id`` is set."""
    _vsctl(
        host,
        *("--may-exist", "add-port", _BRIDGE, made.device, "--", "set", "interface", made.device, "type=internal"),
        *(f"external-ids:iface-id={made.port}", f"external-ids:attached-mac={made.mac}", f'mac="{made.mac}"'),
        *settings,
    )
    with _lock:
        if made.device in network.links(host.netns):  # new, or made again by a switch that was restarted
            _move(layout, host, netns, made)


def unplug(host: ComputeHost, guest: Guest, vif: Any) -> None:
    """Unplug one interface; nothing when it is gone."""
    remove(host, nic(vif).device)
    if network.exists(guest.netns) and (link := _find(guest.netns, str(vif["address"]))):
        succeeds(["ip", "-n", guest.netns, "link", "delete", link])


def remove(host: ComputeHost, device: str) -> None:
    """Remove an OVS port, and with it its interface, wherever it is; nothing when it is gone."""
    _vsctl(host, "--if-exists", "del-port", _BRIDGE, device)


def used(host: ComputeHost, network_id: str) -> bool:
    """True while a guest of the host is plugged into the network."""
    return bool(found(host, _NETWORK, network_id))


def found(host: ComputeHost, key: str, value: str) -> list[str]:
    """The host's OVS interfaces that have this external id."""
    answer = _vsctl(host, "--format=json", "--columns=name", "find", "interface", f"external_ids:{key}={value}")
    return [name for (name,) in json.loads(answer)["data"]]


def _move(layout: Layout, host: ComputeHost, netns: str, made: Nic) -> None:
    """Move the new device into the namespace, as ``ethN``; it takes place and name of a dead one with its address."""
    name, stale = made.device, _find(netns, made.mac)
    if stale:
        run(["ip", "-n", netns, "link", "delete", stale])
    target = stale or _free_name(netns)
    # Renamed on the way: a guest's networkd ignores a device that changes its name after it appeared, and the switch
    # loses one that changes its name before its eyes.
    halfway = layout.netns("net")
    _drop(halfway, target)
    run(["ip", "-n", host.netns, "link", "set", name, "netns", halfway])
    try:
        run(["ip", "-n", halfway, "link", "set", name, "name", target, "address", made.mac, "mtu", str(made.mtu)])
        run(["ip", "-n", halfway, "link", "set", target, "netns", netns])
    except StartError:
        _drop(halfway, name, target)
        raise


def _drop(netns: str, *devices: str) -> None:
    """Delete what stayed on its way to a guest that is gone: no other could take its name."""
    for device in set(devices) & set(network.links(netns)):
        succeeds(["ip", "-n", netns, "link", "delete", device])


def _free_name(netns: str) -> str:
    taken = network.links(netns)
    number = next(n for n in range(len(taken) + 1) if f"eth{n}" not in taken)
    return f"eth{number}"


def _find(netns: str, mac: str) -> str | None:
    links = network.links(netns)
    return next((name for name, address in links.items() if address == mac and name.startswith("eth")), None)


def _vsctl(host: ComputeHost, *words: str) -> str:
    return run(["ovs-vsctl", f"--db=unix:{host.ovs_socket}", "--timeout=20", *words])
