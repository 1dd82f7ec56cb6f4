"""A commune's landing zone: domain, project, quotas, network, users, DNS subzone. Run as the operator."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import pulumi
from pulumi_openstack import blockstorage, compute, dns, identity, loadbalancer, networking, objectstorage

from agglo.programs.components import dns_quota, network_quota, security_groups
from agglo.programs.inputs import Json, number, optional_text, table, text, texts


def program(inputs: Json, assets: Mapping[str, Path]) -> None:
    """Declare the stack."""
    slug, code = text(inputs, "slug"), text(inputs, "code")
    domain = identity.Project("domain", name=slug, is_domain=True, enabled=True, description=text(inputs, "name"))
    project = identity.Project(
        "project",
        name=slug,
        domain_id=domain.id,
        description=text(inputs, "name"),
        tags=texts(inputs, "tags"),
        enabled=True,
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
    groups = security_groups(inputs, project.id)
    user = identity.User(  # not in the commune's domain: whoever manages the users there does not reach it
        "user",
        name=f"agglo-{code}",
        domain_id=text(inputs, "user_domain"),
        default_project_id=project.id,
        enabled=True,
        opts=pulumi.ResourceOptions(replace_on_changes=["domainId"]),
    )
    for role in texts(inputs, "roles"):
        identity.RoleAssignment(f"user-{role}", user_id=user.id, project_id=project.id, role_id=_role(role))
    _people(slug, domain.id, project.id)
    name = optional_text(inputs, "zone")
    pulumi.export("domain", domain.id)
    pulumi.export("project", project.id)
    pulumi.export("user", user.id)
    pulumi.export("network", network.id)
    pulumi.export("subnet", subnet.id)
    pulumi.export("security_group", groups[f"{slug}-guest"].id)
    if name:
        pulumi.export("zone", _zone(name, project.id).id)


def _people(slug: str, domain: pulumi.Output[str], project: pulumi.Output[str]) -> None:
    """The commune's own people: its managers name its users and agents, its agents see what it has; none changes it."""
    managers = identity.GroupV3("managers", name=f"{slug}-managers", domain_id=domain)
    agents = identity.GroupV3("agents", name=f"{slug}-agents", domain_id=domain)
    identity.RoleAssignment("managers", group_id=managers.id, domain_id=domain, role_id=_role("manager"))
    identity.RoleAssignment("agents", group_id=agents.id, project_id=project, role_id=_role("reader"))


def _role(name: str) -> str:
    return identity.get_role(name=name).id


def _network(
    inputs: Json, project: pulumi.Output[str], after: list[pulumi.Resource]
) -> tuple[networking.Network, networking.Subnet]:
    slug = text(inputs, "slug")
    network = networking.Network(
        "network", name=slug, tenant_id=project, admin_state_up=True, opts=pulumi.ResourceOptions(depends_on=after)
    )
    subnet = networking.Subnet(
        "subnet",
        name=slug,
        network_id=network.id,
        cidr=text(inputs, "cidr"),
        ip_version=4,
        dns_nameservers=[text(inputs, "dns")],
        enable_dhcp=True,
        tenant_id=project,
    )
    router = networking.Router(
        "router",
        name=slug,
        external_network_id=text(inputs, "transit_network"),
        tenant_id=project,
        admin_state_up=True,
        opts=pulumi.ResourceOptions(depends_on=after),
    )
    networking.RouterInterface("router", router_id=router.id, subnet_id=subnet.id)
    return network, subnet


def _quotas(project: pulumi.Output[str], quota: Json) -> list[pulumi.Resource]:
    """Quotas of the services that the inputs name: the cloud may lack some."""
    makers: dict[str, Callable[[pulumi.Output[str], Json], pulumi.Resource]] = {
        "compute": _compute_quota,
        "network": partial(network_quota, "network"),
        "volume": _volume_quota,
        "dns": partial(dns_quota, "dns"),
        "load_balancer": _load_balancer_quota,
        "object_storage": _object_storage_quota,
    }
    return [make(project, table(quota, name)) for name, make in makers.items() if name in quota]


def _compute_quota(project: pulumi.Output[str], quota: Json) -> pulumi.Resource:
    return compute.QuotaSetV2(
        "compute",
        project_id=project,
        instances=number(quota, "instances"),
        cores=number(quota, "cores"),
        ram=number(quota, "ram_mib"),
        server_groups=number(quota, "server_groups"),
    )


def _volume_quota(project: pulumi.Output[str], quota: Json) -> pulumi.Resource:
    return blockstorage.QuoteSetV3(  # (sic) the package spells it so
        "volume",
        project_id=project,
        volumes=number(quota, "volumes"),
        gigabytes=number(quota, "gigabytes"),
        snapshots=number(quota, "snapshots"),
        backups=number(quota, "backups"),
        backup_gigabytes=number(quota, "backup_gigabytes"),
    )


def _load_balancer_quota(project: pulumi.Output[str], quota: Json) -> pulumi.Resource:
    return loadbalancer.Quota(
        "load-balancer",
        project_id=project,
        loadbalancer=number(quota, "load_balancers"),
        listener=number(quota, "listeners"),
        pool=number(quota, "pools"),
        member=number(quota, "members"),
        health_monitor=number(quota, "health_monitors"),
    )


def _object_storage_quota(project: pulumi.Output[str], quota: Json) -> pulumi.Resource:
    """The account's own metadata hold it, which only a reseller admin may set."""
    return objectstorage.AccountV1(
        "object-storage", project_id=project, metadata={"Quota-Bytes": str(number(quota, "gigabytes") * 2**30)}
    )


def _zone(name: str, project: pulumi.Output[str]) -> dns.Zone:
    """The commune's subzone stays the metropolis's; sharing it lets the commune's service user write names in it."""
    zone = dns.Zone("zone", name=name, email=f"hostmaster@{name.rstrip('.')}", ttl=300)
    dns.ZoneShareV2("zone", zone_id=zone.id, target_project_id=project)
    return zone
