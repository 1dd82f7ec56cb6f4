"""Stacks: what one Pulumi stack is made from, and how its outputs feed the next ones. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import cast

from pydantic import JsonValue

from agglo import digest, userdata
from agglo.commune import Commune
from agglo.project import Project, Request

Inputs = dict[str, JsonValue]
Outputs = Mapping[str, JsonValue]


class Kind(StrEnum):
    """Pulumi projects."""

    METRO = "metro"
    COMMUNE = "commune"
    INSTANCE = "instance"


@dataclass(frozen=True, order=True)
class StackId:
    """A stack: ``metro/<region>``, ``commune/<insee>`` or ``instance/<insee>-<service>``."""

    kind: Kind
    name: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"


@dataclass(frozen=True)
class Target:
    """A stack that a selector means, with what it is made for."""

    id: StackId
    title: str
    commune: Commune | None = None
    request: Request | None = None


@dataclass(frozen=True)
class Site:
    """Facts of the cloud at hand that files do not say: the image's digest, the ssh certificate authority, ACME."""

    image_sha256: str
    user_ca: str
    acme_directory: str
    acme_ca: str


@dataclass(frozen=True)
class Spec:
    """What a stack's program gets; ``missing`` stacks have to be applied first (``inputs`` is then empty)."""

    target: Target
    inputs: Inputs
    missing: tuple[StackId, ...] = ()

    @cached_property
    def digest(self) -> str:
        """sha256 of the inputs."""
        return digest.of_json(self.inputs)


def metro_target(project: Project) -> Target:
    """The metropolis's own stack."""
    return Target(StackId(Kind.METRO, project.metro.region), "metro")


def commune_target(commune: Commune) -> Target:
    """A commune's landing zone."""
    return Target(StackId(Kind.COMMUNE, commune.insee), commune.key, commune)


def instance_target(request: Request) -> Target:
    """An instance of a service."""
    name = f"{request.commune.insee}-{request.asked.service}"
    return Target(StackId(Kind.INSTANCE, name), request.instance, request.commune, request)


def make_spec(project: Project, site: Site, target: Target, outputs: Mapping[StackId, Outputs]) -> Spec:
    """The spec of ``target``, given the outputs of the stacks that are applied."""
    if target.commune is None:
        return Spec(target, _metro_inputs(project, site))
    metro_id, commune_id = metro_target(project).id, StackId(Kind.COMMUNE, target.commune.insee)
    needed = (metro_id,) if target.request is None else (metro_id, commune_id)
    missing = tuple(stack for stack in needed if not outputs.get(stack))
    if missing:
        return Spec(target, {}, missing)
    if target.request is None:
        return Spec(target, _commune_inputs(project, target.commune, outputs[metro_id]))
    return Spec(target, _instance_inputs(project, site, target.request, outputs[metro_id], outputs[commune_id]))


def _metro_inputs(project: Project, site: Site) -> Inputs:
    metro = project.metro
    return {
        "zone": metro.zone,
        "public": metro.public.model_dump(mode="json"),
        "transit": metro.transit.model_dump(mode="json"),
        "image": {"name": metro.image.name, "sha256": site.image_sha256, "user": metro.image.user},
        "flavors": [flavor.model_dump(mode="json") for flavor in metro.flavors],
        "flavor": metro.flavor.model_dump(mode="json"),
        "user_data": {name: userdata.make(name, site.user_ca) for name in ("bastion", "edge")},
    }


def _commune_inputs(project: Project, commune: Commune, metro: Outputs) -> Inputs:
    config = project.metro
    size = config.quota_class(commune)
    return {
        "insee": commune.insee,
        "slug": commune.slug,
        "name": commune.name,
        "tags": [
            f"insee={commune.insee}",
            f"siren={commune.siren}",
            f"population={commune.population.count}",
        ],
        "quota_class": size,
        "quota": config.quota_classes[size].model_dump(mode="json", exclude={"up_to"}),
        "cidr": str(config.commune_network.cidr),
        "dns": str(config.public.dns),
        "zone": f"{commune.slug}.{config.zone}",
        "transit_network": metro["transit_network"],
        "bastion": str(config.transit.bastion),
        "edges": [str(config.transit.edge)],
        "roles": ["member"],
    }


def _instance_inputs(project: Project, site: Site, request: Request, metro: Outputs, commune: Outputs) -> Inputs:
    manifest = project.release(request).manifest
    host = project.metro.host(request.commune, manifest.web.host)
    guest = guest_name(request)
    return {
        "name": guest,
        "insee": request.commune.insee,
        "service": manifest.name,
        "flavor": cast(dict[str, JsonValue], metro["flavors"])[manifest.resources.flavor],
        "image": metro["image"],
        "network": commune["network"],
        "subnet": commune["subnet"],
        "security_group": commune["security_group"],
        "ports": list(manifest.resources.ports),
        "edges": [str(project.metro.transit.edge)],
        "transit_network_name": metro["transit_network_name"],
        "zone": commune["zone"],
        "host": f"{host}.",
        "address": str(project.metro.public.edge),
        "user_data": userdata.make(guest, site.user_ca),
    }


def guest_name(request: Request) -> str:
    """Name of an instance's server: ``schiltigheim-portal``."""
    return f"{request.commune.slug}-{request.asked.service}"
