"""A commune leaves the metropolis: what has to be gone before its landing zone may go, and the order of things."""

from __future__ import annotations

from collections.abc import Sequence

from agglo.commune import Commune
from agglo.errors import RefusedByPolicy
from agglo.outcome import Outcome
from agglo.plan import Plan
from agglo.provision import contents
from agglo.stack import Kind, StackId
from agglo.workflow import Confirm, destroy
from agglo.world import World

_NO_BACKUP = "its project holds data of which no backup is recorded (agglo makes none yet)"
_KEEP = "keep the data elsewhere and delete them in the cloud (openstack volume delete, openstack container delete)"


def remove(world: World, commune: Commune, asked: Sequence[str], confirm: Confirm, *, purge: bool = False) -> Outcome:
    """Destroy a commune's landing zone, which has to be empty; ``asked`` are names of its requests' files.

    With ``purge``, the commune's instances and what else can be made again in its project are destroyed with it. Raises
    RefusedByPolicy, with all reasons, before anything is changed.
    """
    _check(world, commune, asked, purge=purge)

    def agreed(plan: Plan) -> bool:
        if not confirm(plan):
            return False
        _check(world, commune, asked, purge=purge)  # people take their time; now the stacks are locked
        return True

    return destroy(world, commune.insee, agreed, purge=purge)


def _check(world: World, commune: Commune, asked: Sequence[str], *, purge: bool) -> None:
    inside = contents(world, commune.code)
    data = [str(item) for item in inside if item.data]
    other = [] if purge else [str(item) for item in inside if not item.data]
    instances = [] if purge else [r.title for s, r in world.records.load_all().items() if _is_instance(s, commune)]
    reasons = [
        *(
            f"{s.source.name} names it among its members"
            for s in world.project.shared
            if commune.slug in (s.members or ())
        ),
        *(f"{name} asks for a service" for name in ([] if purge else asked)),
        *(f"{title} is recorded" for title in instances),
        *([f"its project is not empty: {', '.join(other)}"] if other else []),
        *([f"{_NO_BACKUP}: {', '.join(data)}"] if data else []),
    ]
    if reasons:
        ways = [
            *([_KEEP] if data else []),
            *(f"agglo destroy {title}" for title in instances),
            *(["delete the files of its requests"] if asked and not purge else []),
            "then run the same command again",
        ]
        lines = "".join(f"\n  {reason}" for reason in reasons)
        raise RefusedByPolicy(f"{commune.name} cannot be removed:{lines}", hint="; ".join(ways))


def _is_instance(stack: StackId, commune: Commune) -> bool:
    return stack.kind is Kind.INSTANCE and stack.name.startswith(f"{commune.insee}-")
