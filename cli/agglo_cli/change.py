"""``plan``, ``apply``, ``verify`` and ``destroy``: what changes the cloud, or says how."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import IO

import click
from pydantic import JsonValue

from agglo import patching, workflow
from agglo.errors import Exit, UsageError
from agglo.outcome import Outcome
from agglo.plan import Change, Plan, blast_radius
from agglo.workflow import Confirm
from agglo_cli import status
from agglo_cli.console import answer_json, is_terminal, plural, table
from agglo_cli.policy import show_findings, show_idle
from agglo_cli.session import Session, pass_session

_SELECTOR = click.argument("selector", default="all")
_YES = click.option("--yes", is_flag=True, help="Do not ask; needed without a terminal.")
_PARALLEL = click.option(
    "--parallel",
    type=click.IntRange(1, 64),
    help="Engines side by side (default: one per core, more where the cloud answers slowly).",
)
_JSON = click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")


@click.command()
@_SELECTOR
@_JSON
@click.option(
    "--detailed-exitcode", is_flag=True, help="Exit with 3 when there is something to change, 4 when a policy refuses."
)
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
        planned = workflow.plan(session.world(selector), selector)
    if output:
        output.write(_plan_text(planned))
    if as_json:
        answer_json(planned.to_json())
    else:
        show_plan(session, planned)
    if not detailed_exitcode:
        return Exit.DONE
    return Exit.REFUSED if planned.refused else Exit.PENDING if planned.pending else Exit.DONE


@click.command()
@_SELECTOR
@_YES
@_JSON
@click.option("--force", is_flag=True, help="Run engine and playbooks also where nothing has changed.")
@_PARALLEL
@pass_session
def apply(session: Session, selector: str, yes: bool, as_json: bool, force: bool, parallel: int | None) -> int:
    """Bring the cloud, its guests and the edge to what the files say; verify; record.

    SELECTOR: all, metro, a commune (67447 or schiltigheim), schiltigheim/portal, */portal.
    """
    world = session.world(selector, parallel)
    with session.voice.live("applying"):
        outcome = workflow.apply(world, selector, confirmation(session, "Apply", yes, quiet=as_json), force=force)
    if not outcome.plan.pending and not as_json:
        click.echo("Nothing to do: everything is as recorded.")
    return _report(session, selector, outcome, as_json)


@click.command()
@_SELECTOR
@_YES
@pass_session
def patch(session: Session, selector: str, yes: bool) -> int:
    """Move servers to the newest image, one after another, each verified before the next; retire unused images.

    Ports, addresses and volumes stay; what a server has on its own disk is made again by its playbook.
    """
    world, code, moved = session.world(selector), Exit.DONE, 0
    with session.voice.live("patching"):
        for outcome in patching.patch(world, selector, _confirm_patch(session, yes)):
            moved += 1
            show_results(outcome)
            _show_failures(outcome)
            code = exit_code(outcome) if outcome.plan.pending else code
    if not moved:
        click.echo("Nothing to patch: every server runs on the newest image.")
    return code


def _confirm_patch(session: Session, yes: bool) -> Callable[[Sequence[patching.Behind]], bool]:
    def ask(due: Sequence[patching.Behind]) -> bool:
        rows = [(b.server, b.title, b.has.date or b.has.key[:12], b.newest.date or b.newest.key[:12]) for b in due]
        table(("server", "stack", "image", "newest"), rows)
        if yes:
            return True
        if not is_terminal():
            raise UsageError("there is no terminal to ask on", hint="agglo patch … --yes")
        with session.voice.paused():
            return click.confirm("Replace these servers, one after another?", err=True)

    return ask


@click.command()
@_SELECTOR
@_JSON
@pass_session
def verify(session: Session, selector: str, as_json: bool) -> int:
    """Run all checks again: testinfra on the guests, pages through the edge. Changes nothing."""
    with session.voice.live("verifying"):
        outcome = workflow.verify(session.world(selector), selector)
    return _report(session, selector, outcome, as_json)


@click.command()
@click.argument("selector", required=False)
@click.option("--all", "everything", is_flag=True, help="The same as the selector 'all'.")
@click.option("--with-data", is_flag=True, help="Volumes of instances go too, with what is on them.")
@_YES
@_JSON
@_PARALLEL
@pass_session
def destroy(
    session: Session,
    selector: str | None,
    everything: bool,
    with_data: bool,
    yes: bool,
    as_json: bool,
    parallel: int | None,
) -> int:
    """Destroy instances, then landing zones; with 'all' the metropolis's own stack too."""
    if bool(selector) == everything:
        raise UsageError("say what to destroy: a selector, or --all", hint="agglo destroy schiltigheim/portal")
    world = session.world(workers=parallel)
    with session.voice.live("destroying"):
        agreed = confirmation(session, "Destroy", yes, quiet=as_json)
        outcome = workflow.destroy(world, selector or "all", agreed, with_data=with_data)
    if as_json:
        answer_json(_outcome_json(outcome))
    else:
        show_destroyed(outcome)
    return exit_code(outcome)


