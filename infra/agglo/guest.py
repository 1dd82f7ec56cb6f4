"""Guests: the servers that Ansible configures and testinfra checks, and the inventory made from outputs. No I/O."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from pydantic import JsonValue

from agglo import digest
from agglo.layers import nest
from agglo.project import Project, Request
from agglo.records import Record, Route
from agglo.render import render_tree
from agglo.stack import Outputs, Site, StackId, guest_name, instance_target, metro_target

Variables = Mapping[str, JsonValue]


@dataclass(frozen=True)
class Guest:
    """One server: ``address`` is where ssh reaches it (through the bastion unless ``direct``).

    ``content`` digests what its playbooks read; ``files`` are rendered files by relative name, and ``paths`` names the
    variables that lead to them (or to their folder: "."); ``secrets`` maps names to Vault paths, never to values;
    ``playbook`` is a release's own, relative to the project's root; ``checks`` are test files, likewise. The variables
    in ``synced`` change often: when nothing else has changed, the shorter plays of ``sync_group`` do.
    """

    name: str
    stack: StackId
    server: str
    address: str
    groups: tuple[str, ...]
    content: str
    direct: bool = False
    variables: Variables = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict, repr=False)
    paths: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    secret_versions: Mapping[str, int] = field(default_factory=dict)
    playbook: str | None = None
    checks: tuple[str, ...] = ()
    check_context: Variables = field(default_factory=dict)
    insee: str | None = None
    sync_group: str | None = None
    synced: frozenset[str] = frozenset()

    @property
    def digest(self) -> str:
        """sha256 of all that decides how the guest is configured and checked."""
        return self._digest(self.variables)

    @property
    def setup(self) -> str:
        """The same without the variables in ``synced``: while it is unchanged, the plays of ``sync_group`` do."""
        return self._digest({name: value for name, value in self.variables.items() if name not in self.synced})

    def _digest(self, variables: Variables) -> str:
        return digest.of_json(
            {
                "server": self.server,
                "groups": list(self.groups),
                "content": self.content,
                "variables": dict(variables),
                "files": digest.of_files({name: text.encode() for name, text in self.files.items()}),
                "secrets": dict(self.secret_versions),
            }
        )


def routes(records: Iterable[Record]) -> list[Route]:
    """All routes of the edge, in the order of hosts: its configuration is a function of these and nothing else."""
    return sorted((r.route for r in records if r.route), key=lambda route: route.host)


def lighten(guest: Guest, record: Record | None) -> Guest:
    """The guest in its ``sync_group`` alone, when the record says that nothing else of it has changed."""
    done = record.guests.get(guest.name) if record else None
    if guest.sync_group and done and done.setup == guest.setup:
        return replace(guest, groups=(guest.sync_group,))
    return guest


def inventory(guests: Sequence[Guest], rendered: Path) -> dict[str, JsonValue]:
    """An Ansible inventory (its JSON form): every guest in its groups; the ssh configuration says how to reach it.

    ``rendered`` holds one folder of rendered files per guest.
    """
    children: dict[str, JsonValue] = {}
    known = {g.sync_group for g in guests if g.sync_group}  # named in plays, so there even when nobody is in it
    for group in sorted(known | {g for guest in guests for g in guest.groups}):
        children[group] = {"hosts": {guest.name: {} for guest in guests if group in guest.groups}}
    hosts: dict[str, JsonValue] = {guest.name: _host(guest, rendered / guest.name) for guest in guests}
    return {"all": {"hosts": hosts, "children": children}}


def playbook(guests: Sequence[Guest], root: Path) -> list[dict[str, JsonValue]]:
    """The plays of one run: the metropolis's own for every guest, then each release's for its instances."""
    releases = {guest.playbook: guest.groups[-1] for guest in guests if guest.playbook}
    plays: list[dict[str, JsonValue]] = [{"import_playbook": str(root / "playbooks" / "guests.yml")}]
    for path, group in sorted(releases.items()):
        plays.append({"import_playbook": str(root / path), "vars": {"release_hosts": group}})
    return plays


def _host(guest: Guest, folder: Path) -> dict[str, JsonValue]:
    paths: dict[str, JsonValue] = {name: str(folder / relative) for name, relative in guest.paths.items()}
    return {**guest.variables, **paths, "agglo_insee": guest.insee, "agglo_secrets": dict(guest.secrets)}


def metro_guests(
    project: Project, site: Site, outputs: Outputs, edge_routes: Sequence[Route], playbooks: str
) -> list[Guest]:
    """Bastion and edge. The edge's variables are the routes and nothing else that changes."""
    stack = metro_target(project).id
    plain: JsonValue = [route.model_dump(mode="json", exclude={"health"}) for route in edge_routes]
    context: Variables = {"zone": project.metro.zone, "edge_routes": plain}
    base = "playbooks/checks/test_base.py"
    bastion = Guest(
        name="bastion",
        stack=stack,
        server=str(outputs["bastion_server"]),
        address=str(project.metro.public.bastion),
        groups=("bastions",),
        content=playbooks,
        direct=True,
        checks=(base, "playbooks/checks/test_bastion.py"),
        check_context=context,
    )
    edge = Guest(
        name="edge",
        stack=stack,
        server=str(outputs["edge_server"]),
        address=str(project.metro.transit.edge),
        groups=("edges",),
        content=playbooks,
        variables={"edge_routes": plain, "zone": project.metro.zone, "acme_directory": site.acme_directory},
        files={"acme_ca.pem": site.acme_ca} if site.acme_ca else {},
        paths={"acme_ca": "acme_ca.pem"} if site.acme_ca else {},
        checks=(base, "playbooks/checks/test_edge.py"),
        check_context=context,
        sync_group="edge_sync",
        synced=frozenset({"edge_routes"}),
    )
    return [bastion, edge]


def instance_guest(
    project: Project, request: Request, outputs: Outputs, versions: Mapping[str, int], playbooks: str
) -> Guest:
    """The server of an instance, with its rendered files. Raises RenderError."""
    release = project.release(request)
    context = template_context(project, request)
    service = release.service
    return Guest(
        name=guest_name(request),
        stack=instance_target(request).id,
        server=str(outputs["server"]),
        address=str(outputs["address"]),
        groups=(service, f"{service}_{re.sub(r'[^0-9a-z]', '_', release.version.lower())}"),
        content=digest.of_json([playbooks, release.digest]),
        files=render_tree(release.templates(), context),
        paths={"instance_rendered": "."},
        secrets={name: request.secret_path(name) for name in versions},
        secret_versions=versions,
        playbook=f"{release.folder}/playbook.yml",
        checks=(
            "playbooks/checks/test_base.py",
            *(f"{release.folder}/{check}" for check in release.manifest.checks),
        ),
        check_context=context,
        insee=request.commune.insee,
    )


def template_context(project: Project, request: Request) -> dict[str, JsonValue]:
    """What a release's templates see."""
    commune, release = request.commune, project.release(request)
    return {
        "commune": commune.model_dump(mode="json", exclude={"values"}),
        "values": nest(project.values(request)),
        "metro": {"name": project.metro.name},
        "service": {"name": release.service, "version": release.version},
        "host": project.metro.host(commune, release.manifest.web.host),
    }
