"""The metadata service: ``http://169.254.169.254`` on every network with DHCP, as OVN's metadata agent gives it.

Neutron gives each network a port for it, which OVN has on every compute host at once, and guests a route to it by DHCP.
That port is plugged into a network namespace per host and network, where Nova answers. (The agent itself names its
namespaces after networks alone, so one machine could not hold two compute hosts.)
"""

from __future__ import annotations

import json
import socket
import threading
from typing import Any

from nova import context, objects
from nova.api.metadata import handler
from waitress import server

from agglo_devcloud import network
from agglo_devcloud.commands import run
from agglo_devcloud.compute import ComputeHost
from agglo_devcloud.layout import Layout
from agglo_devcloud.openstack.virt import nics
from agglo_devcloud.relay import make_socket

ADDRESS = "169.254.169.254"
_PORT = 80
_MARK = "agglo-metadata"  # an external id of the OVS port: the network
_lock = threading.Lock()
_servers: dict[str, Any] = {}  # namespace to the server in it: sockets end with this process


def namespace(layout: Layout, host: ComputeHost, network_id: str) -> str:
    """Name of the network namespace of a network's metadata port on a compute host."""
    return layout.netns(f"m{host.number}{network_id[:8]}")


def ensure(layout: Layout, host: ComputeHost, network_id: str, mtu: int) -> None:
    """Answer on the network, on this host; nothing for a network that has no port for it."""
    port = _metadata_port(layout, network_id)
    if port is None:
        return
    netns = namespace(layout, host, network_id)
    with _lock:
        network.add_namespace(netns)
        mark = f"external-ids:{_MARK}={network_id}"
        nics.insert(layout, host, netns, nics.Nic(port["id"], port["mac"], mtu), mark)
        addresses = [*port["cidrs"], f"{ADDRESS}/32"]
        lines = [f"address replace {address} dev eth0" for address in addresses]
        run(["ip", "-n", netns, "-batch", "-"], text="\n".join([*lines, "link set eth0 up"]) + "\n")
        if netns not in _servers:
            _servers[netns] = _serve(netns, host, network_id)


def drop(layout: Layout, host: ComputeHost, network_id: str) -> None:
    """Answer no more on a network of which the host has no guest."""
    netns = namespace(layout, host, network_id)
    with _lock:
        if nics.used(host, network_id):
            return
        if listener := _servers.pop(netns, None):
            listener.close()
            listener.task_dispatcher.shutdown()
        for name in nics.found(host, _MARK, network_id):
            nics.remove(host, name)
        network.remove_namespace(netns)


def _metadata_port(layout: Layout, network_id: str) -> dict[str, Any] | None:
    """What Neutron's driver wrote of the network's metadata port into OVN's northbound database."""
    wanted = f"external_ids:neutron\\:device_id=ovnmeta-{network_id}"
    command = ["ovn-nbctl", f"--db=unix:{layout.ovn_socket}", "--format=json", "--columns=name,addresses,external_ids"]
    command += ["find", "Logical_Switch_Port", "type=localport", wanted]
    for name, addresses, (_, pairs) in json.loads(run(command))["data"]:
        cidrs = dict(pairs).get("neutron:cidrs", "").split()
        if cidrs:
            return {"id": name, "mac": str(addresses).split()[0], "cidrs": cidrs}
    return None


def _serve(netns: str, host: ComputeHost, network_id: str) -> Any:
    made = make_socket(netns, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind(("", _PORT))
    listener = server.create_server(_Handler(host, network_id), map={}, sockets=[made], threads=2, ident=None)
    threading.Thread(target=listener.run, daemon=True, name=f"metadata-{netns}").start()
    return listener


class _Handler(handler.MetadataRequestHandler):
    """Nova's own answers; who asks is known by network and address, as the agent would say."""

    def __init__(self, host: ComputeHost, network_id: str) -> None:
        super().__init__()
        self._host, self._network = host, network_id

    def _handle_remote_ip_request(self, req: Any) -> Any:
        asker = self._instance(req.remote_addr)
        return self.get_metadata_by_instance_id(asker, req.remote_addr) if asker else None

    def _instance(self, address: str) -> str | None:
        """The host's server with this address on the network."""
        known = objects.InstanceList.get_by_host(
            context.get_admin_context(), self._host.name, expected_attrs=["info_cache"]
        )
        for instance in known:
            for vif in instance.get_network_info():
                if vif["network"]["id"] == self._network and address in {ip["address"] for ip in vif.fixed_ips()}:
                    return str(instance.uuid)
        return None
