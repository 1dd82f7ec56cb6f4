"""``catalog``: services and releases, with their texts in French and English."""

from __future__ import annotations

import click

from agglo.adapters.files import load_catalog
from agglo.catalog import Catalog
from agglo.errors import InvalidInput, Problem
from agglo_cli.console import answer_json, table
from agglo_cli.session import Session, pass_session


@click.group()
def catalog() -> None:
    """Services of the shared catalogue."""


@catalog.command("list")
@click.option("--lang", type=click.Choice(["fr", "en"]), default="fr", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
@pass_session
def list_(session: Session, lang: str, as_json: bool) -> None:
    """List services with their newest release."""
    known = _load(session)
    newest = [known.release(service, known.versions(service)[-1]) for service in known.services()]
    if as_json:
        answer_json([r.manifest.model_dump(mode="json", by_alias=True) for r in newest])
    else:
        table(
            ("service", "version", "tenancy", "summary"),
            [(r.service, r.version, r.manifest.tenancy, getattr(r.manifest.summary, lang)) for r in newest],
        )


@catalog.command()
@click.argument("service")
@click.argument("version", required=False)
@click.option("--lang", type=click.Choice(["fr", "en"]), default="fr", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
@pass_session
def show(session: Session, service: str, version: str | None, lang: str, as_json: bool) -> None:
    """Show one release: what it is and which values it takes."""
    known = _load(session)
    release = known.release(service, version or known.versions(service)[-1])
    if as_json:
        answer_json(
            {
                "manifest": release.manifest.model_dump(mode="json", by_alias=True),
                "schema": dict(release.schema),
            }
        )
        return
    manifest = release.manifest
    click.echo(f"{manifest.name} {manifest.version}: {getattr(manifest.summary, lang)}")
    click.echo(
        f"{manifest.upstream.name} {manifest.upstream.version}, {manifest.upstream.licence}, {manifest.upstream.url}"
    )
    properties = release.schema.get("properties")
    rows = [_property(name, sub, lang) for name, sub in properties.items()] if isinstance(properties, dict) else []
    table(("value", "title", "description"), rows)


def _property(name: str, sub: object, lang: str) -> tuple[str, str, str]:
    texts = sub if isinstance(sub, dict) else {}
    if lang == "en":
        texts = texts.get("x-i18n", {}).get("en", texts)
    return name, str(texts.get("title", "")), str(texts.get("description", ""))


def _load(session: Session) -> Catalog:
    problems: list[Problem] = []
    known = load_catalog(session.root, problems)
    if problems:
        raise InvalidInput(problems, hint="mend these lines and run the same command again")
    return known
