"""``commune add`` and ``remove``: a commune joins the metropolis, or leaves it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import click
from pydantic import JsonValue

from agglo.adapters.commune_editor import commune_path, delete_commune, write_commune
from agglo.adapters.files import commune_problems
from agglo.adapters.models import check_model
from agglo.commune import Commune, propose_slug
from agglo.departure import remove
from agglo.errors import Exit, InvalidInput, Problem, UsageError
from agglo.plan import Plan
from agglo.request import Source
from agglo.workflow import Confirm
from agglo_cli.change import confirmation, exit_code, show_destroyed, show_plan
from agglo_cli.commune import commune, find_commune
from agglo_cli.console import is_terminal
from agglo_cli.options import YES
from agglo_cli.session import Session, pass_session

_QUESTIONS = {  # asked on a terminal, where no option says it; what may stay unknown has a default
    "name": ("Name", None),
    "insee": ("INSEE code (not the postal code)", None),
    "siren": ("SIREN", None),
    "postal_codes": ("Postal codes (separated by commas)", None),
    "population": ("Inhabitants", None),
    "kind": ("Which of INSEE's populations that is (municipale, totale)", "municipale"),
    "vintage": ("The year of that figure (Enter: unknown)", ""),
    "cog": ("The year of the Code officiel géographique (Enter: unknown)", ""),
}


@commune.command()
@click.argument("name", required=False)
@click.option("--insee", help="The INSEE code, such as 67519; never a postal code.")
@click.option("--siren", help="The commune's SIREN: nine digits.")
@click.option("--postal-code", "postal_codes", multiple=True, help="A postal code. Repeatable.")
@click.option("--population", help="Inhabitants, as INSEE counts them.")
@click.option("--kind", help="Which of INSEE's populations that is: municipale (default) or totale.")
@click.option("--vintage", help="The year of the population figure, where its source says one.")
@click.option("--cog", help="The year of INSEE's Code officiel géographique, where the source says one.")
@click.option("--slug", help="Its name in addresses (default: made from the name).")
@pass_session
def add(session: Session, /, slug: str | None, postal_codes: Sequence[str], **options: str | None) -> None:
    """Write the commune.yaml of a commune that joins: from options; on a terminal, what they do not say is asked."""
    project = session.project
    answers = {**options, "postal_codes": ",".join(postal_codes)}
    if is_terminal() and not all(answers[key] for key, (_, default) in _QUESTIONS.items() if default is None):
        answers |= {key: _ask(key) for key in _QUESTIONS if not answers[key]}
        slug = slug or click.prompt("Its name in addresses", default=propose_slug(answers["name"] or ""), err=True)
    data = _data(answers, slug or propose_slug(answers["name"] or ""))
    path = commune_path(session.root, f"{data.get('insee', 'INSEE')}-{data.get('slug', 'SLUG')}")
    source = Source(path, str(path.relative_to(session.root)), {})
    problems: list[Problem] = []
    made = check_model(data, Commune, source, problems)
    problems += commune_problems(data, source, project.metro, project.communes.values())
    if made is None or problems:
        raise InvalidInput(problems, hint="nothing was written: agglo commune add --help")
    write_commune(session.root, made)
    click.echo(f"Written: {source.name} (class {project.metro.quota_class(made)})")
    click.echo(f"Next: commit it, then agglo plan {made.slug}, agglo request new {made.slug} SERVICE")


def _ask(key: str) -> str:
    question, default = _QUESTIONS[key]
    return str(click.prompt(question, default=default, show_default=bool(default), err=True))


def _data(answers: Mapping[str, str | None], slug: str) -> dict[str, JsonValue]:
    """The answers in the form of the file; what nobody said is left out."""
    said: dict[str, str] = {key: value for key, value in answers.items() if value}
    data: dict[str, JsonValue] = {key: said[key] for key in ("insee", "name", "siren", "cog") if key in said}
    if slug:
        data["slug"] = slug
    if "postal_codes" in said:
        data["postal_codes"] = [code.strip() for code in said["postal_codes"].split(",")]
    if "population" in said:
        more: dict[str, JsonValue] = {key: said[key] for key in ("kind", "vintage") if key in said}
        data["population"] = {"count": said["population"], **more}
    return data


@commune.command("remove")
@click.argument("name")
@YES
@click.option("--purge", is_flag=True, help="Destroy its instances too, and whatever in its project is no data.")
@click.option("--confirm", metavar="NAME", help="The commune's name once more: what --purge needs without a terminal.")
@click.option("--delete-files", is_flag=True, help="Delete its folder below stacks/communes too.")
@pass_session
def remove_(session: Session, name: str, yes: bool, purge: bool, confirm: str | None, delete_files: bool) -> int:
    """Destroy the landing zone of a commune that leaves; refused while the commune has anything in it."""
    found = find_commune(session.project, name)
    folder = commune_path(session.root, found.key).parent
    asked = sorted(str(p.relative_to(session.root)) for p in folder.glob("*.y*ml") if p.name != "commune.yaml")
    agree = _named(session, found, confirm) if purge else confirmation(session, "Destroy", yes, quiet=False)
    world = session.world()
    with session.voice.live("removing"):
        outcome = remove(world, found, asked, agree, purge=purge)
        there = bool(outcome.plan.changes)
        gone = outcome.applied and not outcome.broken if there else not delete_files or agree(outcome.plan)
    show_destroyed(outcome)
    if not gone:
        return exit_code(outcome) if there else Exit.FAILED
    place = folder.relative_to(session.root)
    if delete_files:
        delete_commune(session.root, found)
        click.echo(f"Deleted: {place}; commit that.")
    else:
        click.echo(f"Next: git rm -r {place}, else the next agglo apply all makes the landing zone again.")
    return Exit.DONE


def _named(session: Session, found: Commune, given: str | None) -> Confirm:
    """Shows the plan and wants the commune's name, typed or ``given``."""

    def ask(planned: Plan) -> bool:
        with session.voice.paused():
            show_plan(session, planned)
            if given is None and not is_terminal():
                raise UsageError("there is no terminal to type the name on", hint=f"--purge --confirm '{found.name}'")
            typed = given or click.prompt("This cannot be undone. Type the commune's name", err=True)
        if typed != found.name:
            raise UsageError(f"'{typed}' is not the commune's name; nothing was destroyed", hint=f"'{found.name}'")
        return True

    return ask
