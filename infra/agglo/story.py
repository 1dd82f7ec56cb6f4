"""The story of a request, from asked to verified or refused: what has happened, what is next, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from agglo.errors import Problem
from agglo.plan import verification_due
from agglo.records import Record
from agglo.request import Request, Role
from agglo.words import Words


class State(StrEnum):
    """Where a request stands; ``leaving`` is what runs although nobody asks for it any more."""

    REFUSED = "refused"
    TO_MEND = "to_mend"
    ASKED = "asked"
    PROVISIONING = "provisioning"
    CONFIGURING = "configuring"
    FAILING = "failing"
    VERIFIED = "verified"
    UPGRADING = "upgrading"
    LEAVING = "leaving"


STATES: Mapping[State, Words] = {
    State.REFUSED: Words("refused", "refusée"),
    State.TO_MEND: Words("to mend", "à corriger"),
    State.ASKED: Words("asked", "demandée"),
    State.PROVISIONING: Words("being provisioned", "en création"),
    State.CONFIGURING: Words("being configured", "en configuration"),
    State.FAILING: Words("failing", "en échec"),
    State.VERIFIED: Words("in service", "en service"),
    State.UPGRADING: Words("being upgraded", "en mise à niveau"),
    State.LEAVING: Words("no longer asked for", "plus demandée"),
}


@dataclass(frozen=True)
class Event:
    """One thing that happened; ``at`` is None where nobody noted when, a date where nobody noted the time."""

    words: Words
    at: datetime | date | None = None


@dataclass(frozen=True)
class Asked:
    """When a request's file came to be, and by whom (from Git); unknown while it is not committed."""

    at: datetime | None = None
    by: str = ""


@dataclass(frozen=True)
class Story:
    """A request's state, its events in order, and what comes next."""

    instance: str
    state: State
    events: tuple[Event, ...]
    next: Words
    problems: tuple[Problem, ...] = ()


_NEXT = {
    State.REFUSED: Words("nothing: the metropolis did not grant it", "rien : la métropole ne l’a pas accordée"),
    State.TO_MEND: Words("mend the file, then agglo request check", "corrigez le fichier, puis agglo request check"),
    State.ASKED: Words("the metropolis applies it", "la métropole la met en service"),
    State.PROVISIONING: Words("the metropolis applies it again", "la métropole relance la mise en service"),
    State.CONFIGURING: Words("the metropolis configures it", "la métropole termine la configuration"),
    State.FAILING: Words("the metropolis mends what fails", "la métropole corrige ce qui ne fonctionne pas"),
    State.VERIFIED: Words("nothing: it is in service", "rien : le service est ouvert"),
    State.UPGRADING: Words("the metropolis moves it to the version", "la métropole passe à la version demandée"),
}

_PLACE = {
    Role.MEMBER: Words(
        "a place in the metropolis's shared instance", "une place dans l’instance partagée de la métropole"
    ),
    Role.SHARED: Words("an instance that communes share", "une instance que les communes partagent"),
    Role.DEDICATED: Words("an instance of its own", "une instance dédiée"),
}


def tell(request: Request, asked: Asked, problems: Sequence[Problem], record: Record | None) -> Story:
    """The story of a request that could be read; ``record`` is what was applied, if anything was."""
    state = state_of(request, problems, record)
    events = [_asked(request, asked)]
    if request.asked.refused:
        events.append(_refused(request))
    elif record:
        events += _applied(request, record)
    return Story(request.instance, state, tuple(events), _NEXT[state], tuple(problems))


def unreadable(instance: str, asked: Asked, problems: Sequence[Problem]) -> Story:
    """The story of a request whose file could not be read."""
    event = Event(Words("asked for" + _by(asked), "demandée" + _par(asked)), asked.at)
    return Story(instance, State.TO_MEND, (event,), _NEXT[State.TO_MEND], tuple(problems))


def state_of(request: Request, problems: Sequence[Problem], record: Record | None) -> State:
    """Where a request stands that could be read."""
    if request.asked.refused:
        return State.REFUSED
    if problems:
        return State.TO_MEND
    if record is None:
        return State.ASKED
    if record.engine is None or record.intent:
        return State.PROVISIONING
    if request.role is not Role.MEMBER and record.configured is None:
        return State.CONFIGURING
    if request.role is not Role.MEMBER and record.configured != request.version:
        return State.UPGRADING
    return State.FAILING if verification_due(record) else State.VERIFIED


def _asked(request: Request, asked: Asked) -> Event:
    name = f"{request.service} {request.version}".strip()
    place = _PLACE[request.role]
    return Event(
        Words(f"asked for {name}, {place.en}{_by(asked)}", f"demande de {name}, {place.fr}{_par(asked)}"), asked.at
    )


def _refused(request: Request) -> Event:
    refusal = request.asked.refused
    why = refusal.why if refusal else ""
    return Event(Words(f"refused: {why}", f"refusée : {why}"), refusal.date if refusal else None)


def _applied(request: Request, record: Record) -> list[Event]:
    events = []
    if record.engine:
        events.append(
            Event(Words("provisioned on the cloud", "ressources créées dans le cloud"), record.engine.at)
            if request.role is not Role.MEMBER
            else Event(Words("entered in the shared instance", "inscrite dans l’instance partagée"), record.engine.at)
        )
    configured = [guest.at for guest in record.guests.values()]
    if configured and record.configured:
        version = record.configured
        events.append(
            Event(Words(f"configured in version {version}", f"configurée en version {version}"), max(configured))
        )
    if record.verified:
        good, bad = record.verified.passed, record.verified.failed
        words = Words(f"verified: {good} checks passed", f"vérifiée : {good} contrôles réussis")
        if bad:
            failures = "; ".join(record.verified.failures)
            words = Words(f"{bad} checks failed: {failures}", f"{bad} contrôle(s) en échec : {failures}")
        events.append(Event(words, record.verified.at))
    return events


def _by(asked: Asked) -> str:
    return f" by {asked.by}" if asked.by else ""


def _par(asked: Asked) -> str:
    return f" par {asked.by}" if asked.by else ""
