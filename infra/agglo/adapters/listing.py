"""What is in the cloud, listed type by type over all projects: about one call per type and page. Changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pydantic import JsonValue

from agglo.capabilities import Part
from agglo.drift import Kind, Listing, Live

if TYPE_CHECKING:
    from openstack.connection import Connection

_ALL = {"all_projects": True}
_STATES = {"stopped": "shutoff"}  # as the engine's provider calls them


def list_cloud(sdk: Connection, has: Callable[[str], bool]) -> Listing:
    """All resources that drift is looked for in, of the services that ``has`` tells of."""
    resources: dict[Kind, Mapping[str, Live]] = {
        kind: {live.id: live for live in read(sdk)}
        for service, kinds in _LISTS.items()
        if has(service)
        for kind, read in kinds.items()
    }
    volumes = list(sdk.block_storage.volumes(**_ALL)) if has(Part.VOLUME) else None
    if volumes is None:
        return Listing(resources)
    resources[Kind.VOLUME] = {live.id: live for live in map(_volume, volumes)}
    return Listing(resources, _saved(sdk, volumes))


def _live(item: Any, fields: Mapping[str, JsonValue], group: str = "", name: str | None = None) -> Live:
    project = getattr(item, "project_id", None)
    return Live(str(item.id), str((item.name if name is None else name) or ""), str(project or ""), fields, group)


def _sorted(items: Iterable[Any] | None) -> JsonValue:
    return [*sorted(str(item) for item in items or ())]


def _servers(sdk: Connection) -> Iterable[Live]:
    for s in sdk.compute.servers(details=True, **_ALL):
        state = str(s.status).lower()
        flavor = s.flavor.original_name or s.flavor.name
        yield _live(s, {"name": s.name, "flavor": flavor, "state": _STATES.get(state, state)})


def _flavors(sdk: Connection) -> Iterable[Live]:
    for f in sdk.compute.flavors(details=True, is_public=None):
        yield _live(f, {"name": f.name, "vcpus": f.vcpus, "ram": f.ram, "disk": f.disk})


def _server_groups(sdk: Connection) -> Iterable[Live]:
    for g in sdk.compute.server_groups(**_ALL):
        yield _live(g, {"name": g.name})


def _images(sdk: Connection) -> Iterable[Live]:
    for i in sdk.image.images():
        yield _live(i, {"name": i.name, "visibility": i.visibility, "checksum": i.checksum})


def _networks(sdk: Connection) -> Iterable[Live]:
    for n in sdk.network.networks():
        yield _live(n, {"name": n.name, "enabled": n.is_admin_state_up, "external": n.is_router_external})


def _subnets(sdk: Connection) -> Iterable[Live]:
    for s in sdk.network.subnets():
        fields = {"name": s.name, "cidr": s.cidr, "gateway": s.gateway_ip or "", "dhcp": s.is_dhcp_enabled}
        yield _live(s, {**fields, "dns": _sorted(s.dns_nameservers)})


def _routers(sdk: Connection) -> Iterable[Live]:
    for r in sdk.network.routers():
        outside = (r.external_gateway_info or {}).get("network_id", "")
        yield _live(r, {"name": r.name, "enabled": r.is_admin_state_up, "external network": outside})


def _ports(sdk: Connection) -> Iterable[Live]:
    """Ports that are no part of the network itself (a router's own, DHCP's)."""
    for p in sdk.network.ports():
        fields: dict[str, JsonValue] = {
            "name": p.name,
            "enabled": p.is_admin_state_up,
            "addresses": _sorted(ip["ip_address"] for ip in p.fixed_ips),
            "security groups": _sorted(p.security_group_ids),
            "allowed addresses": _sorted(pair["ip_address"] for pair in p.allowed_address_pairs or ()),
            "port security": p.is_port_security_enabled,
        }
        of_network = str(p.device_owner or "").startswith("network:")
        live = _live(p, fields)
        yield replace(live, project="") if of_network else live


def _floating_ips(sdk: Connection) -> Iterable[Live]:
    for ip in sdk.network.ips():
        yield _live(ip, {"address": ip.floating_ip_address, "port": ip.port_id or ""})


def _security_groups(sdk: Connection) -> Iterable[Live]:
    for g in sdk.network.security_groups():
        live = _live(g, {"name": g.name})
        yield replace(live, project="") if g.name == "default" else live


def _rules(sdk: Connection) -> Iterable[Live]:
    for r in sdk.network.security_group_rules():
        ports = f"{r.port_range_min or 'any'}-{r.port_range_max or 'any'}"
        whom = r.remote_ip_prefix or r.remote_group_id or "anywhere"
        name = f"{r.direction} {r.protocol or 'any'} {ports} {whom}"
        yield _live(r, {}, str(r.security_group_id), name=name)


def _rbac_policies(sdk: Connection) -> Iterable[Live]:
    for policy in sdk.network.rbac_policies():
        yield _live(policy, {}, name=str(policy.action))


def _zones(sdk: Connection) -> Iterable[Live]:
    for z in sdk.dns.zones(**_ALL):
        yield _live(z, {"name": z.name, "ttl": z.ttl})


def _names(sdk: Connection) -> Iterable[Live]:
    """Of all zones at once, page by page: openstacksdk's own listing asks for a zone."""
    from openstack.exceptions import raise_from_response  # noqa: PLC0415  half a second that other commands do not need

    page = "/recordsets?limit=1000"
    while page:
        answer = sdk.dns.get(page, headers={"x-auth-all-projects": "true"})
        raise_from_response(answer)
        found = answer.json()
        for r in found["recordsets"]:
            fields = {"name": r["name"], "ttl": r["ttl"], "records": _sorted(r["records"])}
            yield Live(str(r["id"]), str(r["name"]), str(r["project_id"]), fields)
        page = found["links"].get("next")


def _volume(volume: Any) -> Live:
    return _live(volume, {"name": volume.name, "size": volume.size})


def _projects(sdk: Connection) -> Iterable[Live]:
    keystone: Any = sdk.identity
    for domain in (True, False):
        for p in keystone.projects(is_domain=domain):
            yield _live(p, {"name": p.name, "enabled": p.is_enabled, "tags": _sorted(p.tags)})


def _users(sdk: Connection) -> Iterable[Live]:
    for u in sdk.identity.users():
        yield _live(u, {"name": u.name, "enabled": u.is_enabled})


def _saved(sdk: Connection, volumes: Iterable[Any]) -> dict[str, datetime]:
    """When the newest backup of each volume was made; of one without any, when it was made itself."""
    found = {str(v.id): _time(v.created_at) for v in volumes}
    for backup in sdk.block_storage.backups(**_ALL):
        if backup.status == "available" and backup.volume_id in found:
            found[backup.volume_id] = max(found[backup.volume_id], _time(backup.created_at))
    return found


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


_LISTS: Mapping[str, Mapping[Kind, Callable[[Connection], Iterable[Live]]]] = {
    "compute": {Kind.SERVER: _servers, Kind.FLAVOR: _flavors, Kind.SERVER_GROUP: _server_groups},
    "image": {Kind.IMAGE: _images},
    "network": {
        Kind.NETWORK: _networks,
        Kind.SUBNET: _subnets,
        Kind.ROUTER: _routers,
        Kind.PORT: _ports,
        Kind.FLOATING_IP: _floating_ips,
        Kind.SECURITY_GROUP: _security_groups,
        Kind.RULE: _rules,
        Kind.RBAC: _rbac_policies,
    },
    Part.DNS: {Kind.ZONE: _zones, Kind.NAME: _names},
    "identity": {Kind.PROJECT: _projects, Kind.USER: _users},
}
