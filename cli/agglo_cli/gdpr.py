"""``gdpr``: what communes must be able to show of the personal data that their services process."""

from __future__ import annotations

import datetime

import click

from agglo.register import as_markdown, make_register
from agglo.selector import with_recorded
from agglo.words import Lang
from agglo_cli.console import answer_json
from agglo_cli.options import AS_JSON, LANG
from agglo_cli.session import Session, pass_session


@click.group()
def gdpr() -> None:
    """Personal data: the register of processing."""


@gdpr.command()
@click.argument("commune")
@LANG
@AS_JSON
@pass_session
def register(session: Session, commune: str, lang: Lang, as_json: bool) -> None:
    """Print COMMUNE's register of processing (GDPR, article 30) from what is installed, as Markdown."""
    records = session.records.load_all()
    project = with_recorded(session.project, records.values())
    made = make_register(project, project.tenant(commune), records, lang)
    if not as_json:
        today = datetime.datetime.now(datetime.UTC).date()
        click.echo(as_markdown(made, lang, today), nl=False)
        return
    answer_json(
        {
            "controller": {"name": made.controller.name, "siren": made.controller.siren},
            "processor": {"name": made.processor.name, "siren": made.processor.siren},
            "dpo": made.dpo,
            "services": [
                {
                    "service": line.service,
                    "version": line.version,
                    "shared": line.shared,
                    "since": str(line.since) if line.since else None,
                    "processing": [p.model_dump(mode="json") for p in line.processing],
                    "none": line.none,
                }
                for line in made.lines
            ],
        }
    )
