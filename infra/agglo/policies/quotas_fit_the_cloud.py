"""``quotas-fit-the-cloud``: what all quotas promise together is not more than the cloud holds times its overcommit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import get_args

from agglo.metro import Counted, Metro, QuotaClass
from agglo.policies.policy import Found, Policy, Severity, Stack
from agglo.project import Project
from agglo.stack import metro_target
from agglo.words import Words


def check(project: Project, stacks: Sequence[Stack]) -> Found:
    """Each thing that is promised too often, with what weighs most first."""
    capacity = project.metro.capacity
    for kind in get_args(Counted):
        held, times = getattr(capacity, kind), capacity.overcommit.get(kind, 1.0)
        limit = int(held * times)
        weights = promised(project, stacks, kind)
        total = sum(weights.values())
        if total > limit:
            heavy = ", ".join(f"{who}: {count}" for who, count in weights.most_common() if count)
            yield (
                metro_target(project),
                Words(
                    f"{kind}: quotas promise {total}, the cloud holds {limit} ({held} × {times:g}); {heavy}",
                    f"{kind} : les quotas promettent {total}, le cloud tient {limit} ({held} × {times:g}) ; {heavy}",
                ),
            )


def promised(project: Project, stacks: Sequence[Stack], kind: Counted) -> Counter[str]:
    """How much each class of communes is promised of ``kind`` (``16 × M``), and what the metropolis's servers take."""
    metro = project.metro
    sizes = Counter(metro.quota_class(tenant) for tenant in project.tenants)
    weights = Counter({f"{n} × {size}": n * _quota(metro.quota_classes[size], kind) for size, n in sizes.items()})
    weights["metro"] = _of_the_metropolis(metro, stacks, kind)
    return weights


def _quota(of: QuotaClass, kind: Counted) -> int:
    return {
        "cores": of.compute.cores,
        "ram_mib": of.compute.ram_mib,
        "gigabytes": of.volume.gigabytes,
        "backup_gigabytes": of.volume.backup_gigabytes,
        "floating_ips": of.network.floating_ips,
    }[kind]


def _of_the_metropolis(metro: Metro, stacks: Sequence[Stack], kind: Counted) -> int:
    """The operator's project has no quota of cores and memory: its servers count as they are."""
    flavors = {flavor.name: flavor for flavor in metro.flavors}
    servers = [s for stack in stacks if stack.target.tenant is None for s in stack.declared.servers.values()]
    if kind == "cores":
        return sum(flavors[server.flavor].vcpus for server in servers)
    if kind == "ram_mib":
        return sum(flavors[server.flavor].ram_mib for server in servers)
    return metro.operator_quota.network.floating_ips if kind == "floating_ips" else 0


POLICY = Policy(
    "quotas-fit-the-cloud",
    Severity.REFUSES,
    Words(
        "all quotas together are not more than the cloud's capacity × overcommit",
        "les quotas réunis ne dépassent pas la capacité du cloud × surallocation",
    ),
    check,
)
