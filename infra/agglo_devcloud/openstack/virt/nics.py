"""Plug a guest's network interfaces: an OVS port of its compute host, moved into the guest's network namespace."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any

from agglo_devcloud import network
from agglo_devcloud.commands import run, succeeds
from agglo_devcloud.compute import ComputeHost
from agglo_devcloud.guests import Guest
from agglo_devcloud.settings import GUEST_MTU

_BRIDGE = "br-int"
_lock = threading.Lock()  # choosing a free interface name must not race


def device(vif: Any) -> str:
    """Name of the OVS port of a Neutron port, as every OpenStack names it."""
    return "tap" + str(vif["id"])[:11]


def plug_all(host: ComputeHost, guest: Guest, vifs: Iterable[Any]) -> None:
    """Make the guest's namespace and plug every interface; what is plugged already stays as it is."""
    network.add_namespace(guest.netns)
    for vif in vifs:
        plug(host, guest, vif)


def plug(host: ComputeHost, guest: Guest, vif: Any) -> None:
    """Plug one interface. OVN binds the port as soon as ``iface-id`` is set."""
    name, mac = device(vif), str(vif["address"])
    _vsctl(
        host,
        *("--may-exist", "add-port", _BRIDGE, name, "--", "set", "interface", name, "type=internal"),
        *(f"external-ids:iface-id={vif['id']}", f"external-ids:attached-mac={mac}", f'mac="{mac}"'),
    )
    with _lock:
        if name in network.links(host.netns):  # new, or made again by a switch that was restarted
            _move(host, guest, name, mac, vif["network"].get_meta("mtu") or GUEST_MTU)


def unplug(host: ComputeHost, guest: Guest, vif: Any) -> None:
    """Unplug one interface; nothing when it is gone."""
    _vsctl(host, "--if-exists", "del-port", _BRIDGE, device(vif))
    if network.exists(guest.netns) and (link := _find(guest, str(vif["address"]))):
        succeeds(["ip", "-n", guest.netns, "link", "delete", link])


def _move(host: ComputeHost, guest: Guest, name: str, mac: str, mtu: int) -> None:
    """Move the new device into the guest, as ``ethN``; it takes the place and name of a dead one with its address."""
    stale = _find(guest, mac)
    if stale:
        run(["ip", "-n", guest.netns, "link", "delete", stale])
    target = stale or _free_name(guest)
    # Renamed on the way: a guest's networkd ignores a device that changes its name after it appeared, and the switch
    # loses one that changes its name before its eyes.
    halfway = guest.layout.netns("net")
    run(["ip", "-n", host.netns, "link", "set", name, "netns", halfway])
    run(["ip", "-n", halfway, "link", "set", name, "name", target, "address", mac, "mtu", str(mtu)])
    run(["ip", "-n", halfway, "link", "set", target, "netns", guest.netns])


def _free_name(guest: Guest) -> str:
    taken = network.links(guest.netns)
    number = next(n for n in range(len(taken) + 1) if f"eth{n}" not in taken)
    return f"eth{number}"


def _find(guest: Guest, mac: str) -> str | None:
    links = network.links(guest.netns)
    return next((name for name, address in links.items() if address == mac and name.startswith("eth")), None)


def _vsctl(host: ComputeHost, *words: str) -> None:
    run(["ovs-vsctl", f"--db=unix:{host.ovs_socket}", "--timeout=20", *words])
