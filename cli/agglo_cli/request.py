"""``request``: a commune asks for a service, and sees what became of it. In French first."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence

import click
from pydantic import JsonValue

from agglo import review, upgrade
from agglo.adapters.files import Reading, sound
from agglo.adapters.request_editor import move_version, refuse
from agglo.errors import Exit, InvalidInput, Problem, RefusedByPolicy, UsageError
from agglo.policies import Finding, judge
from agglo.request import Request, Role
from agglo.stack import instance_id
from agglo.story import STATES, Asked, Event, Story, tell, unreadable
from agglo.versions import version_key
from agglo.words import Lang
from agglo_cli.console import answer_json, table
from agglo_cli.options import AS_JSON, LANG
from agglo_cli.policy import finding_line
from agglo_cli.session import Session, pass_session


@click.group()
def request() -> None:
    """Requests of communes for services."""


@request.command()
@click.argument("which", required=False, metavar="[COMMUNE[/SERVICE]]")
@LANG
@AS_JSON
@pass_session
def check(session: Session, which: str | None, lang: Lang, as_json: bool) -> int:
    """Say all that is wrong with requests: file, line, value, reason, proposal. Exits with 2 when something is, with 4
    when a policy refuses one."""
    reading = session.reading
    wanted = _wanted(reading, which)
    problems = [*reading.files, *(p for name in wanted for p in reading.requests.get(name, []))]
    asking = [f for f in _findings(reading) if f.where in wanted]
    if as_json:
        answer_json(
            {
                "problems": [
                    {"file": str(p.path.relative_to(session.root)), "line": p.line, "key": p.key,
                     "fr": p.reason.say("fr"), "en": p.reason.en, "proposal": p.proposal.en}
                    for p in problems
                ],
                "findings": [finding.to_json() for finding in asking],
            }
        )  # fmt: skip
        return _code(problems, asking)
    french = lang == "fr"
    for problem in problems:
        click.echo(problem.say(lang).removeprefix(f"{session.root}/"))
    colon = " : " if french else ": "
    for finding in asking:
        click.echo(finding_line(finding, lang))
    for name in wanted:
        for words in review.notes(reading.project, name) if reading.project else ():
            click.echo(f"{name}{colon}{words.say(lang)}")
    if problems:
        click.echo(f"{len(problems)} problème(s) à corriger." if french else f"{len(problems)} problems to mend.")
    else:
        click.echo(f"{len(wanted)} demande(s), aucun problème." if french else f"{len(wanted)} requests, no problem.")
    return _code(problems, asking)


def _code(problems: Sequence[Problem], asking: Iterable[Finding]) -> Exit:
    if problems:
        return Exit.USAGE
    return Exit.REFUSED if any(finding.refused for finding in asking) else Exit.DONE


def _findings(reading: Reading) -> Sequence[Finding]:
    """What the policies say of all requests that nothing is wrong with."""
    if reading.project is None or reading.files:
        return ()
    return judge(sound(reading), datetime.datetime.now(datetime.UTC).date()).findings


@request.command()
@click.argument("which", required=False, metavar="[COMMUNE[/SERVICE]]")
@LANG
@AS_JSON
@pass_session
def status(session: Session, which: str | None, lang: Lang, as_json: bool) -> None:
    """Tell the story of requests, from asked to in service or refused, with the reason."""
    reading = session.reading
    stories = [_story(session, reading, name) for name in _wanted(reading, which)]
    if as_json:
        answer_json([_story_json(story) for story in stories])
        return
    if which and "/" in which:
        for story in stories:
            _show_story(story, lang)
        return
    heads = ("demande", "état", "suite") if lang == "fr" else ("request", "state", "next")
    table(heads, [(s.instance, STATES[s.state].say(lang), s.next.say(lang)) for s in stories])


@request.command("upgrade")
@click.argument("instance", metavar="COMMUNE/SERVICE")
@click.argument("version", required=False)
@pass_session
def upgrade_(session: Session, instance: str, version: str | None) -> None:
    """Pin another version (default: the newest) after a look at values and way; agglo apply then moves the instance."""
    project = session.project
    found = session.request(instance)
    if found.role is Role.MEMBER:
        host = project.shared_instance(found.service)
        hint = f"agglo request upgrade {host.tenant.slug}/{found.service}" if host else ""
        raise UsageError(f"{instance} follows the metropolis's shared instance", hint=hint)
    offered = project.catalog.offered(found.service, found.tenant.slug)
    wanted = project.catalog.release(found.service, version or max([found.version, *offered], key=version_key))
    record = session.records.load_all().get(instance_id(found))
    have = upgrade.reached(record.configured, record.migrations) if record else None
    upgrade.check(project.catalog, instance, have, wanted)
    changed = review.moved(project, found, wanted.version)
    problems = [problem for request in changed.values() for problem in request]
    if problems:
        raise InvalidInput(problems, hint=f"agglo catalog diff {found.service} {found.version} {wanted.version}")
    if found.version == wanted.version:
        click.echo(f"{instance} is at {wanted.version} already.")
        return
    move_version(found, wanted.version)
    steps = upgrade.steps(project.catalog, have, wanted, record.migrations if record else ())
    for step in steps:
        click.echo(f"migration {step.name}: {step.migration.summary.en}")
    click.echo(f"{found.source.name} asks for {wanted.version} now: agglo plan {instance}, agglo apply {instance}")


@request.command("refuse")
@click.argument("instance", metavar="COMMUNE/SERVICE")
@click.option("--why", required=True, help="The reason, in French, as the commune reads it.")
@pass_session
def refuse_(session: Session, instance: str, why: str) -> None:
    """Refuse a request with a reason, written into its file; an instance that is there already is not touched."""
    reading = session.reading
    name = _wanted(reading, instance)[0]
    found = reading.project.requests.get(name) if reading.project else None
    if found is None:
        raise UsageError(f"{instance} is refused already, or cannot be read", hint=f"agglo request status {instance}")
    record = session.records.load_all().get(instance_id(found))
    if record and record.engine:
        raise RefusedByPolicy(f"{instance} is in service", hint=f"agglo destroy {instance}, and delete its file")
    if len(why) < 3:
        raise UsageError("a refusal needs a reason that the commune understands", hint='--why "…"')
    refuse(found, why, datetime.datetime.now(datetime.UTC).date())
    click.echo(f"{found.source.name} says why it is refused: commit it.")


def _requests(reading: Reading) -> Mapping[str, Request]:
    return reading.project.requests if reading.project else {}


def _wanted(reading: Reading, which: str | None) -> list[str]:
    """Names of the requests that a word means. Raises UsageError when there are none."""
    known = sorted({*_requests(reading), *reading.requests, *reading.refused})
    if which is None or reading.project is None:
        return known
    commune, _, service = which.partition("/")
    key = reading.project.tenant(commune).key
    found = [n for n in known if n.partition("/")[0] == key and (not service or n.partition("/")[2] == service)]
    if not found:
        raise UsageError(f"nobody asked for {which}", hint=f"agglo request new {commune} {service or 'SERVICE'}")
    return found


def _story(session: Session, reading: Reading, name: str) -> Story:
    problems = reading.requests.get(name, [])
    known = reading.project.requests.get(name) if reading.project else None
    found: Request | None = known or reading.refused.get(name)
    if found is None:
        path = problems[0].path if problems else session.root
        return unreadable(name, _asked(session, str(path.relative_to(session.root))), problems)
    record = session.records.load_all().get(instance_id(found))
    return tell(found, _asked(session, found.source.name), problems, record)


def _asked(session: Session, name: str) -> Asked:
    change = session.history.born.get(name)
    return Asked(change.at, change.by) if change else Asked()


def _show_story(story: Story, lang: Lang) -> None:
    click.secho(f"{story.instance} – {STATES[story.state].say(lang)}", bold=True)
    for event in story.events:
        click.echo(f"  {_date(event):<16}  {event.words.say(lang)}")
    for problem in story.problems:
        click.echo(f"  {'':<16}  {problem.say(lang)}")
    click.echo(f"  {'ensuite' if lang == 'fr' else 'next':<16}  {story.next.say(lang)}")


def _date(event: Event) -> str:
    if event.at is None:
        return ""
    return event.at.strftime("%Y-%m-%d %H:%M" if isinstance(event.at, datetime.datetime) else "%Y-%m-%d")


def _story_json(story: Story) -> dict[str, JsonValue]:
    return {
        "instance": story.instance,
        "state": str(story.state),
        "events": [
            {"at": e.at.isoformat() if e.at else None, "fr": e.words.say("fr"), "en": e.words.en} for e in story.events
        ],
        "problems": [str(problem) for problem in story.problems],
        "next": {"fr": story.next.say("fr"), "en": story.next.en},
    }
