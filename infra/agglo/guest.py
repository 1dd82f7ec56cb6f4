"""Guests: the servers that Ansible configures and testinfra checks, and the inventory made from outputs. No I/O."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

from pydantic import JsonValue

from agglo import digest, ops
from agglo.catalog import Release
from agglo.commune import Commune
from agglo.declared import guest_name
from agglo.domains import Own
from agglo.layers import nest
from agglo.project import Project
from agglo.records import Record, Route
from agglo.request import Request, Role
from agglo.stack import Outputs, Site, StackId, host_name, instance_id, metro_target

Variables = Mapping[str, JsonValue]
BASTION = "bastion"
_SERIAL = 20  # characters of a volume's id that virtio keeps
_EACH = "member/"  # below templates/: rendered once for each commune that an instance serves


@dataclass(frozen=True)
class Guest:
    """One server: ``address`` is where ssh reaches it (through the bastion unless ``direct``).

    ``content`` digests what its playbooks read; ``files`` are rendered files by relative name, and ``paths`` names the
    variables that lead to them (or to their folder: "."); ``secrets`` maps names to Vault paths, never to values;
    ``playbook`` is a release's own, relative to the project's root; ``checks`` are test files, likewise. ``code`` keys
    the tenant whose secrets it may read; ``release`` is the version that its playbook brings. The variables in
    ``synced`` change often: when nothing else has changed, the shorter plays of ``sync_group`` do.
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
    code: str | None = None
    release: str | None = None
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
    """All routes of the edges, in the order of hosts: their configuration is a function of these and nothing else."""
    return sorted((r.route for r in records if r.route), key=lambda route: route.host)


def route(project: Project, request: Request, outputs: Outputs) -> Route | None:
    """The edges' way to an instance or membership; a shared instance is reached by its members' names only."""
    if request.role is Role.SHARED:
        return None
    web, asked = project.release(request).manifest.web, request.asked
    sentence = asked.maintenance if isinstance(asked.maintenance, str) else ""
    return Route(
        host=host_name(project, request),
        address=str(outputs["address"]),
        port=web.port,
        instance=request.instance,
        health=web.health,
        domains=asked.domains,
        maintenance=sentence if asked.maintenance else None,
    )


def own_names(project: Project, host: str, names: Iterable[str]) -> list[Own]:
    """Names of a commune's own for what is at ``host``."""
    return [Own(name, host, project.metro.public.edge) for name in names]


def ways(project: Project, records: Iterable[Record]) -> dict[str, Guest]:
    """Every guest by its name as ssh reaches it, without what configures it; none before the metro stack is applied."""
    applied, stack = list(records), metro_target(project).id
    if str(stack) not in {record.stack for record in applied if record.outputs}:
        return {}
    known = ops.known_guests(project.metro, applied)
    return {k.name: Guest(k.name, stack, "", k.address, (), "", direct=k.name == BASTION) for k in known}


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
    return plays + [play(root, path, group) for path, group in sorted(releases.items())]


def play(root: Path, path: str, group: str) -> dict[str, JsonValue]:
    """A release's own playbook, for the guests of one group."""
    return {"import_playbook": str(root / path), "vars": {"release_hosts": group}}


def _host(guest: Guest, folder: Path) -> dict[str, JsonValue]:
    paths: dict[str, JsonValue] = {name: str(folder / relative) for name, relative in guest.paths.items()}
    return {**guest.variables, **paths, "agglo_tenant": guest.code, "agglo_secrets": dict(guest.secrets)}


