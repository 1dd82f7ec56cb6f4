"""Exemptions from policies: ``stacks/exemptions.yaml``. Each has a reason and an end."""

from __future__ import annotations

from datetime import date, timedelta
from enum import StrEnum

from pydantic import Field

from agglo.words import Strict

LONGEST = timedelta(days=366)


class Exemption(Strict):
    """``policy`` is not held against ``where`` until the end of ``until`` (at most one year ahead), because of ``why``.

    ``where`` is ``metro``, a commune (its landing zone and its instances), ``<commune>/<service>`` or ``*/<service>``.
    """

    policy: str
    where: str
    why: str = Field(min_length=10, max_length=400)
    until: date

    def counts(self, today: date) -> bool:
        """True while it has not ended, if its end is not too far."""
        return today <= self.until <= today + LONGEST


class Exemptions(Strict):
    """``stacks/exemptions.yaml``: what is allowed for a time although a policy refuses it."""

    exemptions: tuple[Exemption, ...] = ()


class Standing(StrEnum):
    """What an exemption does on a day."""

    IN_FORCE = "in force"
    ENDED = "ended"
    TOO_LONG = "ends more than a year ahead"
    IDLE = "exempts nothing"


def standing(exemption: Exemption, today: date, *, used: bool) -> Standing:
    """What ``exemption`` does; ``used``: a policy found something where it holds."""
    if exemption.until < today:
        return Standing.ENDED
    if not exemption.counts(today):
        return Standing.TOO_LONG
    return Standing.IN_FORCE if used else Standing.IDLE
