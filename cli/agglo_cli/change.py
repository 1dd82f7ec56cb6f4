"""``plan``, ``apply``, ``verify`` and ``destroy``: what changes the cloud, or says how."""

from __future__ import annotations

import json
from typing import IO

import click
from pydantic import JsonValue

from agglo import workflow
from agglo.errors import Exit, UsageError
from agglo.plan import Plan, blast_radius
from agglo.workflow import Confirm, Outcome
from agglo_cli import status
from agglo_cli.console import answer_json, is_terminal, table
from agglo_cli.session import Session, pass_session

_SELECTOR = click.argument("selector", default="all")
_YES = click.option("--yes", is_flag=True, help="Do not ask; needed without a terminal.")
_JSON = click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")


@click.command()
@_SELECTOR
@_JSON
@click.option("--detailed-exitcode", is_flag=True, help="Exit with 3 when there is something to change.")
@click.option("-o", "--output", type=click.File("w"), help="Save the plan as JSON.")
@pass_session
def plan(
    session: Session,
    selector: str,
    as_json: bool,
    detailed_exitcode: bool,
    output: IO[str] | None,
) -> int:
    """Say what apply would change, and why. Writes nothing.

    SELECTOR: all, metro, a commune (67447 or schiltigheim), schiltigheim/portal, */portal.
    """
    with session.voice.live("planning"):
        planned = workflow.plan(session.world(), selector)
    if output:
        output.write(_plan_text(planned))
    if as_json:
        answer_json(planned.to_json())
    else:
        show_plan(session, planned)
    return Exit.PENDING if detailed_exitcode and planned.pending else Exit.DONE


@click.command()
@_SELECTOR
@_YES
@_JSON
@click.option("--force", is_flag=True, help="Run engine and playbooks also where nothing has changed.")
@pass_session
def apply(session: Session, selector: str, yes: bool, as_json: bool, force: bool) -> int:
    """Bring the cloud, its guests and the edge to what the files say; verify; record.

    SELECTOR: all, metro, a commune (67447 or schiltigheim), schiltigheim/portal, */portal.
    """
    world = session.world()
    with session.voice.live("applying"):
        outcome = workflow.apply(world, selector, _confirm(session, "Apply", yes, quiet=as_json), force=force)
    if not outcome.plan.pending and not as_json:
        click.echo("Nothing to do: everything is as recorded.")
    return _report(session, selector, outcome, as_json)


@click.command()
@_SELECTOR
@_JSON
@pass_session
def verify(session: Session, selector: str, as_json: bool) -> int:
    """Run all checks again: testinfra on the guests, pages through the edge. Changes nothing."""
    with session.voice.live("verifying"):
        outcome = workflow.verify(session.world(), selector)
    return _report(session, selector, outcome, as_json)


@click.command()
@click.argument("selector", required=False)
@click.option("--all", "everything", is_flag=True, help="The same as the selector 'all'.")
@_YES
@pass_session
def destroy(session: Session, selector: str | None, everything: bool, yes: bool) -> int:
    """Destroy instances, then landing zones; with 'all' the metropolis's own stack too."""
    if bool(selector) == everything:
        raise UsageError("say what to destroy: a selector, or --all", hint="agglo destroy schiltigheim/portal")
    world = session.world()
    with session.voice.live("destroying"):
        outcome = workflow.destroy(world, selector or "all", _confirm(session, "Destroy", yes, quiet=False))
    if not outcome.plan.changes:
        click.echo("Nothing to destroy.")
    elif outcome.applied:
        click.echo(f"Destroyed: {', '.join(c.title for c in outcome.plan.changes)}.")
    return Exit.DONE if outcome.applied or not outcome.plan.changes else Exit.FAILED


COMMANDS = (plan, apply, verify, destroy)


def show_plan(session: Session, planned: Plan) -> None:
    """The plan as text: one line per stack that changes, its steps below."""
    pending = planned.pending
    if not pending:
        click.echo("Nothing to change.")
        return
    table(("stack", "change", "why"), [(c.title, str(c.action), c.reason) for c in pending])
    for change in pending:
        for step in change.steps or ():
            click.echo(f"  {change.title}: {step.operation} {step.type} {step.name}")
    communes, inhabitants = blast_radius(
        pending, {c.insee: c.population.count for c in session.project.communes.values()}
    )
    if communes:
        click.echo(f"Touches {communes} commune{'s' if communes > 1 else ''}, {inhabitants} inhabitants.")


def _plan_text(planned: Plan) -> str:
    return json.dumps(planned.to_json(), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def _confirm(session: Session, verb: str, yes: bool, *, quiet: bool) -> Confirm:
    def ask(planned: Plan) -> bool:
        if not quiet:
            show_plan(session, planned)
        if yes:
            return True
        if not is_terminal():
            raise UsageError("there is no terminal to ask on", hint=f"agglo {verb.lower()} … --yes")
        with session.voice.paused():
            return click.confirm(f"{verb} this?", err=True)

    return ask


def _report(session: Session, selector: str, outcome: Outcome, as_json: bool) -> int:
    rows = status.rows(session, selector)
    failures: dict[str, JsonValue] = {str(stack): list(lines) for stack, lines in outcome.failures.items()}
    if as_json:
        answer_json(
            {
                "plan": outcome.plan.to_json(),
                "applied": outcome.applied,
                "instances": rows,
                "failures": dict(failures),
            }
        )
    else:
        status.show(rows)
        if outcome.applied and not rows:
            click.echo("Done; nobody asked for a service in this selection.")
        for stack, lines in outcome.failures.items():
            for line in lines:
                click.secho(f"{stack}: {line}", fg="red", err=True)
    if failures:
        return Exit.UNVERIFIED
    refused = outcome.plan.pending and not outcome.applied
    return Exit.FAILED if refused else Exit.DONE
