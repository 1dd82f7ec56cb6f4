"""The metro stack: transit network, bastion, edges, ops, image, flavors, DNS zone. Run as the operator.

What is adopted is read by its id: it was there before, and stays when the stack is destroyed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pulumi
from pulumi_openstack import compute, dns, identity, images, networking

from agglo import scs
from agglo.metro import RESERVED
from agglo.programs.components import dns_quota, network_quota, port, security_groups, server
from agglo.programs.inputs import Json, named_tables, number, optional_text, table, tables, text, texts

_UNLIMITED = -1
_TXT = 253  # characters of one string of a TXT record, its quotes apart, as designate counts them


def program(inputs: Json, assets: Mapping[str, Path]) -> None:
    """Declare the stack; ``assets["image"]`` is the golden image's file."""
    flavors = {text(f, "name"): _flavor(f) for f in tables(inputs, "flavors")}
    channel = {text(build, "key"): build for build in tables(inputs, "channel")}
    made = {key: _image(table(inputs, "image"), build, assets) for key, build in channel.items()}
    public = networking.get_network(name=text(table(inputs, "public"), "network"), external=True)
    transit, subnet = _transit(table(inputs, "transit"))
    _quotas(table(inputs, "quota"), transit.tenant_id)
    router, leg = _router(table(inputs, "transit"), public.id, transit, subnet)
    guests = _Guests(inputs, transit.id, subnet.id, made, flavors, leg, security_groups(inputs))
    pulumi.export("bastion_server", guests.bastion().id)
    pulumi.export("edge_servers", {name: server.id for name, server in guests.edges().items()})
    pulumi.export("ops_server", guests.ops().id)
    users = identity.Project(
        "service-users", name="agglo", is_domain=True, enabled=True, description="agglo's own users, one per commune"
    )
    pulumi.export("domain", users.id)
    pulumi.export("image", list(channel)[-1])
    pulumi.export(
        "images",
        {key: {"id": made[key], "date": text(b, "date"), "adopted": b["adopted"]} for key, b in channel.items()},
    )
    pulumi.export("server_images", table(inputs, "server_images"))
    pulumi.export("flavors", flavors)
    if challenges := optional_text(inputs, "challenges"):
        writer, answers = _challenges(challenges, users.id, transit.tenant_id)
        pulumi.export("challenges_user", writer)
        pulumi.export("challenges_zone", answers)
    pulumi.export("project", transit.tenant_id)
    pulumi.export("transit_network", transit.id)
    pulumi.export("transit_network_name", transit.name)
    if inputs["zone"]:
        zone = _zone(table(inputs, "zone"))
        _mail_names(table(inputs, "mail"), zone, router.external_fixed_ips.apply(lambda ips: str(ips[0].ip_address)))
        pulumi.export("zone", zone)


@dataclass(frozen=True)
class _Guests:
    """The metropolis's own servers on transit, and what they are made from."""

    inputs: Json
    network: pulumi.Output[str]
    subnet: pulumi.Output[str]
    images: Mapping[str, pulumi.Input[str]]
    flavors: Mapping[str, pulumi.Input[str]]
    router: networking.RouterInterface
    groups: Mapping[str, networking.SecGroup]

    def bastion(self) -> compute.Instance:
        """The way in for ssh, on an address of its own."""
        fixed = self._port("bastion", "bastion", text(self._transit, "bastion"))
        self._floating_ip("bastion", fixed)
        return self._server("bastion", fixed)

    def edges(self) -> dict[str, compute.Instance]:
        """The edges; a port without a server keeps the address that one of them has.

        One after the other: the scheduler puts a server apart from those that it knows of.
        """
        vip = text(self._transit, "vip")
        self._floating_ip("edge", self._port("edge", "edge-1", vip))
        apart = compute.ServerGroup("edge", name="edge", policies="soft-anti-affinity")
        made: dict[str, compute.Instance] = {}
        for n, address in enumerate(texts(self._transit, "edges"), 1):
            name = f"edge-{n}"
            fixed = self._port(name, name, address, shares=vip)
            made[name] = self._server(name, fixed, apart.id, list(made.values())[-1:])
        return made

    def ops(self) -> compute.Instance:
        """Metrics, logs, mail and the way out of all guests."""
        return self._server("ops", self._port("ops", "ops", text(self._transit, "ops")))

    def _server(
        self,
        name: str,
        fixed: networking.Port,
        group: pulumi.Output[str] | None = None,
        after: Sequence[compute.Instance] = (),
    ) -> compute.Instance:
        return server(
            name,
            port=fixed,
            image=self.images[text(table(self.inputs, "server_images"), name)],
            flavor=self.flavors[text(self._wanted(name), "flavor")],
            user_data=text(table(self.inputs, "user_data"), name),
            availability_zone=optional_text(self.inputs, "availability_zone"),
            group=group,
            depends_on=after,
        )

    def _port(self, name: str, guest: str, address: str, shares: str | None = None) -> networking.Port:
        """A port in the security groups of ``guest``."""
        groups = [self.groups[group].id for group in texts(self._wanted(guest), "security_groups")]
        return port(name, self.network, self.subnet, groups, address, shares=shares)

    def _wanted(self, name: str) -> Json:
        return named_tables(self.inputs, "servers")[name]

    def _floating_ip(self, name: str, fixed: networking.Port) -> None:
        public = table(self.inputs, "public")
        networking.FloatingIp(
            name,
            pool=text(public, "network"),
            address=text(public, name),
            port_id=fixed.id,
            opts=pulumi.ResourceOptions(depends_on=[self.router]),
        )

    @property
    def _transit(self) -> Json:
        return table(self.inputs, "transit")


