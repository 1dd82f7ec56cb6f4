"""What stacks open and start, known from the files alone: the programs declare exactly this, and policies judge it.

It is there for every stack, also for those that do not exist yet and whose other inputs are outputs of others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network

from pydantic import JsonValue

from agglo import ops
from agglo.commune import Commune
from agglo.metro import Metro, Tenant
from agglo.project import Project
from agglo.request import Request, Role

ANYWHERE = IPv4Network("0.0.0.0/0")
SSH = 22
WEB = (80, 443)
METRICS, PROXY_METRICS = 9100, 8405  # of every guest, and of an edge's HAProxy
SERVED = (ops.MAIL, ops.LOGS, ops.PROXY)  # to all guests
METRO_GROUP = "metro-guest"  # security group of all the metropolis's own servers
CHALLENGES = 8402  # where an edge answers ACME challenges: playbooks/roles/edge


@dataclass(frozen=True)
class Opening:
    """One ingress rule: ``port`` from ``prefix``; a ``protocol`` without ports has None."""

    port: int | None
    prefix: IPv4Network
    protocol: str = "tcp"


@dataclass(frozen=True)
class SecurityGroup:
    """What may come in; where guests may go is an input of their stack (``ops.egress``)."""

    description: str
    openings: tuple[Opening, ...]


@dataclass(frozen=True)
class Server:
    """A server: image and flavor by name, security groups of its stack or of the landing zone that it stands in."""

    image: str
    flavor: str
    security_groups: tuple[str, ...]


@dataclass(frozen=True)
class Volume:
    """A volume of its own for a stack's data; without a ``type``, of the cloud's default one."""

    size_gib: int
    type: str | None


@dataclass(frozen=True)
class Declared:
    """What one stack opens and starts, by name, and where; ``volumes`` by their names in the release; ``tags`` are its
    project's.
    """

    region: str
    security_groups: Mapping[str, SecurityGroup] = field(default_factory=dict)
    servers: Mapping[str, Server] = field(default_factory=dict)
    volumes: Mapping[str, Volume] = field(default_factory=dict)
    tags: tuple[str, ...] = ()

    def inputs(self) -> dict[str, JsonValue]:
        """The part of a program's inputs that this is."""
        return {
            "region": self.region,
            "security_groups": {name: _group_inputs(group) for name, group in self.security_groups.items()},
            "servers": {
                name: {"image": s.image, "flavor": s.flavor, "security_groups": list(s.security_groups)}
                for name, s in self.servers.items()
            },
            **({"volumes": _volumes_inputs(self.volumes)} if self.volumes else {}),
            **({"tags": list(self.tags)} if self.tags else {}),
        }


def of_metro(metro: Metro) -> Declared:
    """The metropolis's own stack."""
    groups = metro_security_groups(metro)
    edges = dict.fromkeys(metro.transit.edge_names, ("edge", metro.flavor.edge))
    kinds = {"bastion": ("bastion", metro.flavor.bastion), **edges, ops.NAME: (ops.NAME, metro.flavor.ops)}
    servers = {name: Server(metro.image.name, flavor, (METRO_GROUP, kind)) for name, (kind, flavor) in kinds.items()}
    return Declared(metro.region, groups, servers)


def metro_security_groups(metro: Metro) -> dict[str, SecurityGroup]:
    """Who may come in where among the metropolis's own servers."""
    outside = [Opening(SSH, network.cidr) for network in metro.public.ssh_from]
    web = [Opening(port, ANYWHERE) for port in WEB]
    from_bastion = _from([metro.transit.bastion], [SSH])
    among_edges = [
        *_from(metro.transit.edges, [CHALLENGES]),
        *(Opening(None, IPv4Network(edge), "vrrp") for edge in metro.transit.edges),
    ]
    watch = metro.transit.ops
    return {
        METRO_GROUP: SecurityGroup("metrics for ops; names and transit", _from([watch], [METRICS])),
        "bastion": SecurityGroup("ssh from outside", tuple(outside)),
        "edge": SecurityGroup(
            "web from outside, ssh from the bastion, metrics for ops",
            (*web, *from_bastion, *among_edges, *_from([watch], [PROXY_METRICS])),
        ),
        ops.NAME: SecurityGroup(
            "mail, logs and the way out for guests, ssh from the bastion",
            (*(Opening(port, metro.transit.cidr) for port in SERVED), *from_bastion),
        ),
    }


def of_zone(metro: Metro, tenant: Tenant) -> Declared:
    """A landing zone: the security group that all its guests are in."""
    openings = (*_from([metro.transit.bastion], [SSH]), *_from([metro.transit.ops], [METRICS]))
    return Declared(
        metro.region,
        {zone_group(tenant): SecurityGroup("ssh from the metropolis's bastion, metrics for its monitoring", openings)},
        tags=tuple(f"{key}={value}" for key, value in _facts(tenant).items() if value is not None),
    )


def _facts(tenant: Tenant) -> dict[str, str | int | None]:
    """What a tenant's project is tagged with; None: nobody knows."""
    insee, cog = (tenant.insee, tenant.cog) if isinstance(tenant, Commune) else (None, None)
    return {
        "insee": insee,
        "cog": cog,
        "siren": tenant.siren,
        "population": tenant.population.count,
        "population_vintage": tenant.population.vintage,
    }


def of_instance(project: Project, request: Request) -> Declared:
    """An instance: its server. A membership in a shared one opens and starts nothing."""
    metro = project.metro
    if request.role is Role.MEMBER:
        return Declared(metro.region)
    name, resources = guest_name(request), project.release(request).manifest.resources
    group = SecurityGroup(
        "the service's ports from the metropolis's edges", _from(metro.transit.edges, resources.ports)
    )
    server = Server(metro.image.name, resources.flavor, (zone_group(request.tenant), name))
    volumes = {volume.name: Volume(volume.size_gib, metro.volume_type) for volume in resources.volumes}
    return Declared(metro.region, {name: group}, {name: server}, volumes)


def guest_name(request: Request) -> str:
    """Name of an instance's server and of its own security group: ``schiltigheim-portal``."""
    return f"{request.tenant.slug}-{request.service}"


def zone_group(tenant: Tenant) -> str:
    """Name of the security group of all guests of a landing zone: ``schiltigheim-guest``."""
    return f"{tenant.slug}-guest"


def _from(addresses: Iterable[IPv4Address], ports: Iterable[int]) -> tuple[Opening, ...]:
    """``ports`` from each of ``addresses`` alone."""
    known = list(addresses)
    return tuple(Opening(port, IPv4Network(address)) for port in ports for address in known)


def _volumes_inputs(volumes: Mapping[str, Volume]) -> JsonValue:
    return {name: {"size_gib": volume.size_gib, "type": volume.type} for name, volume in volumes.items()}


def _group_inputs(group: SecurityGroup) -> dict[str, JsonValue]:
    openings: list[JsonValue] = [
        {"port": o.port, "prefix": str(o.prefix), "protocol": o.protocol} for o in group.openings
    ]
    return {"description": group.description, "openings": openings}
