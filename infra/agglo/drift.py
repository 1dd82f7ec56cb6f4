"""Drift: where the live cloud differs from what was applied. Pure: listings in, differences out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from pydantic import JsonValue

Properties = Mapping[str, JsonValue]


class Kind(StrEnum):
    """Types of resources that are compared, by their Pulumi names."""

    SERVER = "compute/instance:Instance"
    FLAVOR = "compute/flavor:Flavor"
    SERVER_GROUP = "compute/serverGroup:ServerGroup"
    IMAGE = "images/image:Image"
    NETWORK = "networking/network:Network"
    SUBNET = "networking/subnet:Subnet"
    ROUTER = "networking/router:Router"
    PORT = "networking/port:Port"
    FLOATING_IP = "networking/floatingIp:FloatingIp"
    SECURITY_GROUP = "networking/secGroup:SecGroup"
    RULE = "networking/secGroupRule:SecGroupRule"
    RBAC = "networking/rbacPolicyV2:RbacPolicyV2"
    ZONE = "dns/zone:Zone"
    NAME = "dns/recordSet:RecordSet"
    VOLUME = "blockstorage/volume:Volume"
    PROJECT = "identity/project:Project"
    USER = "identity/user:User"

    @property
    def words(self) -> str:
        """The type as OpenStack calls it."""
        return _WORDS.get(self, self.name.lower().replace("_", " "))


_WORDS = {
    Kind.NAME: "record set",
    Kind.FLOATING_IP: "floating IP",
    Kind.RULE: "rule of a security group",
    Kind.RBAC: "RBAC policy",
}


class What(StrEnum):
    """How a resource differs."""

    MISSING = "missing"
    CHANGED = "changed"
    UNMANAGED = "unmanaged"


@dataclass(frozen=True)
class Managed:
    """A resource as the engine's state has it: its type there, its id, its name in the stack, its properties."""

    kind: Kind
    id: str
    name: str
    properties: Properties


@dataclass(frozen=True)
class Live:
    """A resource as the cloud lists it; ``group`` is the security group that a rule is in."""

    id: str
    name: str
    project: str
    fields: Mapping[str, JsonValue]
    group: str = ""


@dataclass(frozen=True)
class Listing:
    """All resources of the types that were listed; the time of the newest backup of each volume, or of its making."""

    resources: Mapping[Kind, Mapping[str, Live]]
    saved: Mapping[str, datetime] = field(default_factory=dict)

    def projects_volumes(self, project: str) -> dict[str, datetime]:
        """Since when the data of a project's volumes are in no backup, by their names."""
        volumes = self.resources.get(Kind.VOLUME, {}).values()
        return {v.name or v.id: self.saved[v.id] for v in volumes if v.project == project and v.id in self.saved}


@dataclass(frozen=True)
class Difference:
    """One thing that differs; ``field``, ``applied`` and ``live`` are empty unless something was changed."""

    what: What
    kind: Kind
    name: str
    id: str
    field: str = ""
    applied: str = ""
    live: str = ""

    def __str__(self) -> str:
        if self.what is What.CHANGED:
            return f"{self.kind.words} {self.name}: {self.field} was {self.applied}, is {self.live}"
        words = {What.MISSING: "is gone", What.UNMANAGED: "is not agglo's"}
        return f"{self.kind.words} {self.name} {words[self.what]}"

    def to_json(self) -> dict[str, JsonValue]:
        """As plain data."""
        return {
            "what": str(self.what),
            "kind": self.kind.words,
            "name": self.name,
            "id": self.id,
            "field": self.field,
            "applied": self.applied,
            "live": self.live,
        }


def _same(name: str) -> Callable[[Properties], JsonValue]:
    return lambda properties: properties.get(name)


def _members(name: str, key: str | None = None) -> Callable[[Properties], JsonValue]:
    """A list without order, of plain values or of one key of each."""

    def read(properties: Properties) -> JsonValue:
        found = properties.get(name)
        items = found if isinstance(found, list) else []
        plain = [i.get(key) if key and isinstance(i, dict) else i for i in items]
        return [*sorted(str(item) for item in plain)]

    return read


