"""What ``doctor`` makes of a cloud that was examined: findings with what to do, before anything is changed. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from agglo import scs
from agglo.capabilities import Capabilities, adopted_flavor, fit
from agglo.errors import CloudLacks
from agglo.metro import Metro
from agglo.project import Project

# Newest API versions (microversions where a service has them) that agglo is tested with: OpenStack 2026.2.
TESTED = {
    "identity": "3.14",
    "compute": "2.104",
    "network": "2.0",
    "image": "2.17",
    "block-storage": "3.71",
    "dns": "2.4",
    "object-store": "1.0",
    "placement": "1.39",
}
RIGHTS = {
    "domain": "create domains for communes",
    "project": "create projects for communes",
    "user": "create the communes' service users",
    "flavor": "create flavors",
    "public image": "publish the guests' image",
    "RBAC policy": "open the transit network to single projects",
    "provider network": "create the transit network as a VLAN",
    "compute quota": "set compute quotas",
    "network quota": "set network quotas",
}
_SKEW = 2.0  # seconds; tokens tell whole seconds
_SHARE = 0.9  # of what is there: more is a warning


class Level(StrEnum):
    """How bad a finding is; only ``missing`` keeps agglo from working."""

    OK = "ok"
    WARNING = "warning"
    MISSING = "missing"


@dataclass(frozen=True)
class Diagnosis:
    """One finding of the doctor; ``hint`` is what to do about it."""

    what: str
    level: Level
    note: str
    hint: str = ""


@dataclass(frozen=True)
class Seen:
    """A flavor or the image as the cloud has it: extra specs or properties, all as text."""

    name: str
    properties: Mapping[str, str]
    vcpus: int = 0
    ram_mib: int = 0
    disk_gib: int = 0


@dataclass(frozen=True)
class Examination:
    """What the cloud showed. ``rights`` are False where it refuses, None where it could not be tried.

    ``capacity`` counts vCPUs, MiB of memory and GiB of disk that guests may have in all (None: not told);
    ``addresses`` are all and used ones of the public network; ``skew`` are seconds that the cloud's clock is ahead;
    ``token`` and ``latency`` (a median) are seconds.
    """

    capabilities: Capabilities
    rights: Mapping[str, bool | None] = field(default_factory=dict)
    roles: tuple[str, ...] = ()
    capacity: tuple[int, int, int] | None = None
    addresses: tuple[int, int] | None = None
    skew: float = 0.0
    token: float = 0.0
    latency: float = 0.0
    flavors: tuple[Seen, ...] = ()
    images: tuple[Seen, ...] = ()


def diagnose(project: Project, seen: Examination, engines: int, *, applied: bool) -> list[Diagnosis]:
    """All findings; ``engines`` is the recommended ``--parallel``, ``applied`` whether the metro stack stands."""
    return [
        *_fit(project.metro, seen.capabilities),
        _rights(project.metro, seen),
        *_versions(seen.capabilities),
        _volume_types(seen.capabilities),
        *_capacity(project, seen),
        _addresses(project, seen, applied),
        _transit(project),
        _clock(seen.skew),
        Diagnosis(
            "latency",
            Level.OK,
            f"{seen.latency * 1000:.0f} ms a cheap call (median), {seen.token * 1000:.0f} ms a token: "
            f"--parallel {engines} is recommended",
        ),
        *_conformance(seen),
    ]


def _fit(metro: Metro, found: Capabilities) -> list[Diagnosis]:
    try:
        met = fit(metro, found)
    except CloudLacks as error:
        lines = error.message.splitlines()[1:]
        return [Diagnosis("capabilities", Level.MISSING, line.strip(), error.hint) for line in lines]
    services = ", ".join(sorted(found.services))
    return [
        Diagnosis("capabilities", Level.OK, services),
        *(Diagnosis("capabilities", Level.WARNING, f"skipped: {line}") for line in met.skipped),
        *(Diagnosis("capabilities", Level.OK, f"adopted: {line}") for line in met.adopted),
    ]


def _rights(metro: Metro, seen: Examination) -> Diagnosis:
    unused = {"public image"} if metro.image.adopt else set()
    unused |= {"flavor"} if all(adopted_flavor(f, seen.capabilities) for f in metro.flavors) else set()
    needed = {right: what for right, what in RIGHTS.items() if right not in unused}
    refused = [what for right, what in needed.items() if seen.rights.get(right) is False]
    if refused:
        roles = ", ".join(seen.roles) or "none"
        hint = "give the operator the role admin on its project, or have the cloud's policies allow it"
        return Diagnosis("rights", Level.MISSING, f"may not {', nor '.join(refused)} (roles: {roles})", hint)
    unknown = [what for right, what in needed.items() if seen.rights.get(right) is None]
    if unknown:
        return Diagnosis("rights", Level.WARNING, f"could not be tried: {', '.join(unknown)}")
    return Diagnosis("rights", Level.OK, f"may {', '.join(needed.values())}")


def _versions(found: Capabilities) -> list[Diagnosis]:
    newest = {kind: service.microversion or service.version for kind, service in found.services.items()}
    known = {kind: version for kind, version in newest.items() if version and kind in TESTED}
    newer = [f"{k} {v} (tested: {TESTED[k]})" for k, v in known.items() if _number(v) > _number(TESTED[k])]
    older = [f"{k} {v}" for k, v in known.items() if _number(v)[0] < _number(TESTED[k])[0]]
    said = ", ".join(f"{kind} {version}" for kind, version in sorted(known.items()))
    findings = [Diagnosis("versions", Level.OK, f"within what is tested: {said}")] if not newer and not older else []
    if newer:
        findings.append(Diagnosis("versions", Level.WARNING, f"newer than tested: {', '.join(newer)}"))
    if older:
        findings.append(Diagnosis("versions", Level.MISSING, f"too old an API: {', '.join(older)}", "update the cloud"))
    return findings


def _volume_types(found: Capabilities) -> Diagnosis:
    names = [f"{name}{' (encrypted)' if locked else ''}" for name, locked in found.volume_types.items()]
    return Diagnosis("volume types", Level.OK, ", ".join(names) or "none")


def _capacity(project: Project, seen: Examination) -> list[Diagnosis]:
    """What all quotas together allow, against what the compute hosts bear (with their overcommitment)."""
    metro = project.metro
    classes = [metro.quota_classes[metro.quota_class(tenant)].compute for tenant in project.tenants]
    cores, ram = sum(c.cores for c in classes), sum(c.ram_mib for c in classes)
    asked = f"quotas of {len(classes)} tenants: {cores} vCPU, {ram // 1024} GiB of memory"
    if seen.capacity is None:
        return [Diagnosis("capacity", Level.WARNING, f"the cloud does not tell what its hosts bear; {asked}")]
    has = f"hosts bear {seen.capacity[0]} vCPU, {seen.capacity[1] // 1024} GiB"
    full = cores > seen.capacity[0] or ram > seen.capacity[1]
    hint = "lower quota_classes in stacks/metro.yaml, or add compute hosts" if full else ""
    return [Diagnosis("capacity", Level.WARNING if full else Level.OK, f"{asked}; {has}", hint)]


def _addresses(project: Project, seen: Examination, applied: bool) -> Diagnosis:
    network = project.metro.public.network
    if seen.addresses is None:
        return Diagnosis("public addresses", Level.WARNING, f"the cloud does not tell how many {network} has left")
    total, used = seen.addresses
    free, needed = total - used, 0 if applied else 3  # bastion, edge, and the way out of transit
    note = f"{free} of {total} free on {network}" + (f", {needed} are needed" if needed else "")
    if free < needed:
        return Diagnosis("public addresses", Level.MISSING, note, f"give {network} more addresses")
    return Diagnosis("public addresses", Level.OK, note)


def _transit(project: Project) -> Diagnosis:
    """Each tenant's routers and floating IPs take addresses of the transit network."""
    metro = project.metro
    classes = [metro.quota_classes[metro.quota_class(tenant)].network for tenant in project.tenants]
    asked = sum(c.routers + c.floating_ips for c in classes)
    there = metro.transit.cidr.num_addresses - 258  # 256 are the metropolis's own, one broadcasts, one is no host
    note = f"{asked} addresses by quotas, {there} in {metro.transit.cidr}"
    if asked > there:
        return Diagnosis("transit range", Level.MISSING, note, "widen transit.cidr in stacks/metro.yaml")
    return Diagnosis("transit range", Level.WARNING if asked > there * _SHARE else Level.OK, note)


