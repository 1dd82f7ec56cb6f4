"""``image-from-the-channel``: servers boot the image that the metropolis's stack publishes, and no other."""

from __future__ import annotations

from collections.abc import Sequence

from agglo.policies.policy import Found, Policy, Severity, Stack
from agglo.project import Project
from agglo.words import Words


def check(project: Project, stacks: Sequence[Stack]) -> Found:
    """Servers with another image."""
    published = project.metro.image.name
    for stack in stacks:
        for name, server in stack.declared.servers.items():
            if server.image != published:
                yield (
                    stack.target,
                    Words(
                        f"{name} boots {server.image}; the metropolis publishes {published}",
                        f"{name} démarre {server.image} ; la métropole publie {published}",
                    ),
                )


POLICY = Policy(
    "image-from-the-channel",
    Severity.REFUSES,
    Words(
        "servers boot the image that the metropolis publishes", "les serveurs démarrent l’image que publie la métropole"
    ),
    check,
)
