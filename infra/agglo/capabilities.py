"""What a cloud can do, and what follows from it for what agglo makes there: used, left out and why, or refused.

Pure. The cloud adapter reads ``Capabilities``; they are kept in the metro stack's record, so that a run that changes
nothing asks the cloud nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from pydantic import Field

from agglo.errors import CloudLacks
from agglo.metro import Flavor, Metro
from agglo.words import Strict

SERVICES = {
    "identity": "domains, projects and service users",
    "compute": "guests",
    "network": "the transit network and the communes' own",
    "image": "the guests' image",
}
EXTENSIONS = {
    "router": "the communes' routers and floating IPs",
    "external-net": "the transit network",
    "provider": "the transit network's VLAN",
    "multi-provider": "the transit network's VLAN (it is asked for by segments)",
    "rbac-policies": "each commune's own access to the transit network",
    "security-group": "what guests admit",
    "port-security": "the router's leg on the transit network",
    "allowed-address-pairs": "an address that edges share",
    "quotas": "the communes' quotas",
}


class Part(StrEnum):
    """What agglo makes where a cloud has the service for it; the values are the service types of the catalogue."""

    DNS = "dns"
    VOLUME = "block-storage"
    LOAD_BALANCER = "load-balancer"
    OBJECT_STORAGE = "object-store"


QUOTAS = {Part.VOLUME: "volume", Part.LOAD_BALANCER: "load_balancer", Part.OBJECT_STORAGE: "object_storage"}


class Service(Strict):
    """A service of the catalogue; versions are empty where it does not tell them."""

    version: str = ""
    microversion: str = ""


class CloudFlavor(Strict):
    """A flavor that is there; RAM in MiB, disk in GiB."""

    id: str
    name: str
    vcpus: int
    ram_mib: int
    disk_gib: int


class Capabilities(Strict):
    """What was read from the cloud, in the region of metro.yaml; ``regions`` are all that it has.

    ``rbac_external``: external networks are opened to single projects (``access_as_external``). ``reseller``: the
    operator may set quotas of other projects' object storage. ``volume_types``: by name, true when encrypted.
    ``images`` and ``zones`` are the ids of what has the name (or id) that metro.yaml says.
    """

    regions: tuple[str, ...] = ()
    services: dict[str, Service] = Field(default_factory=dict)
    extensions: tuple[str, ...] = ()
    external_networks: tuple[str, ...] = ()
    rbac_external: bool = True
    reseller: bool = False
    volume_types: dict[str, bool] = Field(default_factory=dict)
    availability_zones: tuple[str, ...] = ()
    flavors: tuple[CloudFlavor, ...] = ()
    images: tuple[str, ...] = ()
    zones: tuple[str, ...] = ()

    def without(self, own: Iterable[str]) -> Capabilities:
        """The same without what the metro stack itself made (its ids): the rest was there before."""
        mine = set(own)
        return self.model_copy(
            update={
                "flavors": tuple(f for f in self.flavors if f.id not in mine),
                "images": tuple(i for i in self.images if i not in mine),
                "zones": tuple(z for z in self.zones if z not in mine),
            }
        )


@dataclass(frozen=True)
class Fit:
    """How the metropolis's settings meet a cloud: parts that are made, what is left out and why, what is taken over."""

    parts: frozenset[Part]
    skipped: tuple[str, ...] = ()
    adopted: tuple[str, ...] = ()


def parts(metro: Metro, found: Capabilities | None) -> frozenset[Part]:
    """The parts that are made; a cloud that was not asked yet is taken to have everything."""
    return frozenset(part for part in Part if not _left_out(metro, found, part))


def fit(metro: Metro, found: Capabilities, volumes: Iterable[str] = ()) -> Fit:
    """What the metropolis gets of this cloud; ``volumes`` are the instances that have some.

    Raises CloudLacks, with all of it, when the cloud lacks what is needed.
    """
    lacking = _lacking(metro, found)
    if Part.VOLUME not in found.services:
        lacking += [f"service {Part.VOLUME}: {instance} has volumes" for instance in volumes]
    if lacking:
        raise CloudLacks(
            "\n".join(["this cloud cannot carry the metropolis:", *(f"  {line}" for line in lacking)]),
            hint="mend stacks/metro.yaml or the cloud, then agglo doctor",
        )
    flavors = (adopted_flavor(wanted, found) for wanted in metro.flavors)
    adopted = [f"flavor {flavor.name} ({flavor.id})" for flavor in flavors if flavor]
    adopted += [f"image {metro.image.adopt} ({found.images[0]})"] if metro.image.adopt else []
    zone = adopted_zone(metro, found)
    adopted += [f"DNS zone {metro.zone} ({zone})"] if zone else []
    skipped = [line for part in Part if (line := _left_out(metro, found, part))]
    return Fit(parts(metro, found), tuple(skipped), tuple(adopted))


