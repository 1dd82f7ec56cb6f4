"""``policy``: what the metropolis asks of its stacks, what is found, and what is exempted until when."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Iterable

import click

from agglo.errors import UsageError
from agglo.policies import POLICIES, Finding, Given, Policy, Verdict, judge
from agglo.stack import metro_target
from agglo.words import Lang, Words
from agglo.wrong import nearest
from agglo_cli.console import answer_json, table
from agglo_cli.options import AS_JSON
from agglo_cli.session import Session, pass_session

_RESULTS = {
    "refused": Words("refused", "refusé"),
    "advised": Words("advised", "conseillé"),
    "exempted": Words("exempted until", "dispensé jusqu’au"),
}


@click.group()
def policy() -> None:
    """Policies, what they find, and exemptions from them. Needs no cloud."""


@policy.command("list")
@AS_JSON
@pass_session
def list_(session: Session, as_json: bool) -> None:
    """List the policies with what they find now, and the exemptions with what they do."""
    verdict = _verdict(session)
    if as_json:
        answer_json(
            {
                "policies": [
                    {"id": p.id, "severity": str(p.severity), "fr": p.summary.fr, "en": p.summary.en} for p in POLICIES
                ],
                "findings": [finding.to_json() for finding in verdict.findings],
                "exemptions": [given.to_json() for given in verdict.exemptions],
            }
        )
        return
    table(("policy", "", "finds", "asks"), [_row(p, verdict) for p in POLICIES])
    for given in verdict.exemptions:
        click.echo(_line(given))


@policy.command()
@click.argument("name")
@pass_session
def show(session: Session, name: str) -> None:
    """Show one policy: what it asks, what it finds now, and its exemptions."""
    found = next((p for p in POLICIES if p.id == name), None)
    if found is None:
        near = nearest(name, [p.id for p in POLICIES])
        raise UsageError(f"there is no policy '{name}'{near}", hint="agglo policy list")
    verdict = _verdict(session)
    click.echo(f"{found.id} {found.severity}: {found.summary}")
    click.echo(f"docs/rules/{found.id}.md")
    show_findings(f for f in verdict.findings if f.policy == name)
    for given in verdict.exemptions:
        if given.exemption.policy == name:
            click.echo(_line(given))


def show_findings(findings: Iterable[Finding]) -> None:
    """One line each: what came of it, where, what, by which policy."""
    for finding in findings:
        click.secho(finding_line(finding, "en"), fg="red" if finding.refused else None)


def finding_line(finding: Finding, lang: Lang) -> str:
    """A finding on one line, with what came of it."""
    colon, given = " : " if lang == "fr" else ": ", finding.given if finding.exempted else None
    result = _RESULTS[finding.result].say(lang)
    until = f" {given.exemption.until}" if given else ""
    why = f" – {given.exemption.why}" if given else ""
    return f"{result}{until}{colon}{finding.say(lang)}{why}"


def show_idle(exemptions: Iterable[Given]) -> None:
    """The exemptions that do nothing: somebody has to look at them."""
    for given in exemptions:
        if not given.in_force:
            click.echo(_line(given))


def _line(given: Given) -> str:
    one = given.exemption
    return f"exemption {given.words} [{one.policy}, {one.where}] – {one.why}"


def _row(found: Policy, verdict: Verdict) -> tuple[str, str, str, str]:
    results = Counter(finding.result for finding in verdict.findings if finding.policy == found.id)
    finds = ", ".join(f"{count} {result}" for result, count in results.items()) or "nothing"
    return found.id, str(found.severity), finds, found.summary.en


def _verdict(session: Session) -> Verdict:
    metro = session.records.load(metro_target(session.project).id)
    today = datetime.datetime.now(datetime.UTC).date()
    return judge(session.project, today, metro.capabilities if metro else None)
