"""``commune``: the tenants of the metropolis."""

from __future__ import annotations

import click
from pydantic import JsonValue

from agglo.commune import Commune
from agglo.errors import UsageError
from agglo.metro import Metro
from agglo.project import Project
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
        answer_json([_json(session.project.metro, c) for c in known])
        return
    metro = session.project.metro
    table(
        ("insee", "slug", "name", "inhabitants", "class"),
        [(c.insee, c.slug, c.name, str(c.population.count), _class(metro, c)) for c in known],
    )


@commune.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
@pass_session
def show(session: Session, name: str, as_json: bool) -> None:
    """Show one commune and what it asked for."""
    found = find_commune(session.project, name)
    requests = [r for r in session.project.requests.values() if r.tenant == found]
    metro = session.project.metro
    if as_json:
        asked: list[JsonValue] = [
            {"service": r.asked.service, "version": r.version, "role": str(r.role)} for r in requests
        ]
        answer_json({**_json(metro, found), "requests": asked})
        return
    click.echo(f"{found.name} ({found.insee}), SIREN {found.siren}, {', '.join(found.postal_codes)}")
    vintage = f" of {found.population.vintage}" if found.population.vintage else ""
    click.echo(f"{found.population.count} inhabitants (population {found.population.kind}{vintage})")
    why = f": {found.quota_class.why}" if found.quota_class else ""
    click.echo(f"class {_class(metro, found)}{why}")
    for request in requests:
        click.echo(f"asks for {request.service} {request.version}, {request.role} ({request.source.name})")


def find_commune(project: Project, word: str) -> Commune:
    """A commune by code, slug or key. Raises UsageError."""
    found = project.tenant(word)
    if not isinstance(found, Commune):
        raise UsageError(f"{word} is the metropolis, not a commune", hint="agglo commune list")
    return found


def _class(metro: Metro, found: Commune) -> str:
    """The size class; marked where it is not the one that the population gives."""
    name = metro.quota_class(found)
    return f"{name} (instead of {metro.class_by_size(found)})" if found.quota_class else name


def _json(metro: Metro, found: Commune) -> dict[str, JsonValue]:
    return {
        **found.model_dump(mode="json", by_alias=True, exclude={"values", "why"}),
        "class": metro.quota_class(found),
    }
