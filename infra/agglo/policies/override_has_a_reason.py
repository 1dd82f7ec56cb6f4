"""``override-has-a-reason``: a value that differs from the shared one has a ``why:`` beside it.

So that the metropolis sees where mutualisation holds, and that a commune's next agent knows what may be given up.
Where nothing is shared (a telephone number, an address) a value of one's own is no difference.
"""

from __future__ import annotations

from collections.abc import Sequence

from agglo.policies.policy import Found, Policy, Severity, Stack
from agglo.project import Project
from agglo.request import Request
from agglo.specificity import of_request
from agglo.words import Words


def check(project: Project, stacks: Sequence[Stack]) -> Found:
    """Values of one's own without a reason."""
    for stack in stacks:
        if request := stack.target.request:
            for key in unexplained(project, request):
                yield stack.target, say(key)


def say(key: str) -> Words:
    """What is asked for."""
    return Words(
        f"{key} differs from the shared values; say why (why: {{{key}: …}})",
        f"{key} diffère des valeurs partagées ; dites pourquoi (why: {{{key}: …}})",
    )


def unexplained(project: Project, request: Request) -> list[str]:
    """Dotted keys of the values that differ without a reason."""
    found = of_request(project, request, lambda _: None)
    return [".".join(o.key) for o in found.overrides if o.reason is None and o.differs]


POLICY = Policy(
    "override-has-a-reason",
    Severity.ADVISES,
    Words(
        "a value that differs from the shared one says why", "une valeur qui diffère de la valeur partagée dit pourquoi"
    ),
    check,
)
