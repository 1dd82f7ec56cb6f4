"""Selectors: which stacks a command means.

``all`` · a commune by INSEE code or slug · ``<commune>/<service>`` · ``*/<service>`` · ``metro``. What a selected
stack needs comes with it: metro for a commune, the landing zone for an instance, the services that a service requires,
the shared instance for a membership.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from agglo.errors import UsageError
from agglo.project import Project
from agglo.records import Record
from agglo.request import Request, RequestFile, Role, Source
from agglo.stack import Target, commune_target, instance_target, metro_target


def select(project: Project, selector: str) -> list[Target]:
    """The selected stacks and what they need, in the order to apply them: metro, communes, instances.

    Raises UsageError for an unknown commune or service, or when nothing is selected.
    """
    metro = [metro_target(project)]
    if selector == "metro":
        return metro
    if selector == "all":
        requests = in_order(project, project.requests.values())
        zones = {c.code: commune_target(c) for c in project.communes.values()}
    else:
        requests = in_order(project, named(project, selector))
        alone = project.tenant(selector) if "/" not in selector else None
        zones = {alone.code: commune_target(alone)} if alone else {}
    for request in requests:
        zones.setdefault(request.tenant.code, commune_target(request.tenant))
    return [*metro, *zones.values(), *map(instance_target, requests)]


def only_named(project: Project, selector: str) -> list[Target]:
    """What the selector names, without what it needs: a commune has its instances, metro comes with ``all`` only."""
    if selector in ("all", "metro"):
        return select(project, selector)
    mine = {request.instance for request in named(project, selector)}
    alone = project.tenant(selector).key if "/" not in selector else None
    return [t for t in select(project, selector) if t.title in mine or t.title == alone]


def in_order(project: Project, requests: Iterable[Request]) -> list[Request]:
    """The requests and all that they need, each after what it needs."""
    found: dict[str, Request] = {}

    def add(request: Request) -> None:
        if request.instance in found:
            return
        for foundation in project.foundations(request):
            add(foundation)
        found[request.instance] = request

    for request in requests:
        add(request)
    return list(found.values())


def with_recorded(project: Project, records: Iterable[Record]) -> Project:
    """The project with a request for each recorded instance that nobody asks for any more: it may be destroyed."""
    requests = dict(project.requests)
    tenants = {tenant.key: tenant for tenant in project.tenants}
    for record in records:
        key, _, service = record.title.partition("/")
        if record.release and record.title not in requests and key in tenants:
            asked = RequestFile(service=service, version=record.release)
            source = Source(project.root, "records", {})
            role = Role.DEDICATED if "server" in record.outputs else Role.MEMBER
            requests[record.title] = Request(tenants[key], asked, source, role, record.release)
    return replace(project, requests=requests)


def named(project: Project, selector: str) -> list[Request]:
    """The requests that a selector names, without what they need. Raises UsageError as ``select`` does."""
    if selector == "all":
        return list(project.requests.values())
    commune, _, service = selector.partition("/")
    tenant = None if commune == "*" else project.tenant(commune)
    if not service:
        return [r for r in project.requests.values() if r.tenant == tenant]
    found = [r for r in project.requests.values() if r.tenant == (tenant or r.tenant) and service in ("*", r.service)]
    if not found:
        if service != "*":
            project.catalog.versions(service)  # says so when there is no such service
        raise UsageError(f"nobody asked for {selector}", hint="agglo status")
    return found
