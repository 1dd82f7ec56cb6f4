"""A guest's networks: its interfaces, and on each network the metadata service."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from agglo_devcloud.compute import ComputeHost
from agglo_devcloud.guests import Guest
from agglo_devcloud.openstack.virt import metadata, nics


def plug(host: ComputeHost, guest: Guest, vifs: Iterable[Any]) -> None:
    """Plug what is not plugged yet."""
    known = list(vifs)
    nics.plug_all(host, guest, known)
    for network, mtu in {vif["network"]["id"]: nics.nic(vif).mtu for vif in known}.items():
        metadata.ensure(guest.layout, host, network, mtu)


def unplug(host: ComputeHost, guest: Guest, vifs: Iterable[Any]) -> None:
    """Unplug what is plugged."""
    for vif in vifs:
        nics.unplug(host, guest, vif)
        metadata.drop(guest.layout, host, vif["network"]["id"])
