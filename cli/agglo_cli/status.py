"""``status``: what runs where, as recorded."""

from __future__ import annotations

import click
from pydantic import JsonValue

from agglo.records import Record
from agglo.selector import select, with_recorded
from agglo_cli.console import answer_json, table
from agglo_cli.session import Session, pass_session

Row = dict[str, JsonValue]


@click.command()
@click.argument("selector", default="all")
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
@pass_session
def status(session: Session, selector: str, as_json: bool) -> None:
    """Show the instances: commune, service, version, whether verified, address."""
    found = rows(session, selector)
    if as_json:
        answer_json({"instances": list(found)})
    else:
        show(found)


def rows(session: Session, selector: str) -> list[JsonValue]:
    """One row per selected instance that somebody asked for."""
    records = session.records.load_all()
    known = with_recorded(session.project, records.values())
    targets = [t for t in select(known, selector) if t.request]
    return [_row(session, t.title, records.get(t.id), t.request.asked.version) for t in targets if t.request]


def show(found: list[JsonValue]) -> None:
    """Print rows as a table."""
    shown = [
        tuple(str(row[key]) for key in ("commune", "service", "version", "verified", "url"))
        for row in found
        if isinstance(row, dict)
    ]
    if shown:
        table(("commune", "service", "version", "verified", "address"), shown)


def _row(session: Session, instance: str, record: Record | None, asked: str) -> Row:
    commune, service = instance.split("/")
    verified = record.verified if record else None
    state = "no" if verified is None else "yes" if not verified.failed else f"{verified.failed} failed"
    route = record.route if record else None
    return {
        "commune": session.project.commune(commune).name,
        "service": service,
        "version": _version(record, asked, wanted=instance in session.project.requests),
        "verified": f"{state}, {verified.passed} checks" if verified and not verified.failed else state,
        "url": f"https://{route.host}{_port(session)}" if route else "",
    }


def _version(record: Record | None, asked: str, *, wanted: bool) -> str:
    if record is None or record.release is None:
        return f"{asked} (asked)"
    return record.release if wanted else f"{record.release} (no longer asked for)"


def _port(session: Session) -> str:
    """``:8443`` where the edge is relayed to this machine, nothing where it is on its own address."""
    edge = session.connection.edge
    return f":{edge.rpartition(':')[2]}" if edge else ""