def _clock(skew: float) -> Diagnosis:
    note = f"the cloud's clock is {abs(skew):.0f} s {'ahead' if skew > 0 else 'behind'}"
    if abs(skew) <= _SKEW:
        return Diagnosis("clock", Level.OK, f"within {_SKEW:.0f} s of the cloud's")
    return Diagnosis("clock", Level.WARNING, note, "let both follow NTP: certificates of minutes would not be valid")


def _conformance(seen: Examination) -> list[Diagnosis]:
    flavors = [scs.Flavor(f.name, f.vcpus, f.ram_mib, f.disk_gib, f.properties) for f in seen.flavors]
    problems = [line for f in flavors for line in scs.flavor_problems(f.name, f.vcpus, f.ram_mib, f.disk_gib, f.extra)]
    problems += scs.standard_problems(flavors)
    problems += [f"image {i.name}: {line}" for i in seen.images for line in scs.image_problems(i.properties)]
    if problems:
        return [Diagnosis("SCS", Level.WARNING, line) for line in problems]
    named = sum(flavor.name.startswith(scs.PREFIX) for flavor in flavors)
    missing = scs.missing_flavors(flavors)
    lacks = f"; of SCS-0103's mandatory flavors the cloud has not {', '.join(missing)}" if missing else ""
    note = f"{named} flavors and {len(seen.images)} images of ours are as the names say{lacks}"
    return [Diagnosis("SCS", Level.OK, note)]


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