def show_destroyed(outcome: Outcome) -> None:
    """What became of what was to be destroyed."""
    if not outcome.plan.changes:
        click.echo("Nothing to destroy.")
    show_results(outcome)
    _show_broken(outcome)


def show_plan(session: Session, planned: Plan) -> None:
    """The plan as text: one line per stack that changes, its steps below; then what the policies say."""
    pending = planned.pending
    if pending:
        _show_changes(session, pending)
    else:
        click.echo("Nothing to change.")
    show_findings(planned.findings)
    show_idle(planned.exemptions)
    _show_cloud(planned)
    _show_notes(planned)


def _show_notes(planned: Plan) -> None:
    for note in planned.notes:
        click.secho(f"note: {note}", fg="yellow")


def _show_changes(session: Session, pending: Sequence[Change]) -> None:
    table(("stack", "change", "why"), [(c.title, str(c.action), c.reason) for c in pending])
    for change in pending:
        for step in change.steps or ():
            click.echo(f"  {change.title}: {step.operation} {step.type} {step.name}")
    communes, inhabitants = blast_radius(
        pending, {c.insee: c.population.count for c in session.project.communes.values()}
    )
    if communes:
        click.echo(f"Touches {communes} commune{'s' if communes > 1 else ''}, {inhabitants} inhabitants.")


def _show_cloud(planned: Plan) -> None:
    for line in planned.cloud.skipped:
        click.echo(f"skipped: {line}")
    for line in planned.cloud.adopted:
        click.echo(f"adopted: {line}")
    for line in planned.cloud.names:
        click.echo(f"to make by hand: {line}")


def _plan_text(planned: Plan) -> str:
    return json.dumps(planned.to_json(), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def confirmation(session: Session, verb: str, yes: bool, *, quiet: bool) -> Confirm:
    """Shows the plan and asks; ``yes`` is an answer."""

    def ask(planned: Plan) -> bool:
        with session.voice.paused():
            if not quiet:
                show_plan(session, planned)
            if yes:
                return True
            if not is_terminal():
                raise UsageError("there is no terminal to ask on", hint=f"agglo {verb.lower()} … --yes")
            return click.confirm(f"{verb} this?", err=True)

    return ask


def _report(session: Session, selector: str, outcome: Outcome, as_json: bool) -> int:
    rows = status.rows(session, selector)
    if as_json:
        answer_json({**_outcome_json(outcome), "instances": rows})
        return exit_code(outcome)
    show_results(outcome)
    touched = {result.title for result in outcome.worked_on}
    status.show([row for row in rows if not touched or (isinstance(row, dict) and row["instance"] in touched)])
    if outcome.applied and not rows:
        click.echo("Done; nobody asked for a service in this selection.")
    _show_failures(outcome)
    return exit_code(outcome)


def _show_failures(outcome: Outcome) -> None:
    for stack, lines in outcome.failures.items():
        for line in lines:
            click.secho(f"{stack}: {line}", fg="red", err=True)
    _show_broken(outcome)


def show_results(outcome: Outcome) -> None:
    """One line for each stack that had something to do, and how many there were of each kind."""
    if not outcome.results:
        return
    rows = [
        (
            r.title,
            str(r.happened),
            f"{r.seconds:.0f}",
            str(sum(r.resources.values())),
            status.checked(r.verified),
            r.error,
        )
        for r in outcome.worked_on
    ]
    table(("stack", "what", "seconds", "resources", "verified", "error"), rows)
    counts = ", ".join(f"{count} {happened}" for happened, count in outcome.counts.items())
    click.echo(f"{plural(len(outcome.results), 'stack')}: {counts}; {outcome.seconds:.0f} s in all.")


def exit_code(outcome: Outcome) -> Exit:
    """How a run ended, for the process that started it."""
    if outcome.broken or (outcome.plan.pending and not outcome.applied):
        return Exit.FAILED
    return Exit.UNVERIFIED if outcome.failures else Exit.DONE


def _outcome_json(outcome: Outcome) -> dict[str, JsonValue]:
    return {
        "plan": outcome.plan.to_json(),
        "applied": outcome.applied,
        "failures": {str(stack): list(lines) for stack, lines in outcome.failures.items()},
        "broken": {str(stack): error.message for stack, error in outcome.broken.items()},
        "results": [result.to_json() for result in outcome.results],
        "seconds": round(outcome.seconds, 1),
    }


def _show_broken(outcome: Outcome) -> None:
    if outcome.broken:
        hints = dict.fromkeys(error.hint for error in outcome.broken.values() if error.hint)
        click.secho(
            f"{plural(len(outcome.broken), 'stack')} not done; what was reached is recorded.", fg="red", err=True
        )
        click.secho(f"try:   {next(iter(hints), 'run the same command again')}", dim=True, err=True)