# What is compared: names as the listing has them, each with the way to the applied value. A resource of a type that has
# none is only looked for. Rules of security groups and RBAC policies cannot be changed, only made and deleted.
FIELDS: Mapping[Kind, Mapping[str, Callable[[Properties], JsonValue]]] = {
    Kind.SERVER: {"name": _same("name"), "flavor": _same("flavorName"), "state": _same("powerState")},
    Kind.FLAVOR: {"name": _same("name"), "vcpus": _same("vcpus"), "ram": _same("ram"), "disk": _same("disk")},
    Kind.SERVER_GROUP: {"name": _same("name")},
    Kind.IMAGE: {"name": _same("name"), "visibility": _same("visibility"), "checksum": _same("checksum")},
    Kind.NETWORK: {"name": _same("name"), "enabled": _same("adminStateUp"), "external": _same("external")},
    Kind.SUBNET: {
        "name": _same("name"),
        "cidr": _same("cidr"),
        "gateway": _same("gatewayIp"),
        "dhcp": _same("enableDhcp"),
        "dns": _members("dnsNameservers"),
    },
    Kind.ROUTER: {
        "name": _same("name"), "enabled": _same("adminStateUp"), "external network": _same("externalNetworkId")
    },
    Kind.PORT: {
        "name": _same("name"),
        "enabled": _same("adminStateUp"),
        "addresses": _members("allFixedIps"),
        "security groups": _members("allSecurityGroupIds"),
        "allowed addresses": _members("allowedAddressPairs", "ipAddress"),
        "port security": _same("portSecurityEnabled"),
    },
    Kind.FLOATING_IP: {"address": _same("address"), "port": _same("portId")},
    Kind.SECURITY_GROUP: {"name": _same("name")},
    Kind.RULE: {},
    Kind.RBAC: {},
    Kind.ZONE: {"name": _same("name"), "ttl": _same("ttl")},
    Kind.NAME: {"name": _same("name"), "ttl": _same("ttl"), "records": _members("records")},
    Kind.VOLUME: {"name": _same("name"), "size": _same("size")},
    Kind.PROJECT: {"name": _same("name"), "enabled": _same("enabled"), "tags": _members("tags")},
    Kind.USER: {"name": _same("name"), "enabled": _same("enabled")},
}  # fmt: skip
# What nobody but agglo makes in a landing zone. Volumes and floating IPs of people are theirs.
_OURS_ALONE = (Kind.SERVER, Kind.PORT, Kind.ROUTER, Kind.NETWORK, Kind.SECURITY_GROUP)


def differences(managed: Iterable[Managed], listing: Listing) -> list[Difference]:
    """Resources of one stack that are gone or changed; types that were not listed are passed over."""
    found: list[Difference] = []
    for resource in managed:
        there = listing.resources.get(resource.kind)
        if there is None:
            continue
        live = there.get(resource.id.rpartition("/")[2])  # the provider writes a name's id as <zone>/<id>
        if live is None:
            found.append(Difference(What.MISSING, resource.kind, resource.name, resource.id))
        else:
            found += _changed(resource, live)
    return found


def _changed(resource: Managed, live: Live) -> Iterable[Difference]:
    for name, read in FIELDS[resource.kind].items():
        applied = read(resource.properties)
        if name in live.fields and applied is not None and applied != live.fields[name]:
            yield Difference(
                What.CHANGED, resource.kind, resource.name, resource.id, name, _say(applied), _say(live.fields[name])
            )


def unmanaged(owned: Set[str], groups: Set[str], projects: Set[str], listing: Listing) -> list[Difference]:
    """What is in agglo's ``projects``, or among the rules of its security ``groups``, and in no state.

    ``owned`` are the ids in all states.
    """
    mine = [
        Difference(What.UNMANAGED, kind, live.name or live.id, live.id)
        for kind in _OURS_ALONE
        for live in listing.resources.get(kind, {}).values()
        if live.project in projects and live.id not in owned
    ]
    rules = listing.resources.get(Kind.RULE, {}).values()
    return mine + [
        Difference(What.UNMANAGED, Kind.RULE, live.name, live.id)
        for live in rules
        if live.group in groups and live.id not in owned
    ]


def _say(value: JsonValue) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "nothing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value) if value not in (None, "") else "nothing"


def of_kind(managed: Sequence[Managed], kind: Kind) -> frozenset[str]:
    """Ids of the resources of one type."""
    return frozenset(resource.id for resource in managed if resource.kind is kind)
