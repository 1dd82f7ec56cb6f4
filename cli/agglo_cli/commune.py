"""``commune``: the tenants of the metropolis."""

from __future__ import annotations

import click
from pydantic import JsonValue

from agglo_cli.console import answer_json, table
from agglo_cli.session import Session, pass_session


@click.group()
def commune() -> None:
    """Communes of the metropolis."""


@commune.command("list")
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
@pass_session
def list_(session: Session, as_json: bool) -> None:
    """List the communes with their population and size class."""
    known = list(session.project.communes.values())
    if as_json:
        answer_json([c.model_dump(mode="json", exclude={"values"}) for c in known])
        return
    metro = session.project.metro
    table(
        ("insee", "slug", "name", "inhabitants", "class"),
        [(c.insee, c.slug, c.name, str(c.population.count), metro.quota_class(c)) for c in known],
    )


@commune.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
@pass_session
def show(session: Session, name: str, as_json: bool) -> None:
    """Show one commune and what it asked for."""
    found = session.project.commune(name)
    requests = [r for r in session.project.requests.values() if r.commune == found]
    if as_json:
        asked: list[JsonValue] = [{"service": r.asked.service, "version": r.asked.version} for r in requests]
        answer_json({**found.model_dump(mode="json", exclude={"values"}), "requests": asked})
        return
    click.echo(f"{found.name} ({found.insee}), SIREN {found.siren}, {', '.join(found.postal_codes)}")
    click.echo(f"{found.population.count} inhabitants (population {found.population.kind})")
    for request in requests:
        click.echo(f"asks for {request.asked.service} {request.asked.version} ({request.source.name})")
