"""``volumes-are-encrypted``: data at rest are encrypted where the cloud offers it."""

from __future__ import annotations

from collections.abc import Sequence

from agglo.policies.policy import Found, Policy, Severity, Stack
from agglo.project import Project
from agglo.words import Words


def check(project: Project, stacks: Sequence[Stack]) -> Found:
    """Volumes of a type that is not encrypted, on a cloud that has one that is."""
    for stack in stacks:
        types = stack.cloud.volume_types if stack.cloud else {}
        encrypted = ", ".join(sorted(name for name, is_encrypted in types.items() if is_encrypted))
        for name, volume in stack.declared.volumes.items():
            if encrypted and not types.get(volume.type or ""):
                kind = _type(volume.type)
                yield (
                    stack.target,
                    Words(
                        f"volume {name} is of {kind.en}, not encrypted; this cloud has {encrypted}",
                        f"le volume {name} est {kind.say('fr')}, non chiffré ; ce cloud offre {encrypted}",
                    ),
                )


def _type(name: str | None) -> Words:
    if name is None:
        return Words("the cloud's default type", "du type par défaut du cloud")
    return Words(f"type {name}", f"du type {name}")


POLICY = Policy(
    "volumes-are-encrypted",
    Severity.REFUSES,
    Words("volumes are encrypted where the cloud offers it", "les volumes sont chiffrés là où le cloud le permet"),
    check,
)
