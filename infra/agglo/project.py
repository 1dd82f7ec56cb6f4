"""Everything that people wrote, as one value: the metropolis, its communes, their requests, the catalogue."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from pydantic import Field, JsonValue

from agglo.catalog import Catalog, Release
from agglo.commune import Commune, Population
from agglo.errors import UsageError
from agglo.exemptions import Exemption
from agglo.layers import Key, Layer, Value, make_layer, nest, resolve
from agglo.metro import Epci, Metro, Tenant
from agglo.request import Request, Role, Source
from agglo.words import Strict
from agglo.wrong import nearest


class Defaults(Strict):
    """``stacks/defaults.yaml``: values by service, shared by all communes."""

    values: dict[str, dict[str, JsonValue]] = Field(default_factory=dict)


class Group(Strict):
    """``stacks/groups/<name>.yaml``: communes (by slug) that share values (by service)."""

    summary: str
    members: tuple[str, ...] = Field(min_length=1)
    values: dict[str, dict[str, JsonValue]] = Field(default_factory=dict)


@dataclass(frozen=True)
class SharedValues:
    """Values that a file gives by service below its key ``values`` (defaults, groups, communes).

    ``members`` are the slugs of the communes that they are for; None: all.
    """

    layer: str
    source: Source
    by_service: Mapping[str, Mapping[str, JsonValue]]
    members: tuple[str, ...] | None = None

    def make_layer(self, service: str) -> Layer:
        """The layer of one service."""
        prefix = ("values", service)
        lines = {k[2:]: n for k, n in self.source.lines.items() if k[:2] == prefix and len(k) > 2}
        return make_layer(self.layer, self.source.name, self.by_service.get(service, {}), lines)


@dataclass(frozen=True, repr=False)
class Project:
    """The whole tree of one metropolis."""

    root: Path
    metro: Metro
    communes: Mapping[str, Commune]  # by INSEE code
    requests: Mapping[str, Request]  # by instance name; refused ones are not among them
    shared: tuple[SharedValues, ...]  # defaults, then groups: earlier first
    commune_values: Mapping[str, SharedValues]  # by INSEE code
    catalog: Catalog
    exemptions: Mapping[str, Exemption] = field(default_factory=dict)  # by the file and line that give them

    def __repr__(self) -> str:
        return f"Project({str(self.root)!r}, {len(self.communes)} communes, {len(self.requests)} requests)"

    @cached_property
    def epci(self) -> Epci:
        """The metropolis as a tenant."""
        metro = self.metro
        inhabitants = sum(commune.population.count for commune in self.communes.values())
        population = Population(count=max(1, inhabitants))
        return Epci(metro.siren, metro.tenant.slug, metro.name, metro.siren, population, metro.tenant.quota_class)

    def with_requests(self, requests: Mapping[str, Request]) -> Project:
        """The same with other requests."""
        return replace(self, requests=requests)

    @property
    def tenants(self) -> list[Tenant]:
        """The communes, then the metropolis."""
        return [*self.communes.values(), self.epci]

    def tenant(self, word: str) -> Tenant:
        """A commune or the metropolis by code, slug or key. Raises UsageError that proposes the nearest."""
        for tenant in self.tenants:
            if word in (tenant.code, tenant.slug, tenant.key):
                return tenant
        known = [name for tenant in self.tenants for name in (tenant.slug, tenant.code)]
        raise UsageError(f"there is no commune '{word}'{nearest(word, known)}", hint="agglo commune list")

    def request(self, word: str) -> Request:
        """A request by ``<commune>/<service>``. Raises UsageError when nobody asked for it."""
        commune, _, service = word.partition("/")
        name = f"{self.tenant(commune).key}/{service}"
        if name not in self.requests:
            mine = [r.service for r in self.requests.values() if r.tenant.key == name.partition("/")[0]]
            raise UsageError(f"nobody asked for {word}{nearest(service, mine)}", hint="agglo request status")
        return self.requests[name]

    def release(self, request: Request) -> Release:
        """The release that a request pins, or that its shared instance has."""
        return self.catalog.release(request.service, request.version)

    def shared_instance(self, service: str) -> Request | None:
        """The metropolis's instance of a service that communes share, if there is one."""
        found = self.requests.get(f"{self.epci.key}/{service}")
        return found if found and found.role is Role.SHARED else None

    def members(self, instance: Request) -> list[Request]:
        """Whom an instance serves: its own tenant, or the memberships of a shared one, in the order of codes."""
        if instance.role is not Role.SHARED:
            return [instance]
        mine = (r for r in self.requests.values() if r.role is Role.MEMBER and r.service == instance.service)
        return sorted(mine, key=lambda r: r.tenant.code)

    def needed(self, request: Request) -> list[Request]:
        """The requests of the same tenant that a request needs directly, in the order of names."""
        wanted = (f"{request.tenant.key}/{name}" for name in sorted(self.release(request).manifest.requires.services))
        return [self.requests[name] for name in wanted if name in self.requests]

    def foundations(self, request: Request) -> list[Request]:
        """What a request stands on directly: the services that it needs, the shared instance that it is a place in."""
        host = self.shared_instance(request.service) if request.role is Role.MEMBER else None
        known = request.version in self.catalog.releases.get(request.service, {})
        return [*(self.needed(request) if known else []), *([host] if host else [])]

    def values(self, request: Request, release: Release | None = None) -> dict[Key, Value]:
        """Resolved values of an instance with their origins; with ``release``, as they would be with that one."""
        service, release = request.service, release or self.release(request)
        lines = {k[1:]: n for k, n in request.source.lines.items() if k[:1] == ("values",) and len(k) > 1}
        own = make_layer("instance", request.source.name, request.asked.values, lines)
        return resolve([release.default_layer, *self._shared_layers(request.tenant, service), own])

    def values_before(self, tenant: Tenant, release: Release) -> dict[str, JsonValue]:
        """The plain values that a tenant would have of a release without saying anything itself."""
        return nest(resolve([release.default_layer, *self._shared_layers(tenant, release.service)]))

    def _shared_layers(self, tenant: Tenant, service: str) -> list[Layer]:
        mine = [s for s in self.shared if s.members is None or tenant.slug in s.members]
        own = self.commune_values.get(tenant.code)
        return [s.make_layer(service) for s in [*mine, *([own] if own else [])]]