def metro_guests(
    project: Project,
    site: Site,
    outputs: Outputs,
    edge_routes: Sequence[Route],
    versions: Mapping[str, int],
    playbooks: str,
) -> list[Guest]:
    """Bastion and edges. The edges' variables are the routes and nothing else that changes.

    ``versions`` are those of the metropolis's secrets, by Vault path.
    """
    stack, transit = metro_target(project).id, project.metro.transit
    plain: JsonValue = [route.model_dump(mode="json", exclude={"health"}) for route in edge_routes]
    context: Variables = {"zone": project.metro.zone, "edge_routes": plain}
    base = "playbooks/checks/test_base.py"
    bastion = Guest(
        name=BASTION,
        stack=stack,
        server=str(outputs["bastion_server"]),
        address=str(project.metro.public.bastion),
        groups=("bastions",),
        content=playbooks,
        direct=True,
        variables=_of_every_guest(project),
        checks=(base, "playbooks/checks/test_bastion.py"),
        check_context=context,
    )
    servers = cast(dict[str, str], outputs["edge_servers"])
    shared: Variables = {
        **_of_every_guest(project),
        "edge_addresses": [str(a) for a in transit.edges],
        "edge_vip": str(transit.vip),
    }
    public: Variables = {
        "edge_public_address": str(project.metro.public.edge), "edge_resolver": str(project.metro.public.dns)
    }  # fmt: skip
    challenges = _challenges(project, outputs)
    edges = [
        Guest(
            name=name,
            stack=stack,
            server=servers[name],
            address=str(address),
            groups=("edges",),
            content=playbooks,
            variables={
                **shared,
                **public,
                "edge_routes": plain,
                "edge_address": str(address),
                "zone": project.metro.zone,
                "acme_directory": site.acme_directory,
                **challenges,
            },
            files={"acme_ca.pem": site.acme_ca} if site.acme_ca else {},
            paths={"acme_ca": "acme_ca.pem"} if site.acme_ca else {},
            secrets={"edge_dns": ops.DNS_KEY} if challenges else {},
            secret_versions={"edge_dns": versions.get(ops.DNS_KEY, 0)} if challenges else {},
            code=ops.TENANT if challenges else None,
            checks=(base, "playbooks/checks/test_edge.py"),
            check_context={**context, **shared, "edge_address": str(address)},
            sync_group="edge_sync",
            synced=frozenset({"edge_routes"}),
        )
        for name, address in transit.edge_names.items()
        if name in servers
    ]
    return [bastion, *edges]


def _challenges(project: Project, outputs: Outputs) -> dict[str, JsonValue]:
    """Where edges write their answers when they give them in the DNS; nothing when they do not."""
    acme, zone = project.metro.acme, outputs.get("challenges_zone")
    if not acme.by_dns or acme.dns_api is None or zone is None:
        return {}
    told: dict[str, JsonValue] = {
        **acme.dns_api.model_dump(),
        "zone_id": zone,
        "challenges": project.metro.challenges,
        "base": project.metro.zone,
        "proxy": f"http://{project.metro.transit.ops}:{ops.PROXY}",
    }
    return {"edge_challenges": told}


def ops_guest(
    project: Project,
    site: Site,
    outputs: Outputs,
    records: Iterable[Record],
    versions: Mapping[str, int],
    playbooks: str,
) -> Guest:
    """The guest of the metropolis's own services; what they know of other guests and of routes changes often."""
    metro, applied = project.metro, list(records)
    known = ops.known_guests(metro, applied)
    return Guest(
        name=ops.NAME,
        stack=metro_target(project).id,
        server=str(outputs["ops_server"]),
        address=str(metro.transit.ops),
        groups=("metro_egress", "metro_logs", "metro_mail", "metro_monitoring"),
        content=playbooks,
        variables={
            **_of_every_guest(project),
            **ops.allowed(metro, site.acme_directory),
            "egress_clients": str(metro.transit.cidr),
            "egress_resolver": str(metro.public.dns),
            "logs_retention_days": metro.logs.retention_days,
            "logs_sources": ops.log_sources(known),
            "mail_clients": str(metro.transit.cidr),
            "mail_selector": ops.SELECTOR,
            "mail_relayhost": metro.mail.relayhost,
            "mail_senders": list(metro.mail.senders),
            "monitoring_alerts_to": metro.monitoring.alerts_to,
            "monitoring_edges": [str(address) for address in metro.transit.edges],
            "monitoring_retention_days": metro.monitoring.retention_days,
            "monitoring_targets": ops.targets(metro, known, routes(applied)),
        },
        files={"acme_ca.pem": site.acme_ca} if site.acme_ca else {},
        paths={"acme_ca": "acme_ca.pem"} if site.acme_ca else {},
        secrets={"mail_key": ops.MAIL_KEY},
        secret_versions={"mail_key": versions.get(ops.MAIL_KEY, 0)},
        code=ops.TENANT,
        checks=("playbooks/checks/test_base.py", "playbooks/checks/test_ops.py"),
        check_context={"guests": len(known), "egress_allowed": list(metro.egress.allowed)},
        sync_group="ops_sync",
        synced=frozenset({"logs_sources", "monitoring_targets"}),
    )


def _of_every_guest(project: Project) -> dict[str, JsonValue]:
    """Where the metropolis's services are."""
    return {"ops_address": str(project.metro.transit.ops), "mail_domain": project.metro.mail.senders[0]}


