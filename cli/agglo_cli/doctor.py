"""``doctor``: what agglo needs, what is there, what is missing and how to get it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass

import click

from agglo.adapters import toolchain
from agglo.errors import AggloError, Exit
from agglo_cli.console import answer_json, table
from agglo_cli.session import Session, pass_session


@dataclass(frozen=True)
class _Finding:
    what: str
    good: bool
    note: str


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
@pass_session
def doctor(session: Session, as_json: bool) -> int:
    """Say what is there and what is missing, with the command that helps."""
    findings = [
        _look("files", lambda: f"{len(session.project.communes)} communes in {session.root}"),
        _look("tools", _tools),
        _look("ssh", lambda: _program("ssh", "openssh-client")),
        _look("connection", lambda: f"cloud {session.connection.cloud}, Vault {session.connection.vault}"),
        _look("cloud", lambda: _answers(session.world().cloud.check)),
        _look("vault", lambda: _answers(session.world().vault.check)),
    ]
    if as_json:
        answer_json([{"what": f.what, "good": f.good, "note": f.note} for f in findings])
    else:
        table(("", "what", ""), [("ok" if f.good else "missing", f.what, f.note) for f in findings])
    return Exit.DONE if all(f.good for f in findings) else Exit.FAILED


def _look(what: str, look: Callable[[], str]) -> _Finding:
    try:
        return _Finding(what, True, look())
    except AggloError as error:
        return _Finding(what, False, f"{error.message}" + (f" (try: {error.hint})" if error.hint else ""))


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


def _answers(check: Callable[[], None]) -> str:
    check()
    return "answers"
