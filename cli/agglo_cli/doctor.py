"""``doctor``: what agglo needs, what is there, what is missing and how to get it."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import click
from pydantic import JsonValue

from agglo.adapters import toolchain
from agglo.diagnosis import Diagnosis, Level
from agglo.errors import AggloError, Exit
from agglo.survey import examine
from agglo_cli.console import answer_json, table
from agglo_cli.session import Session, pass_session


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
@click.option("--refresh", is_flag=True, help="Keep what the cloud can do now, as the next plan's premise.")
@pass_session
def doctor(session: Session, as_json: bool, refresh: bool) -> int:
    """Say what is there and what is missing, with the command that helps; look at the cloud. Changes nothing there.

    The operator's rights are tried by requests that cannot succeed. Exits with 1 if something needed is missing.
    """
    findings = [
        _look("files", lambda: f"{len(session.project.communes)} communes in {session.root}"),
        _look("tools", _tools),
        _look("ssh", lambda: _program("ssh", "openssh-client")),
        _look("connection", lambda: f"cloud {session.connection.cloud}, Vault {session.connection.vault}"),
        _look("cloud", lambda: _answers(session.world().cloud.check)),
        _look("vault", lambda: _answers(session.world().vault.check)),
    ]
    if findings[0].level is findings[4].level is Level.OK:
        try:
            findings += examine(session.world(), refresh=refresh)
        except AggloError as error:
            findings.append(Diagnosis("examination", Level.MISSING, error.message, error.hint))
    if as_json:
        answer_json([_json(finding) for finding in findings])
    else:
        table(("", "what", ""), [(str(f.level), f.what, _text(f)) for f in findings])
    return Exit.FAILED if any(f.level is Level.MISSING for f in findings) else Exit.DONE


def _json(finding: Diagnosis) -> JsonValue:
    return {
        "what": finding.what,
        "level": str(finding.level),
        "good": finding.level is not Level.MISSING,
        "note": finding.note,
        "hint": finding.hint,
    }


def _text(finding: Diagnosis) -> str:
    return finding.note + (f" (try: {finding.hint})" if finding.hint else "")


def _look(what: str, look: Callable[[], str]) -> Diagnosis:
    try:
        return Diagnosis(what, Level.OK, look())
    except AggloError as error:
        return Diagnosis(what, Level.MISSING, error.message, error.hint)


def _tools() -> str:
    found = toolchain.find()
    if not found:
        raise AggloError("the pinned Pulumi engine or provider is not here", hint="agglo dev tools")
    return f"{found.engine}, {found.provider}"


def _program(name: str, package: str) -> str:
    path = shutil.which(name)
    if not path:
        raise AggloError(f"{name} is not installed", hint=f"apt-get install {package}")
    return path


def _answers(check: Callable[[], object]) -> str:
    check()
    return "answers"
