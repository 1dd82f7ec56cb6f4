"""A commune's landing zone: domain, project, quotas, network, service user, DNS subzone. Run as the operator."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pulumi
from pulumi_openstack import blockstorage, compute, dns, identity, networking

from agglo.programs.components import Opening, security_group
from agglo.programs.inputs import Json, number, table, text, texts


def program(inputs: Json, assets: Mapping[str, Path]) -> None:
    """Declare the stack."""
    slug, insee = text(inputs, "slug"), text(inputs, "insee")
    domain = identity.Project("domain", name=slug, is_domain=True, description=text(inputs, "name"))
    project = identity.Project(
        "project",
        name=slug,
        domain_id=domain.id,
        description=text(inputs, "name"),
        tags=texts(inputs, "tags"),
    )
    quotas = _quotas(project.id, table(inputs, "quota"))
    access = networking.RbacPolicyV2(
        "transit",
        action="access_as_external",
        object_type="network",
        object_id=text(inputs, "transit_network"),
        target_tenant=project.id,
    )
    network, subnet = _network(inputs, project.id, [access, *quotas])
    group = security_group(
        f"{slug}-guest",
        "ssh from the metropolis's bastion",
        [Opening(22, f"{text(inputs, 'bastion')}/32")],
        project=project.id,
    )
    user = identity.User("user", name=f"agglo-{insee}", domain_id=domain.id, default_project_id=project.id)
    for role in texts(inputs, "roles"):
        identity.RoleAssignment(
            f"user-{role}", user_id=user.id, project_id=project.id, role_id=identity.get_role(name=role).id
        )
    zone = _zone(inputs, project.id)
    pulumi.export("domain", domain.id)
    pulumi.export("project", project.id)
    pulumi.export("user", user.id)
    pulumi.export("network", network.id)
    pulumi.export("subnet", subnet.id)
    pulumi.export("security_group", group.id)
    pulumi.export("zone", zone.id)


def _network(
    inputs: Json, project: pulumi.Output[str], after: list[pulumi.Resource]
) -> tuple[networking.Network, networking.Subnet]:
    slug = text(inputs, "slug")
    network = networking.Network("network", name=slug, tenant_id=project, opts=pulumi.ResourceOptions(depends_on=after))
    subnet = networking.Subnet(
        "subnet",
        name=slug,
        network_id=network.id,
        cidr=text(inputs, "cidr"),
        ip_version=4,
        dns_nameservers=[text(inputs, "dns")],
        tenant_id=project,
    )
    router = networking.Router(
        "router",
        name=slug,
        external_network_id=text(inputs, "transit_network"),
        tenant_id=project,
        opts=pulumi.ResourceOptions(depends_on=after),
    )
    networking.RouterInterface("router", router_id=router.id, subnet_id=subnet.id)
    return network, subnet


def _quotas(project: pulumi.Output[str], quota: Json) -> list[pulumi.Resource]:
    of_compute, of_network = table(quota, "compute"), table(quota, "network")
    of_volume, of_dns = table(quota, "volume"), table(quota, "dns")
    return [
        compute.QuotaSetV2(
            "compute",
            project_id=project,
            instances=number(of_compute, "instances"),
            cores=number(of_compute, "cores"),
            ram=number(of_compute, "ram_mib"),
            server_groups=number(of_compute, "server_groups"),
        ),
        networking.QuotaV2(
            "network",
            project_id=project,
            network=number(of_network, "networks"),
            subnet=number(of_network, "subnets"),
            router=number(of_network, "routers"),
            port=number(of_network, "ports"),
            floatingip=number(of_network, "floating_ips"),
            security_group=number(of_network, "security_groups"),
            security_group_rule=number(of_network, "security_group_rules"),
        ),
        blockstorage.QuoteSetV3(  # (sic) the package spells it so
            "volume",
            project_id=project,
            volumes=number(of_volume, "volumes"),
            gigabytes=number(of_volume, "gigabytes"),
            snapshots=number(of_volume, "snapshots"),
            backups=number(of_volume, "backups"),
            backup_gigabytes=number(of_volume, "backup_gigabytes"),
        ),
        dns.QuotaV2(
            "dns",
            project_id=project,
            zones=number(of_dns, "zones"),
            zone_recordsets=number(of_dns, "zone_recordsets"),
            recordset_records=number(of_dns, "recordset_records"),
        ),
    ]


def _zone(inputs: Json, project: pulumi.Output[str]) -> dns.Zone:
    """The commune's subzone stays the metropolis's; sharing it lets the commune's service user write names in it."""
    name = text(inputs, "zone")
    zone = dns.Zone("zone", name=name, email=f"hostmaster@{name.rstrip('.')}", ttl=300)
    dns.ZoneShareV2("zone", zone_id=zone.id, target_project_id=project)
    return zone
