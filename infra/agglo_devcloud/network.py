"""The network namespaces of an embedded cloud and the links between them.

``-ext`` is the outside; ``-c1`` and ``-c2`` are compute hosts; ``-net`` holds two Linux bridges: ``underlay`` carries
geneve between the hosts, ``provider`` is the physical network of flat and VLAN networks, with the outside on it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from agglo_devcloud import compute
from agglo_devcloud.commands import run, succeeds
from agglo_devcloud.layout import PUBLIC_CIDR, PUBLIC_GATEWAY, Layout
from agglo_devcloud.settings import GUEST_MTU

NETNS_DIRECTORY = Path("/run/netns")
UNDERLAY_MTU = 1500


@dataclass(frozen=True)
class Veth:
    """A cable: ``end`` in namespace ``netns``, its other end ``port`` on ``bridge`` in the ``-net`` namespace."""

    netns: str
    end: str
    port: str
    bridge: str
    mtu: int


@dataclass(frozen=True)
class Plan:
    """All namespaces and links of a cloud, as data."""

    switch: str  # namespace of the bridges
    outside: str
    namespaces: tuple[str, ...]
    bridges: tuple[str, ...]
    veths: tuple[Veth, ...]


def plan(layout: Layout) -> Plan:
    """What the network of this cloud consists of."""
    hosts = compute.hosts(layout)
    veths = [Veth(layout.external_netns, "ext0", "ext", "provider", GUEST_MTU)]
    for host in hosts:
        veths.append(Veth(host.netns, "und0", f"und{host.number}", "underlay", UNDERLAY_MTU))
        veths.append(Veth(host.netns, "prv0", f"prv{host.number}", "provider", GUEST_MTU))
    switch = layout.netns("net")
    return Plan(
        switch=switch,
        outside=layout.external_netns,
        namespaces=(switch, layout.external_netns, *(host.netns for host in hosts)),
        bridges=("underlay", "provider"),
        veths=tuple(veths),
    )


def up(layout: Layout) -> bool:
    """Make what is missing; False when nothing was."""
    wanted = plan(layout)
    made = [add_namespace(name) for name in wanted.namespaces]
    present = links(wanted.switch)
    commands = [line for bridge in wanted.bridges if bridge not in present for line in _bridge_commands(bridge)]
    commands += [line for veth in wanted.veths if veth.port not in present for line in _veth_commands(veth)]
    if not commands:
        return any(made)
    run(["ip", "-n", wanted.switch, "-batch", "-"], text="\n".join(commands) + "\n")
    for veth in wanted.veths:
        run(["ip", "-n", veth.netns, "link", "set", veth.end, "addrgenmode", "none", "mtu", str(veth.mtu), "up"])
    _set_up_outside(wanted)
    return True


def _bridge_commands(bridge: str) -> list[str]:
    return [f"link add {bridge} type bridge", f"link set {bridge} addrgenmode none up"]


def _veth_commands(veth: Veth) -> list[str]:
    return [
        f"link add {veth.port} mtu {veth.mtu} type veth peer name {veth.end} netns {veth.netns}",
        f"link set {veth.port} addrgenmode none master {veth.bridge} up",
    ]


def _set_up_outside(wanted: Plan) -> None:
    prefix = PUBLIC_CIDR.rpartition("/")[2]
    run(["ip", "-n", wanted.outside, "address", "replace", f"{PUBLIC_GATEWAY}/{prefix}", "dev", "ext0"])
    # the userspace datapath takes packets as they are: a checksum left to the hardware would stay wrong
    run(enter(wanted.outside, "ethtool", "-K", "ext0", "tx", "off"))


def enter(netns: str, *command: str | Path) -> list[str]:
    """``command`` run inside the network namespace (``ip netns exec`` would hide cgroups)."""
    return ["nsenter", f"--net={NETNS_DIRECTORY / netns}", "--", *map(str, command)]


def add_namespace(name: str) -> bool:
    """Make the namespace with its loopback up; False when it is there."""
    if exists(name):
        return False
    (NETNS_DIRECTORY / name).unlink(missing_ok=True)  # a plain file: left by an interrupted add
    run(["ip", "netns", "add", name])
    run(["ip", "-n", name, "link", "set", "lo", "up"])
    return True


def exists(name: str) -> bool:
    """True when the network namespace is there and usable."""
    return (NETNS_DIRECTORY / name).exists() and succeeds(["ip", "-n", name, "link", "show", "lo"])


def remove_namespace(name: str) -> None:
    """Remove the namespace, and with it its links; nothing when it is gone."""
    if not succeeds(["ip", "netns", "delete", name]):
        (NETNS_DIRECTORY / name).unlink(missing_ok=True)


def links(netns: str) -> dict[str, str]:
    """Name to MAC address of each link in the namespace."""
    listed = json.loads(run(["ip", "-n", netns, "-json", "link", "show"]) or "[]")
    return {link["ifname"]: link.get("address", "") for link in listed}


def down_links(netns: str) -> set[str]:
    """Names of links in the namespace that were set down; none when there is no such namespace."""
    if not exists(netns):
        return set()
    listed = json.loads(run(["ip", "-n", netns, "-json", "link", "show"]) or "[]")
    return {link["ifname"] for link in listed if "UP" not in link["flags"]}


def namespaces(layout: Layout) -> list[str]:
    """Names of this cloud's namespaces that exist, guests' too."""
    if not NETNS_DIRECTORY.is_dir():
        return []
    return sorted(path.name for path in NETNS_DIRECTORY.iterdir() if path.name.startswith(layout.netns("")))


def down(layout: Layout) -> None:
    """Remove every namespace of this cloud; and the directory's own mount when no namespace is left on the machine."""
    for name in namespaces(layout):
        remove_namespace(name)
    if NETNS_DIRECTORY.is_dir() and not any(NETNS_DIRECTORY.iterdir()) and succeeds(["umount", NETNS_DIRECTORY]):
        NETNS_DIRECTORY.rmdir()
