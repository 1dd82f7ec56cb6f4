"""``no-port-open-to-the-world``: from outside, the edge's web ports and, from named networks, the bastion's ssh.

Inside, the metropolis's servers may serve all communes, except by ssh. A commune's admit single addresses of these: all
of transit would be all communes.
"""

from __future__ import annotations

from collections.abc import Sequence

from agglo.declared import SSH, WEB, Opening
from agglo.metro import Metro
from agglo.policies.policy import Found, Policy, Severity, Stack
from agglo.project import Project
from agglo.words import Words

WIDEST = 16  # bits of the shortest prefix that is still somebody's network


def check(project: Project, stacks: Sequence[Stack]) -> Found:
    """Openings that are wider than they may be."""
    for stack in stacks:
        for name, group in stack.declared.security_groups.items():
            mine = name if stack.target.tenant is None else ""
            for opening in group.openings:
                if words := _wrong(project.metro, mine, opening):
                    said = f"{name}, port {opening.port} from {opening.prefix}: "
                    yield stack.target, Words(said + words.en, said.replace(": ", " : ") + words.fr)


def _wrong(metro: Metro, group: str, opening: Opening) -> Words | None:
    """What is wrong with an opening of the metropolis's own ``group`` (empty: of a commune's)."""
    prefix, transit = opening.prefix, metro.transit
    if group == "edge" and opening.port in WEB:
        return None
    named = group == "bastion" and opening.port == SSH and prefix in [n.cidr for n in metro.public.ssh_from]
    if named and prefix.prefixlen < WIDEST:
        return _WIDE
    if prefix.overlaps(transit.cidr):
        ours = prefix.prefixlen == prefix.max_prefixlen and prefix.subnet_of(transit.reserved)
        serves = group and opening.port != SSH and prefix == transit.cidr
        return None if ours or serves else _INSIDE
    return None if named or prefix.subnet_of(metro.commune_network.cidr) else _OUTSIDE


_INSIDE = Words(
    "communes are in there; name single addresses of the metropolis's own servers",
    "des communes s’y trouvent ; nommez des adresses isolées des serveurs de la métropole",
)
_WIDE = Words(
    f"wider than /{WIDEST} is nobody's network; name narrower ones in public.ssh_from",
    f"plus large que /{WIDEST}, ce n’est le réseau de personne ; nommez-en de plus étroits dans public.ssh_from",
)
_OUTSIDE = Words(
    "only the edge's 80 and 443 and, from public.ssh_from, the bastion's ssh are reached from outside",
    "seuls les ports 80 et 443 de l’entrée et, depuis public.ssh_from, le ssh du bastion s’atteignent de l’extérieur",
)

POLICY = Policy(
    "no-port-open-to-the-world",
    Severity.REFUSES,
    Words(
        "from outside only the edge's 80 and 443 and, from named networks, the bastion's ssh",
        "de l’extérieur, seuls les ports 80 et 443 de l’entrée et, depuis des réseaux nommés, le ssh du bastion",
    ),
    check,
)
