"""The metro stack: transit network, bastion, edge, image, flavors, DNS zone. Run as the operator."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pulumi
from pulumi_openstack import compute, dns, images, networking

from agglo.programs.components import Opening, port, security_group, server
from agglo.programs.inputs import Json, number, table, tables, text

_ANYWHERE = "0.0.0.0/0"
_RESERVED = 256  # addresses at the start of transit kept for the metropolis's own guests


def program(inputs: Json, assets: Mapping[str, Path]) -> None:
    """Declare the stack; ``assets["image"]`` is the golden image's file."""
    flavors = {text(f, "name"): _flavor(f) for f in tables(inputs, "flavors")}
    image = _image(table(inputs, "image"), assets["image"])
    public = networking.get_network(name=text(table(inputs, "public"), "network"), external=True)
    transit, subnet = _transit(table(inputs, "transit"))
    router = _router(table(inputs, "transit"), public.id, transit, subnet)
    zone = dns.Zone("zone", name=text(inputs, "zone"), email=f"hostmaster@{text(inputs, 'zone').rstrip('.')}", ttl=300)
    bastion_prefix = f"{text(table(inputs, 'transit'), 'bastion')}/32"
    groups = {
        "bastion": security_group("bastion", "ssh from outside", [Opening(22, _ANYWHERE)]),
        "edge": security_group(
            "edge",
            "web from outside, ssh from the bastion",
            [Opening(80, _ANYWHERE), Opening(443, _ANYWHERE), Opening(22, bastion_prefix)],
        ),
    }
    for name, group in groups.items():
        flavor = flavors[text(table(inputs, "flavor"), name)]
        fixed = port(name, transit.id, subnet.id, [group.id], text(table(inputs, "transit"), name))
        guest = server(
            name,
            port=fixed,
            image=image.id,
            flavor=flavor.id,
            user_data=text(table(inputs, "user_data"), name),
        )
        networking.FloatingIp(
            name,
            pool=text(table(inputs, "public"), "network"),
            address=text(table(inputs, "public"), name),
            port_id=fixed.id,
            opts=pulumi.ResourceOptions(depends_on=[router]),
        )
        pulumi.export(f"{name}_server", guest.id)
    pulumi.export("image", image.id)
    pulumi.export("flavors", {name: flavor.id for name, flavor in flavors.items()})
    pulumi.export("transit_network", transit.id)
    pulumi.export("transit_network_name", transit.name)
    pulumi.export("zone", zone.id)


def _flavor(flavor: Json) -> compute.Flavor:
    name = text(flavor, "name")
    return compute.Flavor(
        name,
        name=name,
        vcpus=number(flavor, "vcpus"),
        ram=number(flavor, "ram_mib"),
        disk=number(flavor, "disk_gib"),
        is_public=True,
    )


def _image(image: Json, file: Path) -> images.Image:
    """The golden image; its digest is a property, so that another file is another image."""
    return images.Image(
        "image",
        name=text(image, "name"),
        local_file_path=str(file),
        container_format="bare",
        disk_format="raw",
        visibility="public",
        properties={
            "os_distro": "debian",
            "os_version": "12",
            "os_hash_algo": "sha256",
            "agglo_sha256": text(image, "sha256"),
            "image_original_user": text(image, "user"),
        },
        opts=pulumi.ResourceOptions(ignore_changes=["localFilePath"], replace_on_changes=["properties.agglo_sha256"]),
    )


def _transit(transit: Json) -> tuple[networking.Network, networking.Subnet]:
    cidr = IPv4Network(text(transit, "cidr"))
    network = networking.Network(
        "transit",
        name="transit",
        external=True,
        segments=[
            networking.NetworkSegmentArgs(
                network_type="vlan",
                physical_network=text(transit, "physical_network"),
                segmentation_id=number(transit, "vlan"),
            )
        ],
    )
    subnet = networking.Subnet(
        "transit",
        name="transit",
        network_id=network.id,
        cidr=str(cidr),
        ip_version=4,
        gateway_ip=text(transit, "gateway"),
        enable_dhcp=False,
        allocation_pools=[
            networking.SubnetAllocationPoolArgs(start=_nth(cidr, _RESERVED), end=_nth(cidr, cidr.num_addresses - 2))
        ],
    )
    return network, subnet


def _router(
    transit: Json, public: str, network: networking.Network, subnet: networking.Subnet
) -> networking.RouterInterface:
    """The way out of transit: the router's leg on it has the subnet's gateway address."""
    router = networking.Router("metro", name="metro", external_network_id=public)
    leg = networking.Port(
        "metro-transit",
        name="metro-transit",
        network_id=network.id,
        fixed_ips=[networking.PortFixedIpArgs(subnet_id=subnet.id, ip_address=text(transit, "gateway"))],
        no_security_groups=True,
        port_security_enabled=False,
    )
    return networking.RouterInterface("metro-transit", router_id=router.id, port_id=leg.id)


def _nth(cidr: IPv4Network, n: int) -> str:
    return str(IPv4Address(int(cidr.network_address) + n))
