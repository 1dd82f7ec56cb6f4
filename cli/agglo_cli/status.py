"""``status``: the metropolis at a glance, and what runs where, as recorded."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import IO
from zoneinfo import ZoneInfo

import click
from pydantic import JsonValue

from agglo.adapters.connection import process_environment
from agglo.errors import UsageError
from agglo.overview import ZONES, Cell, Overview, overview
from agglo.records import Record, Verified
from agglo.selector import select, with_recorded
from agglo.story import STATES
from agglo_cli.console import answer_json, fits, plural, table
from agglo_cli.options import AS_JSON
from agglo_cli.session import Session, connection_file, pass_session

Row = dict[str, JsonValue]


@click.command()
@click.argument("selector", default="all")
@AS_JSON
@click.option(
    "--html", "page", type=click.File("w", encoding="utf-8", atomic=True), help="Write a page for people to this file."
)
@pass_session
def status(session: Session, selector: str, as_json: bool, page: IO[str] | None) -> None:
    """Show the metropolis at a glance: communes and their services, versions, states, the oldest verification.

    With a SELECTOR, only its instances with their addresses.
    """
    whole = selector == "all"
    if page and not whole:
        raise UsageError("the page shows the whole metropolis", hint="agglo status --html FILE")
    found = rows(session, selector)
    seen = overview(session.reading.project or session.project, session.reading.requests, session.records.load_all())
    if page:
        from agglo_cli.page import render_page  # noqa: PLC0415  the template engine, which nothing else here needs

        page.write(render_page(session.project.metro, seen, datetime.now(UTC), address))
    if as_json:
        answer_json({**(_overview_json(seen) if whole else {}), "instances": found})
    elif page:
        click.echo(f"Written: {page.name}", err=True)
    elif whole:
        _show_overview(seen, ZoneInfo(session.project.metro.timezone), found)
    else:
        show(found)


def rows(session: Session, selector: str) -> list[JsonValue]:
    """One row per selected instance that somebody asked for."""
    records = session.records.load_all()
    known = with_recorded(session.project, records.values())
    targets = [t for t in select(known, selector) if t.request]
    return [_row(session, t.title, records.get(t.id), t.request.version) for t in targets if t.request]


def show(found: Sequence[JsonValue]) -> None:
    """Print rows as a table."""
    shown = [
        tuple(str(row[key]) for key in ("commune", "service", "version", "verified", "url"))
        for row in found
        if isinstance(row, dict)
    ]
    if shown:
        table(("commune", "service", "version", "verified", "address"), shown)


def checked(verified: Verified | None) -> str:
    """A verification in words; empty when there was none."""
    if verified is None:
        return ""
    return f"{verified.failed} failed" if verified.failed else f"yes, {verified.passed} checks"


def address(host: str) -> str:
    """What a browser opens; with a port where the edge is relayed to this machine."""
    edge = process_environment(connection_file()).get("AGGLO_EDGE_ACCESS")
    port = f":{edge.rpartition(':')[2]}" if edge else ""
    return f"https://{host}{port}" if host else ""


def _show_overview(seen: Overview, zone: ZoneInfo, found: Sequence[JsonValue]) -> None:
    """Totals, then the grid of communes and services; where that is too wide, the list of instances."""
    click.echo(
        f"{plural(len(seen.communes), 'commune')}, {seen.landing_zones} with a landing zone; "
        f"{seen.inhabitants} inhabitants, {seen.served} served."
    )
    for service, versions in seen.versions.items():
        click.echo(f"{service}: {', '.join(f'{count} at {version}' for version, count in versions.items())}")
    if seen.states:
        states = ", ".join(f"{count} {STATES[state]}" for state, count in seen.states.items())
        click.echo(f"Requests and services: {states}.")
    if seen.oldest:
        click.echo(f"The oldest verification is of {seen.oldest.astimezone(zone):%Y-%m-%d %H:%M %Z}.")
    for day, servers in seen.images:
        age = (datetime.now(zone).date() - day).days
        click.echo(f"{plural(servers, 'server')} on the image of {day}, {plural(age, 'day')} old.")
    grid = [
        (r.tenant.code, r.tenant.name, r.size, str(ZONES[r.zone]), *(_cell(r.cells.get(s)) for s in seen.services))
        for r in seen.rows
    ]
    click.echo()
    columns = ("code", "commune", "class", "landing zone", *seen.services)
    table(columns, grid) if fits([columns, *grid]) else show(found)


def _cell(cell: Cell | None) -> str:
    return f"{cell.version} {STATES[cell.state]}".strip() if cell else ""


def _overview_json(seen: Overview) -> Row:
    return {
        "totals": {
            "communes": len(seen.communes),
            "landing_zones": seen.landing_zones,
            "inhabitants": seen.inhabitants,
            "served": seen.served,
            "versions": {service: dict(versions) for service, versions in seen.versions.items()},
            "states": {str(state): count for state, count in seen.states.items()},
            "images": {str(day): servers for day, servers in seen.images},
            "oldest_verification": seen.oldest.isoformat() if seen.oldest else None,
        },
        "communes": [
            {
                "code": row.tenant.code,
                "slug": row.tenant.slug,
                "name": row.tenant.name,
                "inhabitants": row.tenant.population.count,
                "class": row.size,
                "landing_zone": str(row.zone),
                "services": {service: _cell_json(cell) for service, cell in row.cells.items()},
            }
            for row in seen.rows
        ],
    }


def _cell_json(cell: Cell) -> Row:
    return {
        "version": cell.version,
        "state": str(cell.state),
        "url": address(cell.host),
        "verified_at": cell.verified.at.isoformat() if cell.verified else None,
    }


def _row(session: Session, instance: str, record: Record | None, asked: str) -> Row:
    commune, service = instance.split("/")
    route = record.route if record else None
    state = checked(record.verified if record else None) or "no"
    return {
        "instance": instance,
        "commune": session.project.tenant(commune).name,
        "service": service,
        "version": _version(record, asked, wanted=instance in _asked(session)),
        "verified": f"{state}, in maintenance" if route and route.maintenance is not None else state,
        "url": address(route.host) if route else "",
    }


def _asked(session: Session) -> set[str]:
    """Instances that somebody asks for, rightly or wrongly."""
    read = session.reading.project
    return {*session.reading.requests, *(read.requests if read else ())}


def _version(record: Record | None, asked: str, *, wanted: bool) -> str:
    if record is None or record.release is None:
        return f"{asked} (asked)"
    return record.release if wanted else f"{record.release} (no longer asked for)"
