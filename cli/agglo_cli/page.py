"""The status page: one HTML file for people, in French and English, that needs nothing else."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from zoneinfo import ZoneInfo

from jinja2 import Environment, PackageLoader, StrictUndefined

from agglo.metro import Metro
from agglo.overview import ZONES, Overview
from agglo.story import STATES, State
from agglo.words import Words

_THIN = "\N{NARROW NO-BREAK SPACE}"
_TONES = {  # of states, by the colours of the page
    State.VERIFIED: "good",
    State.FAILING: "bad",
    State.TO_MEND: "bad",
    State.ASKED: "asked",
    State.LEAVING: "leaving",
}


def render_page(metro: Metro, seen: Overview, at: datetime, address: Callable[[str], str]) -> str:
    """The page as of ``at``, in the metropolis's local time; ``address`` makes links from host names."""
    zone = ZoneInfo(metro.timezone)

    def time(moment: datetime) -> Words:
        there = moment.astimezone(zone)
        return Words(f"{there:%Y-%m-%d %H:%M %Z}", f"{there:%d/%m/%Y à %H:%M %Z}")

    environment = Environment(
        loader=PackageLoader("agglo_cli"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": _number, "time": time, "address": address}
    page = environment.get_template("status.html.j2")
    return page.render(metro=metro, seen=seen, at=at, states=STATES, zones=ZONES, tones=_TONES)


def _number(value: int) -> Words:
    return Words(f"{value:,}", f"{value:,}".replace(",", _THIN))