def _zone(zone: Json) -> pulumi.Input[str]:
    name = text(zone, "name")
    if zone["adopted"]:
        return dns.Zone.get("adopted-zone", text(zone, "adopted")).id
    return dns.Zone("zone", name=name, email=f"hostmaster@{name.rstrip('.')}", ttl=300).id


def _challenges(
    name: str, domain: pulumi.Output[str], project: pulumi.Output[str]
) -> tuple[pulumi.Output[str], pulumi.Output[str]]:
    """The zone in which edges answer ACME's challenges, and the user whose credential may write in it alone."""
    zone = dns.Zone("challenges", name=name, email=f"hostmaster@{name.rstrip('.')}", ttl=60)
    user = identity.User("acme", name="agglo-acme", domain_id=domain, default_project_id=project, enabled=True)
    role = identity.get_role(name="member").id
    identity.RoleAssignment("acme-member", user_id=user.id, project_id=project, role_id=role)
    return user.id, zone.id


def _quotas(quota: Json, project: pulumi.Output[str]) -> None:
    """Of the project that the operator works in, known from what was made in it."""
    network_quota("operator", project, table(quota, "network"), subnetpools=_UNLIMITED)
    if "dns" in quota:
        dns_quota("operator", project, table(quota, "dns"))


def _flavor(flavor: Json) -> pulumi.Input[str]:
    name = text(flavor, "name")
    if flavor["adopted"]:
        return compute.Flavor.get(f"adopted-{name}", text(flavor, "adopted")).id
    made = compute.Flavor(
        name,
        name=name,
        vcpus=number(flavor, "vcpus"),
        ram=number(flavor, "ram_mib"),
        disk=number(flavor, "disk_gib"),
        is_public=True,
        extra_specs=scs.extra_specs(name),
    )
    return made.id


def _image(image: Json, build: Json, assets: Mapping[str, Path]) -> pulumi.Input[str]:
    """One golden image of the channel. Another file is another image; what an older one is stays as it was."""
    key = text(build, "key")
    if build["adopted"]:
        return images.Image.get(f"adopted-{key}", key).id
    built = {"image_build_date": text(build, "date")} if build["date"] else {}
    made = images.Image(
        f"image-{key[:12]}",
        name=text(image, "name"),
        local_file_path=str(assets["image"]),
        container_format="bare",
        disk_format="raw",
        visibility="public",
        min_disk_gb=number(image, "min_disk_gib"),
        min_ram_mb=number(image, "min_ram_mib"),
        properties={
            **{name: str(value) for name, value in table(image, "properties").items()},
            **built,
            "os_hash_algo": "sha256",
            "agglo_sha256": key,
        },
        opts=pulumi.ResourceOptions(ignore_changes=["localFilePath"]),
    )
    return made.id


def _transit(transit: Json) -> tuple[networking.Network, networking.Subnet]:
    cidr = IPv4Network(text(transit, "cidr"))
    network = networking.Network(  # external for those that an RBAC policy names: itself, and each landing zone
        "transit",
        name="transit",
        external=True,
        admin_state_up=True,
        segments=[
            networking.NetworkSegmentArgs(
                network_type="vlan",
                physical_network=text(transit, "physical_network"),
                segmentation_id=number(transit, "vlan"),
            )
        ],
    )
    networking.RbacPolicyV2(
        "transit",
        action="access_as_external",
        object_type="network",
        object_id=network.id,
        target_tenant=network.tenant_id,
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
            networking.SubnetAllocationPoolArgs(start=_nth(cidr, RESERVED), end=_nth(cidr, cidr.num_addresses - 2))
        ],
    )
    return network, subnet


def _router(
    transit: Json, public: str, network: networking.Network, subnet: networking.Subnet
) -> tuple[networking.Router, networking.RouterInterface]:
    """The way out of transit: the router's leg on it has the subnet's gateway address."""
    router = networking.Router("metro", name="metro", external_network_id=public, admin_state_up=True)
    leg = networking.Port(
        "metro-transit",
        name="metro-transit",
        network_id=network.id,
        fixed_ips=[networking.PortFixedIpArgs(subnet_id=subnet.id, ip_address=text(transit, "gateway"))],
        no_security_groups=True,
        port_security_enabled=False,
    )
    return router, networking.RouterInterface("metro-transit", router_id=router.id, port_id=leg.id)


def _mail_names(mail: Json, zone: pulumi.Input[str], address: pulumi.Output[str]) -> None:
    """Who may send mail of the metropolis's domains, and how it is signed; ``address`` is what guests go out with."""
    selector, key = text(mail, "selector"), text(mail, "key")
    path = text(mail, "path") or pulumi.Output.concat("ip4:", address)
    for sender in texts(mail, "senders"):
        said: dict[str, pulumi.Input[str]] = {
            f"{sender}.": pulumi.Output.concat('"v=spf1 ', path, ' -all"'),
            f"_dmarc.{sender}.": '"v=DMARC1; p=quarantine; aspf=s; adkim=s"',
        }
        if key:
            signed = f"v=DKIM1; k=rsa; p={key}"
            said[f"{selector}._domainkey.{sender}."] = f'"{signed[:_TXT]}" "{signed[_TXT:]}"'
        for name, value in said.items():
            dns.RecordSet(name.rstrip("."), zone_id=zone, name=name, type="TXT", ttl=300, records=[value])


def _nth(cidr: IPv4Network, n: int) -> str:
    return str(IPv4Address(int(cidr.network_address) + n))
