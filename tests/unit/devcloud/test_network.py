"""The network plan of an embedded cloud, as data."""

from __future__ import annotations

from pathlib import Path

import pytest

from agglo_devcloud import compute, network, ovn
from agglo_devcloud.layout import Layout

LAYOUT = Layout("blue", 2, Path("/var/lib/agglo-dev"))


def test_namespaces_carry_the_clouds_name() -> None:
    assert network.plan(LAYOUT).namespaces == ("agglo-blue-net", "agglo-blue-ext", "agglo-blue-c1", "agglo-blue-c2")


def test_two_clouds_share_no_namespace() -> None:
    other = network.plan(Layout("red", 3, LAYOUT.base))
    assert not set(network.plan(LAYOUT).namespaces) & set(other.namespaces)


def test_every_compute_host_is_on_both_bridges_and_the_outside_on_the_provider_network() -> None:
    cables = {(veth.netns, veth.bridge) for veth in network.plan(LAYOUT).veths}
    hosts = [host.netns for host in compute.hosts(LAYOUT)]
    wanted = {(host, bridge) for host in hosts for bridge in ("underlay", "provider")}
    assert cables == wanted | {("agglo-blue-ext", "provider")}


def test_ports_of_the_switch_are_unique_and_fit_the_kernel() -> None:
    plan = network.plan(LAYOUT)
    ports = [veth.port for veth in plan.veths]
    assert len(set(ports)) == len(ports)
    assert all(len(name) <= 15 for name in (*ports, *plan.bridges))


def test_the_underlay_has_room_for_geneve() -> None:
    mtus = {veth.bridge: veth.mtu for veth in network.plan(LAYOUT).veths}
    assert mtus["underlay"] >= mtus["provider"] + 58


def test_tunnel_addresses_differ() -> None:
    assert [host.tunnel for host in compute.hosts(LAYOUT)] == ["172.31.255.1", "172.31.255.2"]


def test_entering_a_namespace_keeps_the_mounts() -> None:
    assert network.enter("agglo-blue-ext", "true") == ["nsenter", "--net=/run/netns/agglo-blue-ext", "--", "true"]


def test_every_compute_host_maps_the_provider_network_and_may_be_a_gateway() -> None:
    for host in compute.hosts(LAYOUT):
        words = ovn._bridges(LAYOUT, host)
        assert "external-ids:ovn-bridge-mappings=public:br-ex" in words
        assert "external-ids:ovn-cms-options=enable-chassis-as-gw" in words
        assert f"external-ids:ovn-encap-ip={host.tunnel}" in words


def test_only_this_clouds_namespaces_are_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("agglo-blue-ext", "agglo-blue-g1234abcd", "agglo-blue2-ext", "other"):
        (tmp_path / name).touch()
    monkeypatch.setattr(network, "NETNS_DIRECTORY", tmp_path)
    assert network.namespaces(LAYOUT) == ["agglo-blue-ext", "agglo-blue-g1234abcd"]
