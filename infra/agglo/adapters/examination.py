"""A look at a cloud for ``doctor``: nothing is changed.

Rights are tried by requests that cannot succeed: each would make what is there already, or stand on a physical network
that nobody has. Who may do it is told of the conflict (409, 400), who may not is refused before (403). Quotas are tried
by an update that names none.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median
from typing import TYPE_CHECKING, Any

from agglo.adapters.capabilities import access, attempt, read_capabilities
from agglo.diagnosis import Examination, Seen
from agglo.metro import Metro

if TYPE_CHECKING:
    from openstack.connection import Connection

_PROBE = "agglo-probe"
_CALLS = 3  # of each service, for the median


def examine(sdk: Connection, metro: Metro, zone: str | None) -> Examination:
    """All of it, ``zone`` if it is to be looked for; a service that does not answer or tell leaves its part unknown."""
    token, skew = _token(sdk)
    found = read_capabilities(sdk, zone, metro.image.adopt)
    return Examination(
        capabilities=found,
        rights=_rights(sdk),
        roles=tuple(sorted(access(sdk).role_names)),
        capacity=attempt(lambda: _capacity(sdk)) if "placement" in found.services else None,
        addresses=attempt(lambda: _addresses(sdk, metro.public.network)),
        skew=skew,
        token=token,
        latency=_latency(sdk),
        flavors=attempt(lambda: _flavors(sdk)) or (),
        images=attempt(lambda: _images(sdk, metro.image.adopt or metro.image.name)) or (),
    )


def _token(sdk: Connection) -> tuple[float, float]:
    """Seconds that a new token takes, and seconds that the clock which dates it is ahead of ours."""
    sdk.session.invalidate()
    before, start = datetime.now(UTC), time.monotonic()
    sdk.session.get_token()
    took = time.monotonic() - start
    issued = access(sdk).issued
    return took, (issued - before).total_seconds() - took / 2


def _latency(sdk: Connection) -> float:
    calls: list[Callable[[], Any]] = [
        lambda: sdk.compute.get("/flavors?limit=1"),
        lambda: sdk.network.get("/networks?limit=1&fields=id"),
        lambda: sdk.image.get("/images?limit=1"),
    ]
    return median(_seconds(call) for call in calls for _ in range(_CALLS))


def _seconds(call: Callable[[], Any]) -> float:
    start = time.monotonic()
    attempt(call)
    return time.monotonic() - start


@dataclass(frozen=True)
class _Probe:
    """A request that cannot succeed for who may make it."""

    client: Any
    path: str
    body: Mapping[str, Any]
    method: str = "POST"

    def may(self) -> bool | None:
        """Whether the policy lets it through; None when neither is sure."""
        status = attempt(lambda: self.client.request(self.path, self.method, json=self.body).status_code)
        if status in (401, 403):
            return False
        return True if status in (200, 202, 400, 409) else None


def _rights(sdk: Connection) -> dict[str, bool | None]:
    probes = {
        "domain": lambda: _Probe(sdk.identity, "/domains", {"domain": {"name": _own_domain(sdk).name}}),
        "project": lambda: _Probe(sdk.identity, "/projects", {"project": _own_project(sdk)}),
        "user": lambda: _Probe(sdk.identity, "/users", {"user": _own_user(sdk)}),
        "flavor": lambda: _Probe(sdk.compute, "/flavors", {"flavor": _some_flavor(sdk)}),
        "public image": lambda: _Probe(sdk.image, "/images", _some_image(sdk)),
        "RBAC policy": lambda: _Probe(sdk.network, "/rbac-policies", {"rbac_policy": _some_policy(sdk)}),
        "provider network": lambda: _Probe(sdk.network, "/networks", {"network": _NOWHERE}),
        "compute quota": lambda: _Probe(sdk.compute, f"/os-quota-sets/{_own(sdk)}", {"quota_set": {}}, "PUT"),
        "network quota": lambda: _Probe(sdk.network, f"/quotas/{_own(sdk)}", {"quota": {}}, "PUT"),
    }
    made = {right: attempt(make) for right, make in probes.items()}
    return {right: probe.may() if probe else None for right, probe in made.items()}


_NOWHERE = {
    "name": _PROBE,
    "router:external": True,
    "segments": [
        {
            "provider:network_type": "vlan",
            "provider:physical_network": f"{_PROBE}-nowhere",
            "provider:segmentation_id": 4094,
        }
    ],
}


def _own(sdk: Connection) -> str:
    return str(sdk.session.get_project_id())


def _own_domain(sdk: Connection) -> Any:
    identity: Any = sdk.identity
    return identity.get_domain(identity.get_project(_own(sdk)).domain_id)


def _own_project(sdk: Connection) -> Mapping[str, Any]:
    identity: Any = sdk.identity
    project = identity.get_project(_own(sdk))
    return {"name": project.name, "domain_id": project.domain_id}


def _own_user(sdk: Connection) -> Mapping[str, Any]:
    user = access(sdk)
    return {"name": user.username, "domain_id": user.user_domain_id}


def _some_flavor(sdk: Connection) -> Mapping[str, Any]:
    """The name of one that is there; StopIteration is no answer."""
    return {"name": next(iter(sdk.compute.flavors(limit=1))).name, "ram": 1, "vcpus": 1, "disk": 0}


def _some_image(sdk: Connection) -> Mapping[str, Any]:
    return {"id": next(iter(sdk.image.images(limit=1))).id, "name": _PROBE, "visibility": "public"}


def _some_policy(sdk: Connection) -> Mapping[str, Any]:
    policy = next(iter(sdk.network.rbac_policies(object_type="network", action="access_as_external")))
    return {
        "object_type": "network",
        "object_id": policy.object_id,
        "action": policy.action,
        "target_tenant": policy.target_project_id,
    }


def _capacity(sdk: Connection) -> tuple[int, int, int]:
    """vCPUs, MiB and GiB of all hosts, with their overcommitment, as Placement gives them out."""
    totals = dict.fromkeys(("VCPU", "MEMORY_MB", "DISK_GB"), 0)
    for provider in sdk.placement.resource_providers():
        answer = sdk.placement.get(f"/resource_providers/{provider.id}/inventories").json()
        for kind, stock in answer["inventories"].items():
            if kind in totals:
                totals[kind] += int((stock["total"] - stock["reserved"]) * stock["allocation_ratio"])
    return totals["VCPU"], totals["MEMORY_MB"], totals["DISK_GB"]


def _addresses(sdk: Connection, name: str) -> tuple[int, int]:
    network: Any = sdk.network.find_network(name, ignore_missing=False)
    told: Any = sdk.network.get_network_ip_availability(network.id)
    return int(told.total_ips), int(told.used_ips)


def _flavors(sdk: Connection) -> tuple[Seen, ...]:
    return tuple(
        Seen(str(f.name), {k: str(v) for k, v in (f.extra_specs or {}).items()}, f.vcpus, f.ram, f.disk)
        for f in sdk.compute.flavors(details=True, get_extra_specs=True)
    )


def _images(sdk: Connection, word: str) -> tuple[Seen, ...]:
    """The guests' image; Glance keeps the sizes that it needs apart from its properties."""
    image: Any = sdk.image.find_image(word)
    if image is None:
        return ()
    plain = {k: str(v) for k, v in sdk.image.get(f"/images/{image.id}").json().items() if v not in (None, 0)}
    return (Seen(str(image.name), plain),)