def adopted_flavor(wanted: Flavor, found: Capabilities | None) -> CloudFlavor | None:
    """The flavor of that name that was there before, if there is one."""
    return next((f for f in (found.flavors if found else ()) if f.name == wanted.name), None)


def adopted_zone(metro: Metro, found: Capabilities | None) -> str | None:
    """Id of the metropolis's DNS zone where it was there before."""
    return found.zones[0] if found and found.zones and Part.DNS in parts(metro, found) else None


def sizes(flavor: Flavor | CloudFlavor) -> str:
    """``1 vCPU, 1024 MiB, 5 GiB``."""
    return f"{flavor.vcpus} vCPU, {flavor.ram_mib} MiB, {flavor.disk_gib} GiB"


def _left_out(metro: Metro, found: Capabilities | None, part: Part) -> str:
    """Why a part is not made; empty when it is."""
    if part is Part.DNS:
        if metro.dns.managed is False:
            return "DNS zones, names and quotas: stacks/metro.yaml says dns.managed: false"
        absent = found is not None and part not in found.services
        return "DNS zones, names and quotas: the cloud has no dns service (designate)" if absent else ""
    asked = any(getattr(quota, QUOTAS[part]) for quota in metro.quota_classes.values())
    if found is None or not asked:
        return ""
    what = f"{QUOTAS[part].replace('_', ' ')} quotas"
    if part not in found.services:
        return f"{what}: the cloud has no {part} service"
    if part is Part.OBJECT_STORAGE and not found.reseller:
        return f"{what}: the operator is no reseller admin of the object store (in Swift, the role ResellerAdmin)"
    return ""


def _lacking(metro: Metro, found: Capabilities) -> list[str]:
    if metro.region not in found.regions:
        return [f"region {metro.region}: there are {', '.join(found.regions) or 'none'}"]
    lines = [f"service {kind}: needed for {why}" for kind, why in SERVICES.items() if kind not in found.services]
    if "network" in found.services:
        lines += [f"network extension {e}: needed for {w}" for e, w in EXTENSIONS.items() if e not in found.extensions]
    if metro.public.network not in found.external_networks:
        there = ", ".join(found.external_networks) or "none"
        lines.append(f"external network {metro.public.network}: external networks are {there}")
    if "rbac-policies" in found.extensions and not found.rbac_external:
        lines.append("access_as_external in RBAC policies (none is seen): needed to open transit to single projects")
    kind = metro.volume_type
    if kind and Part.VOLUME in found.services and kind not in found.volume_types:
        lines.append(f"volume type {kind}: there are {', '.join(found.volume_types) or 'none'}")
    zone = metro.availability_zone
    if zone and zone not in found.availability_zones:
        lines.append(f"availability zone {zone}: there are {', '.join(found.availability_zones) or 'none'}")
    if metro.dns.managed is True and Part.DNS not in found.services:
        lines.append("service dns: stacks/metro.yaml says dns.managed: true")
    return [*lines, *_not_adoptable(metro, found)]


def _not_adoptable(metro: Metro, found: Capabilities) -> list[str]:
    lines = []
    for wanted in metro.flavors:
        there = adopted_flavor(wanted, found)
        if there and sizes(there) != sizes(wanted):
            lines.append(f"flavor {wanted.name} is there with {sizes(there)}, metro.yaml says {sizes(wanted)}")
        elif wanted.adopt and not there:
            lines.append(f"flavor {wanted.name} with {sizes(wanted)}: metro.yaml adopts it, but it is not there")
    if metro.image.adopt and len(found.images) != 1:
        count = len(found.images) or "no"
        lines.append(f"image {metro.image.adopt}: {count} images have this name or id, one has to")
    if len(found.zones) > 1:
        lines.append(f"DNS zone {metro.zone}: {len(found.zones)} zones have this name")
    return lines
