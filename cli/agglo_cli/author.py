"""``catalog new-service|new-version|release|deprecate|withdraw``: what authors of releases do."""

from __future__ import annotations

import datetime
import re

import click

from agglo.adapters import catalog_editor
from agglo.catalog import Entry, Release
from agglo.errors import RefusedByPolicy, UsageError
from agglo.manifest import NAME, NAME_LENGTH
from agglo.rules import lint
from agglo.versions import version_key
from agglo.words import Text
from agglo_cli.catalog import catalog
from agglo_cli.session import Session, pass_session

_FOR = click.option("--for", "communes", multiple=True, metavar="COMMUNE",
                    help="A commune that may ask for the draft; may be given several times.")  # fmt: skip
_WHY_FR = click.option("--why-fr", required=True, help="The reason, in French, as communes read it.")
_WHY_EN = click.option("--why-en", required=True, help="The reason in English.")
_USE = click.option("--use", metavar="VERSION", help="What to ask for instead (default: the next released version).")


@catalog.command("new-service")
@click.argument("name")
@_FOR
@pass_session
def new_service(session: Session, name: str, communes: tuple[str, ...]) -> None:
    """Begin a service: draft 0.1.0, a small one that works, to be changed into yours."""
    folder = catalog_editor.new_service(session.root, _name(name), _slugs(session, communes), _today())
    click.echo(f"{folder.relative_to(session.root)} is a draft that works: change it, then agglo catalog lint {name}")
    if not communes:
        click.echo("Nobody may ask for it yet: name communes in releases.yaml (communes: [...]), or release it.")


@catalog.command("new-version")
@click.argument("service")
@click.argument("version")
@click.option("--from", "from_", metavar="VERSION", help="Which version to begin with (default: the newest).")
@_FOR
@pass_session
def new_version(session: Session, service: str, version: str, from_: str | None, communes: tuple[str, ...]) -> None:
    """Begin a version of SERVICE as a draft: a copy of the newest one."""
    known = session.catalog
    source = known.release(service, from_ or known.versions(service)[-1])
    try:
        newer = version_key(version) > version_key(source.version)
    except ValueError:
        raise UsageError(f"'{version}' is not a version", hint=f"agglo catalog new-version {service} 1.2.0") from None
    if not newer:
        raise UsageError(f"{version} is not newer than {source.version}", hint=f"agglo catalog show {service}")
    base = source if known.entry(source).state != "draft" else known.before(source)
    folder = catalog_editor.new_version(
        session.root, source, version, _slugs(session, communes), _today(), reached_from=base
    )
    click.echo(f"{folder.relative_to(session.root)} is a draft: change it and tell of it in both changelogs, then")
    click.echo(f"agglo catalog lint {service} · agglo catalog diff {service} {source.version} {version}")


@catalog.command()
@click.argument("service")
@click.argument("version")
@pass_session
def release(session: Session, service: str, version: str) -> None:
    """Release a draft: from now on it never changes, and every commune may ask for it."""
    found = session.catalog.release(service, version)
    if session.catalog.entry(found).state != "draft":
        raise UsageError(f"{service} {version} is released already", hint=f"agglo catalog show {service} {version}")
    broken = list(lint(session.catalog, [found], everything=True))
    if broken:
        raise RefusedByPolicy(
            f"{service} {version} breaks {len(broken)} rules of the catalogue; it stays a draft",
            hint=f"agglo catalog lint {service}",
        )
    entry = Entry(state="released", date=_today(), digest=found.digest)
    catalog_editor.mark(session.root, service, version, entry)
    click.echo(f"{service} {version} is released: commit it.")


@catalog.command()
@click.argument("service")
@click.argument("version")
@_WHY_FR
@_WHY_EN
@_USE
@pass_session
def deprecate(session: Session, service: str, version: str, why_fr: str, why_en: str, use: str | None) -> None:
    """Say that a released version should be left; who has it may keep it."""
    _retire(session, "deprecated", session.catalog.release(service, version), Text(fr=why_fr, en=why_en), use)


@catalog.command()
@click.argument("service")
@click.argument("version")
@_WHY_FR
@_WHY_EN
@_USE
@pass_session
def withdraw(session: Session, service: str, version: str, why_fr: str, why_en: str, use: str | None) -> None:
    """Take a released version back: requests for it are refused, with the version to ask for instead."""
    _retire(session, "withdrawn", session.catalog.release(service, version), Text(fr=why_fr, en=why_en), use)


def _retire(session: Session, state: str, found: Release, why: Text, use: str | None) -> None:
    entry = session.catalog.entry(found)
    if entry.state == "draft":
        raise UsageError(f"{found.service} {found.version} is a draft: delete its folder", hint="agglo catalog list")
    if use:
        session.catalog.release(found.service, use)
    changed = Entry.model_validate({**entry.model_dump(), "state": state, "why": why, "use": use})
    catalog_editor.mark(session.root, found.service, found.version, changed)
    click.echo(f"{found.service} {found.version} is {state}.")


def _slugs(session: Session, words: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(session.project.tenant(word).slug for word in words)


def _name(name: str) -> str:
    if not re.fullmatch(NAME, name) or len(name) > NAME_LENGTH:
        raise UsageError(
            f"'{name}' is not a name: at most {NAME_LENGTH} lower-case letters, digits, single hyphens; a letter first",
            hint="agglo catalog new-service annuaire",
        )
    return name


def _today() -> datetime.date:
    return datetime.datetime.now(datetime.UTC).date()
