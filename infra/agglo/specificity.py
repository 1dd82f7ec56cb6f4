"""Where communes differ from what they share: which values, since when, why, until when."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from pydantic import JsonValue

from agglo import digest
from agglo.commune import Commune
from agglo.layers import Key, Origin, Value
from agglo.project import Project
from agglo.reasons import Reason, reason_of
from agglo.request import Request, Role

_NOTHING: tuple[JsonValue, ...] = (None, "", [], {})
OWN_LAYERS = ("commune", "instance")
Since = Callable[[Origin], datetime.date | None]


@dataclass(frozen=True)
class Override:
    """One value that a commune sets for itself; ``shared`` is what it would have otherwise.

    ``since`` is None where neither Git nor the reason says when it began. A value equal to the shared one is
    ``redundant``: it can be left out. Where nothing is shared (no telephone, no address), a commune's own value is a
    ``fact`` and no difference.
    """

    instance: str
    key: Key
    value: JsonValue
    shared: JsonValue
    origin: Origin
    since: datetime.date | None
    reason: Reason | None

    @property
    def redundant(self) -> bool:
        """True when the commune says what it would have anyway."""
        return self.value == self.shared

    @property
    def fact(self) -> bool:
        """True when there is no shared value to differ from."""
        return self.shared in _NOTHING

    @property
    def differs(self) -> bool:
        """True when the commune gives up a shared value for one of its own."""
        return not self.redundant and not self.fact

    def overdue(self, today: datetime.date) -> bool:
        """True when its reason has ended."""
        return bool(self.reason and self.reason.until and self.reason.until < today)


@dataclass(frozen=True)
class Specificity:
    """One instance: how many values it has, and which of them are its own."""

    instance: str
    service: str
    values: int
    overrides: tuple[Override, ...]

    @property
    def shared(self) -> Fraction:
        """Share of the values that are the shared ones, 0 to 1."""
        own = sum(override.differs for override in self.overrides)
        return Fraction(self.values - own, self.values) if self.values else Fraction(1)


@dataclass(frozen=True)
class Hint:
    """Several communes set the same value for themselves: it might be shared."""

    service: str
    key: Key
    value: JsonValue
    instances: tuple[str, ...]


def of_request(project: Project, request: Request, since: Since) -> Specificity:
    """The specificity of one instance."""
    values = project.values(request)
    own = [
        _override(project, request, key, value, since)
        for key, value in values.items()
        if value.origin.layer in OWN_LAYERS
    ]
    return Specificity(request.instance, request.service, len(values), tuple(own))


def report(project: Project, requests: Iterable[Request], since: Since) -> list[Specificity]:
    """The specificity of each request of a commune; a shared instance itself has no commune's values."""
    return [of_request(project, r, since) for r in requests if r.role is not Role.SHARED]


def hints(found: Sequence[Specificity]) -> list[Hint]:
    """Values that at least two communes set alike, the most frequent first."""
    alike: dict[tuple[str, Key, str], list[Override]] = {}
    for one in found:
        for override in one.overrides:
            if override.differs:
                alike.setdefault((one.service, override.key, digest.of_json(override.value)), []).append(override)
    several = [
        Hint(service, key, overrides[0].value, tuple(o.instance for o in overrides))
        for (service, key, _), overrides in alike.items()
        if len(overrides) > 1
    ]
    return sorted(several, key=lambda h: (-len(h.instances), h.service, h.key))


@dataclass(frozen=True)
class Total:
    """What the instances of one commune, or of one service, amount to; ``often`` are the keys that differ most."""

    name: str
    instances: int
    values: int
    differing: int
    facts: int
    often: tuple[tuple[str, int], ...]

    @property
    def shared(self) -> Fraction:
        """Share of the values that are the shared ones, 0 to 1."""
        return Fraction(self.values - self.differing, self.values) if self.values else Fraction(1)


def totals(found: Sequence[Specificity], name: Callable[[Specificity], str]) -> list[Total]:
    """Totals by what ``name`` says of an instance, in the order of names."""
    groups: dict[str, list[Specificity]] = {}
    for one in found:
        groups.setdefault(name(one), []).append(one)
    return [_total(group, groups[group]) for group in sorted(groups)]


def _total(name: str, found: Sequence[Specificity]) -> Total:
    own = [override for one in found for override in one.overrides]
    keys = Counter(".".join(override.key) for override in own if override.differs)
    often = tuple(sorted(keys.items(), key=lambda item: (-item[1], item[0]))[:3])
    facts = sum(override.fact and not override.redundant for override in own)
    return Total(name, len(found), sum(one.values for one in found), sum(keys.values()), facts, often)


def _override(project: Project, request: Request, key: Key, value: Value, since: Since) -> Override:
    shared = next((s.value for s in value.overrode if s.origin.layer not in OWN_LAYERS), None)
    reason = reason_for(request, key, value)
    began = (reason.since if reason else None) or since(value.origin)
    return Override(request.instance, key, value.value, shared, value.origin, began, reason)


def reason_for(request: Request, key: Key, value: Value) -> Reason | None:
    """The reason that stands beside a value: in the request, or in the commune's own file."""
    if value.origin.layer == "instance":
        return reason_of(key, request.asked.why)
    if isinstance(request.tenant, Commune):
        return reason_of(key, request.tenant.why.get(request.service, {}))
    return None
