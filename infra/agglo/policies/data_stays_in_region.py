"""``data-stays-in-region``: stacks are in the regions that the metropolis chose, and no service sends data further.

A release says in its register of processing (``personal_data``) what leaves the European Union.
"""

from __future__ import annotations

from collections.abc import Sequence

from agglo.policies.policy import Found, Policy, Severity, Stack
from agglo.project import Project
from agglo.words import Words


def check(project: Project, stacks: Sequence[Stack]) -> Found:
    """Stacks elsewhere, and instances of services that send data outside of the European Union."""
    allowed = project.metro.sovereignty.regions
    for stack in stacks:
        region = stack.declared.region
        if region not in allowed:
            chosen = ", ".join(allowed)
            yield (
                stack.target,
                Words(
                    f"is in region {region}; data may be in {chosen} (sovereignty.regions)",
                    f"est dans la région {region} ; les données peuvent être dans {chosen} (sovereignty.regions)",
                ),
            )
        if request := stack.target.request:
            for processing in project.release(request).manifest.personal_data.processing:
                if away := processing.transfers:
                    yield (
                        stack.target,
                        Words(
                            f"{request.service} {request.version} sends data outside of the European Union "
                            f"({processing.name.en}): {away.en}",
                            f"{request.service} {request.version} transmet des données hors de l’Union européenne "
                            f"({processing.name.fr}) : {away.fr}",
                        ),
                    )


POLICY = Policy(
    "data-stays-in-region",
    Severity.REFUSES,
    Words(
        "stacks are in the regions of sovereignty.regions, and services send no data outside of the European Union",
        "les piles sont dans les régions de sovereignty.regions, et rien ne part hors de l’Union européenne",
    ),
    check,
)
