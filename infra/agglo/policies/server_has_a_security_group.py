"""``server-has-a-security-group``: each server is in a group that its stack or its landing zone makes."""

from __future__ import annotations

from collections.abc import Sequence

from agglo.policies.policy import Found, Policy, Severity, Stack
from agglo.project import Project
from agglo.words import Words


def check(project: Project, stacks: Sequence[Stack]) -> Found:
    """Servers without a group, or in one that nobody makes."""
    zones = {s.target.tenant.code: s for s in stacks if s.target.tenant and s.target.request is None}
    for stack in stacks:
        zone = zones.get(stack.target.tenant.code) if stack.target.tenant else None
        known = {*stack.declared.security_groups, *(zone.declared.security_groups if zone else ())}
        for name, server in stack.declared.servers.items():
            if not server.security_groups:
                yield (
                    stack.target,
                    Words(f"{name} is in no security group", f"{name} n’est dans aucun groupe de sécurité"),
                )
            for group in server.security_groups:
                if group not in known:
                    yield (
                        stack.target,
                        Words(
                            f"{name} is in the security group {group}, which neither its stack nor landing zone makes",
                            f"{name} est dans le groupe de sécurité {group}, que ni sa pile ni sa zone ne crée",
                        ),
                    )


POLICY = Policy(
    "server-has-a-security-group",
    Severity.REFUSES,
    Words(
        "each server is in a security group that agglo makes",
        "chaque serveur est dans un groupe de sécurité que crée agglo",
    ),
    check,
)
