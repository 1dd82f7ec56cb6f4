"""Whether requests may be granted: everything that is wrong with one, with the line to mend and what to write there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import agglo
from agglo import domains
from agglo.catalog import Catalog, Release
from agglo.commune import Commune
from agglo.errors import Problem
from agglo.layers import Key, Value, nest
from agglo.manifest import Tenancy
from agglo.metro import Metro
from agglo.project import Project
from agglo.request import Request, Role
from agglo.versions import matches, version_key
from agglo.words import NOTHING, Words
from agglo.wrong import closest, nearest, nearest_fr


def settle(metro: Metro, requests: Mapping[str, Request]) -> dict[str, Request]:
    """The requests with their role and version: whether each is an instance, a shared one or a place in a shared one.

    What cannot be settled keeps an empty version; ``problems`` says why.
    """
    shared = {
        r.service: r for r in requests.values() if not isinstance(r.tenant, Commune) and r.asked.tenancy == "shared"
    }
    settled = {}
    for name, request in requests.items():
        tenancy = _tenancy(metro, request, shared.get(request.service))
        if not isinstance(request.tenant, Commune):
            role = Role.SHARED if tenancy == "shared" else Role.DEDICATED
        else:
            role = Role.MEMBER if tenancy == "shared" else Role.DEDICATED
        version = request.asked.version or ""
        if role is Role.MEMBER:
            host = shared.get(request.service)
            version = (host.asked.version if host else None) or ""
        settled[name] = replace(request, role=role, version=version)
    return settled


def _tenancy(metro: Metro, request: Request, host: Request | None) -> Tenancy:
    if request.asked.tenancy:
        return request.asked.tenancy
    if host is None or not isinstance(request.tenant, Commune) or request.asked.version:
        return "dedicated"
    return "shared" if metro.quota_class(request.tenant) in metro.tenant.shared_by_default else "dedicated"


def problems(project: Project, request: Request) -> list[Problem]:
    """What is wrong with a request, all of it: service, version, tenancy, what it needs, values."""
    known = _service(project, request)
    if known:
        return [known]
    wrong = [*_tenancy_problems(project, request), *_domains(project, request)]
    release = project.catalog.releases[request.service].get(request.version)
    if release is None:
        return wrong or [_version(project.catalog, request)]
    wrong += _state(project, request, release)
    wrong += _needs(project, request, release)
    wrong += _fits(project, request, release)
    values = project.values(request)
    wrong += [_located(project, request, values, key, reason) for key, reason in release.errors(nest(values))]
    wrong += [
        request.source.problem(("why", path), Words("gives a reason for a value that is not set here",
                                                    "donne une raison pour une valeur qui n’est pas renseignée ici"))
        for path in request.asked.why
        if not any(_dotted(key, path) for key in _own(request))
    ]  # fmt: skip
    return wrong


def notes(project: Project, name: str) -> list[Words]:
    """What the one who asked should know although nothing is wrong: a version that is deprecated, a newer one."""
    request = project.requests.get(name)
    release = project.catalog.releases.get(request.service, {}).get(request.version) if request else None
    if request is None or release is None or request.role is Role.MEMBER:
        return []
    entry, use = project.catalog.entry(release), project.catalog.next_good(release)
    if entry.state == "deprecated" and entry.why:
        return [
            Words(
                f"{release.version} is deprecated: {entry.why.en}" + (f"; ask for {use}" if use else ""),
                f"la version {release.version} est dépréciée : {entry.why.fr}" + (f" ; demandez {use}" if use else ""),
            )
        ]
    newest = project.catalog.newest(request.service)
    if version_key(newest) > version_key(release.version):
        return [Words(f"{newest} is there (agglo catalog diff)", f"la version {newest} existe (agglo catalog diff)")]
    return []


def try_release(project: Project, release: Release) -> dict[str, list[tuple[Key, Words]]]:
    """What a release would refuse of the values that communes really have: by instance, only those with problems.

    The instances (and memberships) of its service, whatever version they have now.
    """
    found = {
        name: release.errors(nest(project.values(request, release)))
        for name, request in project.requests.items()
        if request.service == release.service
    }
    return {name: wrong for name, wrong in found.items() if wrong}


def moved(project: Project, request: Request, version: str) -> dict[str, list[Problem]]:
    """What would be wrong with any request if this one asked for ``version``: by instance, only those with problems."""
    asked = request.asked.model_copy(update={"version": version})
    requests = settle(project.metro, {**project.requests, request.instance: replace(request, asked=asked)})
    after = replace(project, requests=requests)
    found = {name: problems(after, there) for name, there in requests.items()}
    return {name: wrong for name, wrong in found.items() if wrong}


def stands_on(request: Request, held: str) -> Problem:
    """A request that is right, but stands on one that is not."""
    return request.source.problem(
        ("service",),
        Words(f"needs {held}, which has problems itself", f"a besoin de {held}, qui a lui-même des problèmes"),
    )


def _service(project: Project, request: Request) -> Problem | None:
    known = project.catalog.services()
    if request.service in known:
        return None
    close = closest(request.service, known)
    return request.source.problem(
        ("service",),
        Words(
            f"there is no service '{request.service}' in the catalogue{nearest(request.service, known)}",
            f"le catalogue n’a pas de service « {request.service} »{nearest_fr(request.service, known)}",
        ),
        _write(f"service: {close}") if close else NOTHING,
    )


def _tenancy_problems(project: Project, request: Request) -> Iterator[Problem]:
    host = project.shared_instance(request.service)
    if request.role is not Role.MEMBER:
        if not request.asked.version:
            newest = project.catalog.newest(request.service)
            yield request.source.problem(
                (), Words("version is missing", "version manque"), _write(f"version: {newest}")
            )
        return
    if host is None:
        yield request.source.problem(
            ("tenancy",),
            Words(
                f"the metropolis has no shared instance of {request.service}",
                f"la métropole n’a pas d’instance partagée de {request.service}",
            ),
            _write("tenancy: dedicated"),
        )
    elif request.asked.version and request.asked.version != host.version:
        yield request.source.problem(
            ("version",),
            Words(
                f"the shared instance is at {host.version}, and its members follow it",
                f"l’instance partagée est en version {host.version}, et ses membres la suivent",
            ),
            Words("leave the version out", "retirez la version"),
        )


def _version(catalog: Catalog, request: Request) -> Problem:
    there = catalog.offered(request.service, request.tenant.slug)
    return request.source.problem(
        ("version",),
        Words(
            f"{request.service} has no version {request.version}; there is {', '.join(there)}",
            f"{request.service} n’a pas de version {request.version} ; il y a {', '.join(there)}",
        ),
        _propose_released(catalog, request.service),
    )


def _state(project: Project, request: Request, release: Release) -> Iterator[Problem]:
    entry = project.catalog.entry(release)
    name = f"{release.service} {release.version}"
    if entry.state == "withdrawn" and request.role is not Role.MEMBER:
        use = project.catalog.next_good(release)
        why = entry.why
        yield request.source.problem(
            ("version",),
            Words(f"{name} is withdrawn: {why.en if why else ''}", f"{name} est retirée : {why.fr if why else ''}"),
            _write(f"version: {use}") if use else NOTHING,
        )
    if entry.state == "draft" and request.tenant.slug not in entry.communes and request.role is not Role.MEMBER:
        allowed = ", ".join(entry.communes)
        yield request.source.problem(
            ("version",),
            Words(
                f"{name} is a draft" + (f", only for {allowed}" if allowed else " that nobody may ask for yet"),
                f"{name} est une ébauche" + (f", réservée à {allowed}" if allowed else ", pas encore proposée"),
            ),
            _propose_released(project.catalog, request.service),
        )
    tenancy: Tenancy = "dedicated" if request.role is Role.DEDICATED else "shared"
    if tenancy not in release.manifest.tenancy:
        offered = release.manifest.tenancy[0]
        yield request.source.problem(
            ("tenancy",),
            Words(f"{name} is offered {offered} only", f"{name} n’est proposé qu’en tenancy: {offered}"),
            _write(f"tenancy: {offered}"),
        )


def _fits(project: Project, request: Request, release: Release) -> Iterator[Problem]:
    """Whether this agglo and this metropolis can apply the release."""
    manifest = project.root / release.folder / "service.yaml"
    wanted, flavor = release.manifest.requires.agglo, release.manifest.resources.flavor
    if not matches(agglo.__version__, wanted):
        yield Problem(
            manifest,
            Words(
                f"needs agglo {wanted}, this is {agglo.__version__}",
                f"nécessite agglo {wanted}, pas {agglo.__version__}",
            ),
            key="requires.agglo",
        )
    known = [f.name for f in project.metro.flavors]
    if request.role is not Role.MEMBER and flavor not in known:
        yield Problem(
            manifest,
            Words(
                f"there is no flavor '{flavor}' in stacks/metro.yaml{nearest(flavor, known)}",
                f"stacks/metro.yaml n’a pas de gabarit « {flavor} »{nearest_fr(flavor, known)}",
            ),
            key="resources.flavor",
        )


def _needs(project: Project, request: Request, release: Release) -> Iterator[Problem]:
    for service, wanted in sorted(release.manifest.requires.services.items()):
        name = f"{request.tenant.key}/{service}"
        there = project.requests.get(name)
        if there is None:
            command = f"agglo request new {request.tenant.slug} {service}"
            yield request.source.problem(
                ("service",),
                Words(
                    f"{release.service} needs {service} {wanted}, which the commune did not ask for",
                    f"{release.service} a besoin de {service} {wanted}, que la commune n’a pas demandé",
                ),
                Words(command, command),
            )
        elif there.version and not matches(there.version, wanted):
            fitting = project.catalog.satisfying(service, wanted)
            yield request.source.problem(
                ("version",),
                Words(
                    f"{release.service} {release.version} needs {service} {wanted}, not {there.version}",
                    f"{release.service} {release.version} a besoin de {service} {wanted}, pas {there.version}",
                ),
                Words(f"{service}: version: {fitting[-1]}", f"{service} : version: {fitting[-1]}")
                if fitting
                else NOTHING,
            )


def _domains(project: Project, request: Request) -> Iterator[Problem]:
    """The form of a commune's own names, and whether somebody else has one of them."""
    named = request.asked.domains
    if named and request.role is Role.SHARED:
        yield request.source.problem(
            ("domains",),
            Words(
                "a shared instance has no address: its communes name theirs in their own requests",
                "une instance partagée n’a pas d’adresse : ses communes nomment la leur dans leur propre demande",
            ),
        )
    others = {name: r for r in project.requests.values() if r.instance != request.instance for name in r.asked.domains}
    for name in dict.fromkeys(named):
        said = domains.wrong(name, project.metro.domain)
        if name in others:
            there = others[name].instance
            said = Words(f"{name} is asked for by {there} too", f"{name} est aussi demandé par {there}")
        elif named.count(name) > 1:
            said = Words(f"{name} is there twice", f"{name} est présent deux fois")
        if said:
            yield request.source.problem(("domains",), said)


def _located(project: Project, request: Request, values: Mapping[Key, Value], key: Key, reason: Words) -> Problem:
    """The problem where the value was set, be it in the request or in a shared file."""
    there = (v for k, v in values.items() if k[: len(key)] == key or key[: len(k)] == k) if key else iter(())
    value = next(there, None)
    if value and value.origin.line and value.origin.file != request.source.name:
        return Problem(project.root / value.origin.file, reason, value.origin.line, ".".join(key))
    return request.source.problem(("values", *key), reason)


def _own(request: Request) -> list[Key]:
    return [key[1:] for key in request.source.lines if key[:1] == ("values",) and len(key) > 1]


def _dotted(key: Key, path: str) -> bool:
    return ".".join(key) == path


def _propose_released(catalog: Catalog, service: str) -> Words:
    """The newest version, where one is released."""
    newest = catalog.newest(service)
    return (
        _write(f"version: {newest}") if catalog.entry(catalog.release(service, newest)).state == "released" else NOTHING
    )


def _write(line: str) -> Words:
    return Words(f"write: {line}", f"écrivez : {line}")
