"""Pieces that several programs use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
from pulumi_openstack import compute, networking


@dataclass(frozen=True)
class Opening:
    """One ingress rule: TCP ``port`` from ``prefix`` (IPv4, CIDR)."""

    port: int
    prefix: str


def security_group(
    name: str,
    description: str,
    openings: Sequence[Opening],
    *,
    project: pulumi.Input[str] | None = None,
) -> networking.SecGroup:
    """A security group that admits ``openings`` and lets everything out; rules are by prefix, never by group."""
    group = networking.SecGroup(name, name=name, description=description, tenant_id=project)
    for opening in openings:
        networking.SecGroupRule(
            f"{name}-{opening.port}-from-{opening.prefix}",
            security_group_id=group.id,
            direction="ingress",
            ethertype="IPv4",
            protocol="tcp",
            port_range_min=opening.port,
            port_range_max=opening.port,
            remote_ip_prefix=opening.prefix,
            tenant_id=project,
        )
    return group


def server(
    name: str,
    *,
    port: networking.Port,
    image: pulumi.Input[str],
    flavor: pulumi.Input[str],
    user_data: str,
    depends_on: Sequence[pulumi.Resource] = (),
) -> compute.Instance:
    """A server on one port; its metadata come by config drive, so that it needs no metadata service to boot."""
    return compute.Instance(
        name,
        name=name,
        image_id=image,
        flavor_id=flavor,
        networks=[compute.InstanceNetworkArgs(port=port.id)],
        user_data=user_data,
        config_drive=True,
        opts=pulumi.ResourceOptions(depends_on=list(depends_on), delete_before_replace=True),
    )


def port(
    name: str,
    network: pulumi.Input[str],
    subnet: pulumi.Input[str],
    groups: Sequence[pulumi.Input[str]],
    address: str | None = None,
) -> networking.Port:
    """A port with one fixed address (given, or chosen by Neutron)."""
    return networking.Port(
        name,
        name=name,
        network_id=network,
        security_group_ids=list(groups),
        fixed_ips=[networking.PortFixedIpArgs(subnet_id=subnet, ip_address=address)],
    )
