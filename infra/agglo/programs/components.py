"""Pieces that several programs use.

What drift is looked for in is said here and in the programs even where it is the default: the engine takes what nobody
said as it finds it.
"""

from __future__ import annotations

from collections.abc import Sequence

import pulumi
from pulumi_openstack import compute, dns, networking

from agglo.programs.inputs import Json, named_tables, number, optional, table, tables, text


def security_groups(inputs: Json, project: pulumi.Input[str] | None = None) -> dict[str, networking.SecGroup]:
    """The security groups that ``inputs`` name: each admits its ``openings`` and lets out where ``egress`` says.

    A way out has ``prefix`` and, unless it is for all protocols, ``protocol`` and ``port``; without any, none.
    """
    out = inputs.get("egress") and table(inputs, "egress")
    return {
        name: _security_group(name, group, tables(out, name) if out and name in out else [], project)
        for name, group in named_tables(inputs, "security_groups").items()
    }


def _security_group(
    name: str, wanted: Json, egress: Sequence[Json], project: pulumi.Input[str] | None
) -> networking.SecGroup:
    """Rules are by prefix, never by group."""
    group = networking.SecGroup(
        name, name=name, description=text(wanted, "description"), tenant_id=project, delete_default_rules=True
    )
    for way in egress:
        prefix, protocol, port = text(way, "prefix"), way.get("protocol"), way.get("port")
        networking.SecGroupRule(
            f"{name}-to-{prefix}-{protocol or 'any'}-{port or 'any'}",
            security_group_id=group.id,
            direction="egress",
            ethertype="IPv4",
            protocol=text(way, "protocol") if protocol else None,
            port_range_min=number(way, "port") if port else None,
            port_range_max=number(way, "port") if port else None,
            remote_ip_prefix=prefix,
            tenant_id=project,
        )
    for opening in tables(wanted, "openings"):
        port, prefix, protocol = optional(opening, "port"), text(opening, "prefix"), text(opening, "protocol")
        networking.SecGroupRule(
            f"{name}-{port or protocol}-from-{prefix}",
            security_group_id=group.id,
            direction="ingress",
            ethertype="IPv4",
            protocol=protocol,
            port_range_min=port,
            port_range_max=port,
            remote_ip_prefix=prefix,
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
    group: pulumi.Input[str] | None = None,
    availability_zone: str | None = None,
    depends_on: Sequence[pulumi.Resource] = (),
    volumes: Sequence[pulumi.Input[str]] = (),
) -> compute.Instance:
    """A server on one port, in a server ``group``; its metadata come by config drive: it boots without a service.

    Another image is another server: the provider would rebuild it in place, and nobody would see that it is bare.
    """
    return compute.Instance(
        name,
        name=name,
        image_id=image,
        flavor_id=flavor,
        availability_zone=availability_zone,
        networks=[compute.InstanceNetworkArgs(port=port.id)],
        user_data=user_data,
        config_drive=True,
        block_devices=_block_devices(image, volumes) if volumes else None,
        power_state="active",
        scheduler_hints=[compute.InstanceSchedulerHintArgs(group=group)] if group else None,
        opts=pulumi.ResourceOptions(
            depends_on=list(depends_on), delete_before_replace=True, replace_on_changes=["imageId"]
        ),
    )


def _block_devices(
    image: pulumi.Input[str], volumes: Sequence[pulumi.Input[str]]
) -> list[compute.InstanceBlockDeviceArgs]:
    """The image, and volumes that come and leave with the server: what a guest has mounted cannot be detached alone."""
    root = compute.InstanceBlockDeviceArgs(
        uuid=image, source_type="image", destination_type="local", boot_index=0, delete_on_termination=True
    )
    return [root] + [
        compute.InstanceBlockDeviceArgs(
            uuid=volume, source_type="volume", destination_type="volume", boot_index=-1, delete_on_termination=False
        )
        for volume in volumes
    ]


def port(
    name: str,
    network: pulumi.Input[str],
    subnet: pulumi.Input[str],
    groups: Sequence[pulumi.Input[str]],
    address: str | None = None,
    shares: str | None = None,
) -> networking.Port:
    """A port with one fixed address (given, or chosen by Neutron); it may also use the address that it ``shares``."""
    return networking.Port(
        name,
        name=name,
        network_id=network,
        security_group_ids=list(groups),
        fixed_ips=[networking.PortFixedIpArgs(subnet_id=subnet, ip_address=address)],
        allowed_address_pairs=[networking.PortAllowedAddressPairArgs(ip_address=shares)] if shares else [],
        admin_state_up=True,
        port_security_enabled=True,
    )


def network_quota(
    name: str, project: pulumi.Input[str], quota: Json, *, subnetpools: int | None = None
) -> networking.QuotaV2:
    """Neutron's quotas of a project; of RBAC policies where ``quota`` names them, of subnet pools where it is said."""
    return networking.QuotaV2(
        name,
        project_id=project,
        network=number(quota, "networks"),
        subnet=number(quota, "subnets"),
        subnetpool=subnetpools,
        router=number(quota, "routers"),
        port=number(quota, "ports"),
        floatingip=number(quota, "floating_ips"),
        security_group=number(quota, "security_groups"),
        security_group_rule=number(quota, "security_group_rules"),
        rbac_policy=number(quota, "rbac_policies") if "rbac_policies" in quota else None,
    )


def dns_quota(name: str, project: pulumi.Input[str], quota: Json) -> dns.QuotaV2:
    """Designate's quotas of a project."""
    return dns.QuotaV2(
        name,
        project_id=project,
        zones=number(quota, "zones"),
        zone_recordsets=number(quota, "zone_recordsets"),
        recordset_records=number(quota, "recordset_records"),
    )
