"""Stacks: what one Pulumi stack is made from, and how its outputs feed the next ones. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import cast

from pydantic import JsonValue

from agglo import digest, ops, userdata
from agglo.capabilities import QUOTAS, Capabilities, Part, adopted_flavor, adopted_zone, parts
from agglo.channel import Build, builds, choose
from agglo.declared import METRO_GROUP, Declared, guest_name, of_instance, of_metro, of_zone, zone_group
from agglo.errors import AggloError
from agglo.metro import Flavor, Metro, Tenant
from agglo.project import Project
from agglo.request import Request, Role

Inputs = dict[str, JsonValue]
Outputs = Mapping[str, JsonValue]


class Kind(StrEnum):
    """Pulumi projects."""

    METRO = "metro"
    COMMUNE = "commune"
    INSTANCE = "instance"


@dataclass(frozen=True, order=True)
class StackId:
    """A stack: ``metro/<region>``, ``commune/<code>``, ``instance/<code>-<service>`` (code: INSEE's, or a SIREN)."""

    kind: Kind
    name: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"


@dataclass(frozen=True)
class Target:
    """A stack that a selector means, with what it is made for."""

    id: StackId
    title: str
    tenant: Tenant | None = None
    request: Request | None = None


@dataclass(frozen=True)
class Site:
    """Facts of the cloud at hand that files do not say.

    The image's digest, the ssh certificate authority, ACME, the public key of the mail's signature (or ""), and the day
    of the image's file (UTC, YYYY-MM-DD). ``capabilities`` are None where the cloud was not asked: it is then taken to
    have everything. ``patch`` are the servers that are to run on the newest image.
    """

    image_sha256: str
    user_ca: str
    acme_directory: str
    acme_ca: str
    mail_key: str = ""
    capabilities: Capabilities | None = None
    image_date: str = ""
    patch: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Spec:
    """What a stack's program gets; ``missing`` stacks have to be applied first (``inputs`` is then empty).

    The metro stack's has the ``capabilities`` that its inputs were made for.
    """

    target: Target
    inputs: Inputs
    missing: tuple[StackId, ...] = ()
    capabilities: Capabilities | None = None

    @cached_property
    def digest(self) -> str:
        """sha256 of the inputs."""
        return digest.of_json(self.inputs)


class _Applied(dict[str, JsonValue]):
    """Outputs of a stack. Raises AggloError for one that the stack did not have when it was applied."""

    def __init__(self, stack: StackId, outputs: Outputs) -> None:
        super().__init__(outputs)
        self._stack = stack

    def __missing__(self, key: str) -> JsonValue:
        raise AggloError(
            f"{self._stack} was applied by an older agglo: its record has no '{key}'",
            hint=f"agglo apply {self._stack.name if self._stack.kind is Kind.COMMUNE else 'metro'} --force",
        )


def metro_target(project: Project) -> Target:
    """The metropolis's own stack."""
    return Target(StackId(Kind.METRO, project.metro.region), "metro")


def commune_target(tenant: Tenant) -> Target:
    """The landing zone of a commune, or of the metropolis as a tenant."""
    return Target(StackId(Kind.COMMUNE, tenant.code), tenant.key, tenant)


def instance_target(request: Request) -> Target:
    """An instance of a service, or a membership in a shared one."""
    return Target(instance_id(request), request.instance, request.tenant, request)


def instance_id(request: Request) -> StackId:
    """The stack of a request."""
    return StackId(Kind.INSTANCE, f"{request.tenant.code}-{request.service}")


def needs(project: Project, target: Target) -> tuple[StackId, ...]:
    """The stacks whose outputs ``target`` is made from, and those of the services that it requires."""
    if target.tenant is None:
        return ()
    metro = metro_target(project).id
    if target.request is None:
        return (metro,)
    founded_on = map(instance_id, project.foundations(target.request))
    return (metro, StackId(Kind.COMMUNE, target.tenant.code), *founded_on)


def declared(project: Project, target: Target) -> Declared:
    """What ``target`` opens and starts; needs no outputs."""
    if target.tenant is None:
        return of_metro(project.metro)
    return of_instance(project, target.request) if target.request else of_zone(project.metro, target.tenant)


def make_spec(project: Project, site: Site, target: Target, outputs: Mapping[StackId, Outputs]) -> Spec:
    """The spec of ``target``, given the outputs of the stacks that are applied."""
    inputs, request = declared(project, target).inputs(), target.request
    if target.tenant is None:
        return Spec(target, inputs | _metro_inputs(project, site, outputs), capabilities=site.capabilities)
    metro, zone = metro_target(project).id, StackId(Kind.COMMUNE, target.tenant.code)
    host = StackId(Kind.INSTANCE, f"{project.epci.code}-{request.service}") if request else zone
    member = request is not None and request.role is Role.MEMBER
    needed = [metro, *([zone] if request else []), *([host] if member else [])]
    missing = tuple(stack for stack in needed if not outputs.get(stack))
    if missing:
        return Spec(target, {}, missing)
    known = {stack: _Applied(stack, outputs[stack]) for stack in needed}
    if request is None:
        return Spec(target, inputs | _commune_inputs(project, site, target.tenant, known[metro]))
    if member:
        return Spec(target, inputs | _member_inputs(project, request, known[zone], known[host]))
    mine = outputs.get(target.id, {})
    return Spec(target, inputs | _instance_inputs(project, site, request, known[metro], known[zone], mine))


def newest_image(metro: Metro, site: Site) -> Build | None:
    """The newest image of the channel; None where one is to be adopted that the cloud was not asked for."""
    if not metro.image.adopt:
        return Build(site.image_sha256, str(metro.image.properties.get("image_build_date", site.image_date)))
    there = site.capabilities.images if site.capabilities else ()
    return Build(there[0], adopted=True) if there else None


def _metro_inputs(project: Project, site: Site, outputs: Mapping[StackId, Outputs]) -> Inputs:
    metro, found = project.metro, site.capabilities
    mine, newest = outputs.get(metro_target(project).id, {}), newest_image(metro, site)
    channel = builds(newest, mine, outputs.values()) if newest else []
    names = Part.DNS in parts(metro, found)
    return {
        "zone": {"name": metro.zone, "adopted": adopted_zone(metro, found)} if names else None,
        "challenges": metro.challenges if names and metro.acme.by_dns else None,
        "public": metro.public.model_dump(mode="json", exclude={"ssh_from"}),
        "transit": metro.transit.model_dump(mode="json"),
        "image": _image(metro),
        "channel": [build.to_json() for build in channel],
        "server_images": {**choose(metro.guests, newest.key, mine, mine, site.patch)} if newest else {},
        "flavors": [_flavor(flavor, found) for flavor in metro.flavors],
        "availability_zone": metro.availability_zone,
        "quota": metro.operator_quota.model_dump(mode="json", exclude=set() if names else {"dns"}),
        "user_data": {name: userdata.make(name, site.user_ca) for name in metro.guests},
        "egress": {
            METRO_GROUP: ops.egress(metro),
            ops.NAME: ops.egress_of_proxy(metro, site.acme_directory),
        },
        "mail": ops.mail_names(metro, site.mail_key),
    }


def _flavor(flavor: Flavor, found: Capabilities | None) -> JsonValue:
    there = adopted_flavor(flavor, found)
    return {**flavor.model_dump(mode="json", exclude={"adopt"}), "adopted": there.id if there else None}


def _image(metro: Metro) -> JsonValue:
    """What all images of the channel have in common."""
    image = metro.image
    return {
        "name": image.name,
        "min_disk_gib": image.min_disk_gib,
        "min_ram_mib": image.min_ram_mib,
        "properties": {"image_original_user": image.user, **image.properties},
    }


def _quota(metro: Metro, site: Site, size: str) -> JsonValue:
    """Quotas of a class, as far as the cloud has the services for them."""
    made = parts(metro, site.capabilities)
    without = {str(name) for part, name in QUOTAS.items() if part not in made} | (
        {"dns"} if Part.DNS not in made else set()
    )
    return cast(
        JsonValue, metro.quota_classes[size].model_dump(mode="json", exclude={"up_to", *without}, exclude_none=True)
    )


def _commune_inputs(project: Project, site: Site, commune: Tenant, metro: Outputs) -> Inputs:
    config = project.metro
    size = config.quota_class(commune)
    return {
        "code": commune.code,
        "slug": commune.slug,
        "name": commune.name,
        "quota_class": size,
        "quota": _quota(config, site, size),
        "cidr": str(config.commune_network.cidr),
        "dns": str(config.public.dns),
        "zone": f"{commune.slug}.{config.zone}" if Part.DNS in parts(config, site.capabilities) else None,
        "user_domain": metro["domain"],
        "transit_network": metro["transit_network"],
        "egress": {zone_group(commune): ops.egress(config)},
        "roles": ["member"],
    }


def _name_inputs(project: Project, request: Request, commune: Outputs) -> Inputs:
    """What is common to instances and memberships: the name that citizens open."""
    host = host_name(project, request)
    return {
        "name": guest_name(request),
        "role": str(request.role),
        "zone": commune.get("zone"),
        "host": f"{host}.",
        "challenge": project.metro.challenge_name(host) if project.metro.acme.by_dns else None,
        "address": str(project.metro.public.edge),
    }


def _member_inputs(project: Project, request: Request, commune: Outputs, shared: Outputs) -> Inputs:
    return {**_name_inputs(project, request, commune), "served_from": shared["address"]}


def _instance_inputs(
    project: Project, site: Site, request: Request, metro: Outputs, commune: Outputs, mine: Outputs
) -> Inputs:
    flavor, name = project.release(request).manifest.resources.flavor, guest_name(request)
    image = choose([name], str(metro["image"]), metro, mine, site.patch)
    known = cast(dict[str, dict[str, JsonValue]], metro["images"])
    return {
        **_name_inputs(project, request, commune),
        "availability_zone": project.metro.availability_zone,
        "flavors": {flavor: cast(dict[str, JsonValue], metro["flavors"])[flavor]},
        "images": {project.metro.image.name: known[image[name]]["id"]},
        "server_images": {**image},
        "network": commune["network"],
        "subnet": commune["subnet"],
        "security_group_ids": {zone_group(request.tenant): commune["security_group"]},
        "transit_network_name": metro["transit_network_name"],
        "user_data": userdata.make(guest_name(request), site.user_ca),
    }


def host_name(project: Project, request: Request) -> str:
    """The name under which citizens open what a request made: ``portail.schiltigheim.agglo.localhost``."""
    return project.metro.host(request.tenant, project.release(request).manifest.web.host)
