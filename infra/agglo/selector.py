"""Selectors: which stacks a command means.

``all`` · a commune by INSEE code or slug · ``<commune>/<service>`` · ``*/<service>`` · ``metro``. What a selected
stack needs (metro for a commune, the landing zone for an instance) comes with it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from agglo.errors import UsageError
from agglo.project import Project, Request, RequestFile, Source
from agglo.records import Record
from agglo.stack import Target, commune_target, instance_target, metro_target


def select(project: Project, selector: str) -> list[Target]:
    """The selected stacks and what they need, in the order to apply them: metro, communes, instances.

    Raises UsageError for an unknown commune or service, or when nothing is selected.
    """
    metro = [metro_target(project)]
    if selector == "metro":
        return metro
    if selector == "all":
        communes = [commune_target(c) for c in project.communes.values()]
        return [*metro, *communes, *map(instance_target, project.requests.values())]
    if "/" not in selector:
        commune = project.commune(selector)
        mine = [r for r in project.requests.values() if r.commune == commune]
        return [*metro, commune_target(commune), *map(instance_target, mine)]
    requests = _requests(project, *selector.split("/", 1))
    zones = dict.fromkeys(r.commune.insee for r in requests)
    return [*metro, *(commune_target(project.communes[i]) for i in zones), *map(instance_target, requests)]


def only_named(project: Project, selector: str) -> list[Target]:
    """What the selector names, without what it needs: a commune has its instances, metro comes with ``all`` only."""
    targets = select(project, selector)
    if selector in ("all", "metro"):
        return targets
    return [t for t in targets if t.request or (t.commune and "/" not in selector)]


def with_recorded(project: Project, records: Iterable[Record]) -> Project:
    """The project with a request for each recorded instance that nobody asks for any more: it may be destroyed."""
    requests = dict(project.requests)
    for record in records:
        key, _, service = record.title.partition("/")
        insee = key.partition("-")[0]
        if record.release and record.title not in requests and insee in project.communes:
            asked = RequestFile(service=service, version=record.release)
            source = Source(project.root, "records", {})
            requests[record.title] = Request(project.communes[insee], asked, source)
    return replace(project, requests=requests)


def _requests(project: Project, commune: str, service: str) -> list[Request]:
    if service != "*":
        project.catalog.versions(service)
    wanted = None if commune == "*" else project.commune(commune)
    found = [
        r for r in project.requests.values() if r.commune == (wanted or r.commune) and service in ("*", r.asked.service)
    ]
    if not found:
        raise UsageError(f"nobody asked for {commune}/{service}", hint="agglo status")
    return found
