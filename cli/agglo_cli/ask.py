"""``request new``: the schema's questions, asked in the commune's language, and the file that the answers make."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import click
import pydantic
from pydantic import JsonValue
from semver import Version

from agglo import review
from agglo.adapters.request_editor import nested, request_path, write_request
from agglo.catalog import Release
from agglo.errors import InvalidInput, UsageError
from agglo.layers import Key
from agglo.metro import Tenant
from agglo.policies import unexplained
from agglo.project import Project
from agglo.questions import AnswerError, Question, questions, rest, typed_value
from agglo.reasons import Reason
from agglo.request import Request, RequestFile, Source
from agglo.schema import properties
from agglo.words import Lang
from agglo.wrong import nearest, nearest_fr
from agglo_cli.console import is_terminal
from agglo_cli.options import LANG
from agglo_cli.request import request
from agglo_cli.session import Session, pass_session


@request.command()
@click.argument("commune")
@click.argument("service")
@click.option("--version", help="Which release (default: the newest; for a place in a shared instance: none).")
@click.option("--tenancy", type=click.Choice(["dedicated", "shared"]), help="An instance of its own, or a place.")
@click.option("--set", "given", multiple=True, metavar="KEY=VALUE", help="A value; asks no question. Repeatable.")
@click.option("--why", "reasons", multiple=True, metavar="KEY=REASON", help="Why a value differs. Repeatable.")
@LANG
@pass_session
def new(
    session: Session, commune: str, service: str, version: str | None, tenancy: str | None,
    given: Sequence[str], reasons: Sequence[str], lang: Lang,
) -> None:  # fmt: skip
    """Ask for SERVICE in the name of COMMUNE: answer the questions, or say everything with --set."""
    project = session.project
    tenant = project.tenant(commune)
    path = request_path(session.root, tenant, service)
    if path.exists():
        raise UsageError(f"{path.relative_to(session.root)} is there already", hint=f"agglo request status {commune}")
    draft = _draft(project, tenant, service, version, tenancy, lang)
    release = project.catalog.release(service, draft.version)
    asking = not given and is_terminal()
    values = _ask(project, tenant, release, lang) if asking else _apart(dict(_given(release, given, lang)))
    why = dict(_reasons(reasons))
    draft = _with(project, draft, values, why)
    if asking:
        why |= _ask_why(project, draft, lang)
        draft = _with(project, draft, values, why)
    problems = review.problems(_beside(project, draft), draft)
    if problems:
        raise InvalidInput(problems, hint=_again(lang), lang=lang)
    write_request(path, tenant, draft.asked)
    _tell(session, project, draft, lang)


def _draft(
    project: Project, tenant: Tenant, service: str, version: str | None, tenancy: str | None, lang: Lang
) -> Request:
    """The request without values, settled: what it will make, of which release. Raises UsageError, InvalidInput."""
    newest = project.catalog.newest(service)
    source = Source(request_path(project.root, tenant, service), "the answers", {})
    if version and not Version.is_valid(version):
        raise UsageError(f"'{version}' is not a version", hint=f"agglo catalog show {service}")
    asked = RequestFile.model_validate({"service": service, "tenancy": tenancy, "version": version})
    draft = _settled(project, Request(tenant, asked, source))
    if not draft.version:
        draft = _settled(project, Request(tenant, asked.model_copy(update={"version": newest}), source))
    if draft.version not in project.catalog.releases[service]:
        raise InvalidInput(review.problems(_beside(project, draft), draft), hint=_again(lang), lang=lang)
    return draft


def _settled(project: Project, request: Request) -> Request:
    everyone = {**project.requests, request.instance: request}
    return review.settle(project.metro, everyone)[request.instance]


def _beside(project: Project, request: Request) -> Project:
    return project.with_requests({**project.requests, request.instance: request})


def _with(project: Project, draft: Request, values: Mapping[Key, JsonValue], why: Mapping[str, str]) -> Request:
    asked = draft.asked.model_copy(
        update={"values": nested(values), "why": {key: Reason(reason=reason) for key, reason in why.items()}}
    )
    lines = {("values", *key[:n]): 0 for key in values for n in range(1, len(key) + 1)}
    source = Source(draft.source.path, draft.source.name, lines)
    return Request(draft.tenant, asked, source, draft.role, draft.version)


def _given(release: Release, given: Sequence[str], lang: Lang) -> Iterator[tuple[Key, JsonValue]]:
    known = [q.about.dotted for q in questions(release.schema, {})] + [p.dotted for p in rest(release.schema)]
    for dotted, typed in _pairs(given, "--set"):
        try:
            yield tuple(dotted.split(".")), typed_value(release.schema, tuple(dotted.split(".")), typed)
        except AnswerError as error:
            hint = f"agglo catalog show {release.service} {release.version}"
            close = nearest_fr(dotted, known) if lang == "fr" else nearest(dotted, known)
            colon = " : " if lang == "fr" else ": "
            raise UsageError(f"{dotted}{colon}{error.words.say(lang)}{close}", hint=hint) from error


def _apart(values: dict[Key, JsonValue]) -> dict[Key, JsonValue]:
    """The values, of which none lies below another. Raises UsageError."""
    for key in values:
        if above := next((key[:n] for n in range(1, len(key)) if key[:n] in values), None):
            raise UsageError(f"--set {'.'.join(above)} and --set {'.'.join(key)} exclude each other", hint="use one")
    return values


def _reasons(given: Sequence[str]) -> Iterator[tuple[str, str]]:
    for key, reason in _pairs(given, "--why"):
        try:
            Reason(reason=reason)
        except pydantic.ValidationError as error:
            raise UsageError(f"--why {key}: {error.errors()[0]['msg']}", hint="say it in a sentence") from error
        yield key, reason


def _pairs(given: Sequence[str], option: str) -> Iterator[tuple[str, str]]:
    for pair in given:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise UsageError(f"{option} {pair}: KEY=VALUE is expected", hint=f"{option} tagline='Bienvenue'")
        yield key, value


def _ask(project: Project, tenant: Tenant, release: Release, lang: Lang) -> dict[Key, JsonValue]:
    """Answers that differ from what the commune has anyway."""
    now = project.values_before(tenant, release)
    click.echo("Entrée : garder la valeur proposée." if lang == "fr" else "Enter: keep the proposed value.", err=True)
    answers: dict[Key, JsonValue] = {}
    for question in questions(release.schema, now):
        answer = _ask_one(question, lang)
        if answer != question.now:
            answers[question.key] = answer
    return answers


def _ask_one(question: Question, lang: Lang) -> JsonValue:
    click.secho(question.text(lang), err=True)
    shown = _shown(question.now)
    while True:
        typed = click.prompt(f"  {question.about.dotted}", default=shown, show_default=bool(shown), err=True)
        if typed == shown:
            return question.now
        try:
            return question.answer(typed)
        except AnswerError as error:
            click.secho(f"  {error.words.say(lang)}", fg="red", err=True)


def _shown(value: JsonValue) -> str:
    if isinstance(value, list):
        return "; ".join(map(str, value))
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)


def _ask_why(project: Project, draft: Request, lang: Lang) -> dict[str, str]:
    """Reasons for the values that differ; an empty answer gives none."""
    schema = project.catalog.release(draft.service, draft.version).schema
    titles = {p.dotted: p.text("title", lang) for p in properties(schema)}
    if lang == "fr":
        ask = "Pourquoi {} (« {} ») diffère des valeurs partagées ? "
    else:
        ask = "Why does {} ('{}') differ from the shared values? "
    given = {
        key: click.prompt(
            ask.format(key, titles.get(key, "")), default="", show_default=False, prompt_suffix="", err=True
        )
        for key in unexplained(_beside(project, draft), draft)
    }
    return {key: reason for key, reason in given.items() if len(reason) >= 3}


def _again(lang: Lang) -> str:
    return (
        "rien n’a été écrit ; recommencez avec d’autres valeurs" if lang == "fr" else "nothing was written; ask again"
    )


def _tell(session: Session, project: Project, draft: Request, lang: Lang) -> None:
    place = draft.source.path.relative_to(session.root)
    more = ", ".join(p.dotted for p in rest(project.catalog.release(draft.service, draft.version).schema))
    check = f"agglo request check {draft.tenant.slug}/{draft.service}"
    if lang == "fr":
        click.echo(f"Demande écrite : {place}")
        if more:
            click.echo(f"À compléter au besoin dans ce fichier : {more}")
        click.echo(f"Ensuite : {check}, puis proposez ce fichier à la métropole.")
    else:
        click.echo(f"Request written: {place}")
        if more:
            click.echo(f"To be completed in this file where needed: {more}")
        click.echo(f"Next: {check}, then propose the file to the metropolis.")
