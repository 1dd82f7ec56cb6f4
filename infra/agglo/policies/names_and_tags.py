"""``names-and-tags``: what is made is named after whose it is, once, and projects say whose they are.

Names of servers are host names and names of an inventory: ``<slug>-<service>`` of two communes may be the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from agglo.commune import Commune
from agglo.declared import guest_name, zone_group
from agglo.policies.policy import Found, Policy, Severity, Stack
from agglo.project import Project
from agglo.stack import Target, host_name
from agglo.words import Words

_LABEL = re.compile(r"[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?")
_LONGEST_HOST = 253


def check(project: Project, stacks: Sequence[Stack]) -> Found:
    """Names that are not by the rule or that another stack has, and tags that are missing."""
    taken: dict[str, Target] = {}
    for stack in stacks:
        target = stack.target
        for words in (*_names(project, stack), *_tags(stack)):
            yield target, words
        for name in sorted(_owned(stack)):
            if name in taken:
                first = taken[name].title
                yield target, Words(f"{name} is {first}'s name already", f"{name} est déjà le nom de {first}")
            else:
                taken[name] = target


def _owned(stack: Stack) -> set[str]:
    """Names that nothing else may have; a landing zone's slug is that of its domain, its project and its network."""
    tenant = stack.target.tenant
    slug = {tenant.slug} if tenant and stack.target.request is None else set()
    return {*slug, *stack.declared.security_groups, *stack.declared.servers}


def _names(project: Project, stack: Stack) -> Iterator[Words]:
    tenant, request = stack.target.tenant, stack.target.request
    made = {*stack.declared.security_groups, *stack.declared.servers}
    if tenant:
        rule = guest_name(request) if request else zone_group(tenant)
        for name in sorted(made - {rule}):
            yield Words(f"{name} should be named {rule}", f"{name} devrait se nommer {rule}")
    for name in sorted(made):
        if not _LABEL.fullmatch(name):
            yield Words(
                f"{name} is no host name: at most 63 lower-case letters, digits and hyphens, a letter first",
                f"{name} n’est pas un nom d’hôte : 63 minuscules, chiffres et tirets au plus, une lettre d’abord",
            )
    if request and len(host := host_name(project, request)) > _LONGEST_HOST:
        yield Words(
            f"the host name {host} is longer than {_LONGEST_HOST} characters",
            f"le nom d’hôte {host} dépasse {_LONGEST_HOST} caractères",
        )


def _tags(stack: Stack) -> Iterator[Words]:
    tenant = stack.target.tenant
    if tenant is None or stack.target.request:
        return
    known = {tag.partition("=")[0] for tag in stack.declared.tags if tag.partition("=")[2]}
    wanted = ["insee", "siren", "population"] if isinstance(tenant, Commune) else ["siren", "population"]
    if missing := ", ".join(name for name in wanted if name not in known):
        yield Words(f"its project has no tag {missing}", f"son projet n’a pas l’étiquette {missing}")


POLICY = Policy(
    "names-and-tags",
    Severity.REFUSES,
    Words(
        "names say whose a thing is and are there once; projects carry INSEE code, SIREN and population",
        "les noms disent à qui est la chose, une seule fois ; les projets portent code INSEE, SIREN et population",
    ),
    check,
)