def instance_guest(
    project: Project, request: Request, outputs: Outputs, versions: Mapping[str, int], playbooks: str
) -> Guest:
    """The server of an instance, with its rendered files. Raises RenderError."""
    release = project.release(request)
    context = template_context(project, request)
    service = release.service
    return Guest(
        name=guest_name(request),
        stack=instance_id(request),
        server=str(outputs["server"]),
        address=str(outputs["address"]),
        groups=(service, f"{service}_{re.sub(r'[^0-9a-z]', '_', release.version.lower())}"),
        content=digest.of_json([playbooks, release.digest]),
        variables={**_of_every_guest(project), **_volumes(release, outputs)},
        files=render_files(release, context),
        paths={"instance_rendered": "."},
        secrets={name: request.secret_path(name) for name in versions},
        secret_versions=versions,
        playbook=f"{release.folder}/playbook.yml",
        checks=(
            "playbooks/checks/test_base.py",
            *(f"{release.folder}/{check}" for check in release.manifest.checks),
        ),
        check_context=context,
        code=request.tenant.code,
        release=release.version,
    )


def _volumes(release: Release, outputs: Outputs) -> dict[str, JsonValue]:
    """Where the volumes of an instance are mounted, by the name that each has on its server as on KVM's."""
    ids = cast(dict[str, str], outputs.get("volumes") or {})
    found: list[JsonValue] = [
        {"device": f"/dev/disk/by-id/virtio-{ids[volume.name][:_SERIAL]}", "path": volume.path}
        for volume in release.manifest.resources.volumes
        if volume.name in ids
    ]
    return {"base_volumes": found} if found else {}


def template_context(project: Project, request: Request) -> dict[str, JsonValue]:
    """What a release's templates and checks see of an instance.

    ``members`` lists whom it serves, each with ``commune``, ``values`` and ``host``; those of the one commune of a
    dedicated instance are at the top as well. ``requires`` has the host of each service that the release needs.
    """
    release = project.release(request)
    members = [_member(project, member) for member in project.members(request)]
    needed: dict[str, JsonValue] = {n.service: {"host": host_name(project, n)} for n in project.needed(request)}
    context = _context(project, release, request.role, members, needed)
    return context if request.role is Role.SHARED else {**context, **members[0]}


def example_context(
    project: Project, request: Request, release: Release, values: Mapping[str, JsonValue]
) -> dict[str, JsonValue]:
    """The context that an instance of ``release`` would have in place of ``request``, with these values."""
    mine = {**_member(project, request), "values": dict(values)}
    needed: dict[str, JsonValue] = {
        name: {"host": project.metro.host(request.tenant, name)} for name in release.manifest.requires.services
    }
    return {**_context(project, release, Role.DEDICATED, [mine], needed), **mine}


def render_files(release: Release, context: Mapping[str, JsonValue]) -> dict[str, str]:
    """The files of an instance. Raises RenderError.

    Templates below ``member/`` are rendered once for each commune that the instance serves, to
    ``members/<slug>/…``, and see that commune's ``commune``, ``values`` and ``host``; all others are rendered once.
    """
    templates = release.templates
    files = templates.render(context, lambda name: not name.startswith(_EACH))
    members = context["members"]
    for member in members if isinstance(members, list) else []:
        mine = cast(dict[str, JsonValue], member)
        folder = f"members/{cast(dict[str, str], mine['commune'])['slug']}/"
        rendered = templates.render({**context, **mine}, lambda name: name.startswith(_EACH))
        files |= {folder + name.removeprefix(_EACH): text for name, text in rendered.items()}
    return files


def _context(
    project: Project, release: Release, role: Role, members: Sequence[Variables], needed: dict[str, JsonValue]
) -> dict[str, JsonValue]:
    metro = project.metro
    mail: JsonValue = {"host": str(metro.transit.ops), "port": ops.MAIL, "senders": list(metro.mail.senders)}
    return {
        "metro": {
            "name": metro.name,
            "siren": metro.siren,
            "mail": mail,
            "proxy": f"http://{metro.transit.ops}:{ops.PROXY}",
        },
        "service": {"name": release.service, "version": release.version},
        "tenancy": "shared" if role is Role.SHARED else "dedicated",
        "members": [dict(member) for member in members],
        "requires": needed,
    }


def _member(project: Project, request: Request) -> dict[str, JsonValue]:
    commune = request.tenant
    population: JsonValue = commune.population.model_dump(mode="json")
    facts: dict[str, JsonValue] = {
        "slug": commune.slug,
        "name": commune.name,
        "siren": commune.siren,
        "population": population,
    }
    if isinstance(commune, Commune):
        facts = commune.model_dump(mode="json", exclude={"cog", "quota_class", "values", "why"})
    return {"commune": facts, "values": nest(project.values(request)), "host": host_name(project, request)}
