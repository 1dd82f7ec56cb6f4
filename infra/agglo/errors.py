"""Every error that agglo raises on purpose: what is wrong, where, and the next command to try."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from agglo.words import NOTHING, Lang, Words


class Exit(IntEnum):
    """Exit codes of the command line."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    PENDING = 3
    REFUSED = 4
    UNVERIFIED = 5
    INTERRUPTED = 130


@dataclass(frozen=True)
class Problem:
    """One thing wrong in a file: ``line`` from 1 (0: the whole file); ``key`` is dotted; ``proposal`` mends it."""

    path: Path
    reason: Words
    line: int = 0
    key: str = ""
    proposal: Words = NOTHING

    def say(self, lang: Lang) -> str:
        """The problem as one line that can be read: where, what, and what to do, whatever was written."""
        path = str(self.path).encode(errors="replace").decode()
        where = f"{path}:{self.line}" if self.line else path
        reason, proposal = self.reason.say(lang), self.proposal.say(lang)
        colon = " : " if lang == "fr" else ": "
        what = f"{_short(self.key, 100)}{colon}{_short(reason, 400)}" if self.key else _short(reason, 400)
        return f"{where}: {what}" + (f" ({_short(proposal, 200)})" if proposal else "")

    def __str__(self) -> str:
        return self.say("en")


def _short(text: str, length: int) -> str:
    """Text on one line, at most ``length`` characters of it."""
    line = "".join(c if c.isprintable() else " " for c in text)
    return line if len(line) <= length else f"{line[: length - 1]}…"


class AggloError(Exception):
    """Base of all: ``message`` is one sentence, ``hint`` the next command, ``exit_code`` the process's exit status."""

    exit_code: Exit = Exit.FAILED

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(AggloError):
    """The command asks for something that does not exist: a selector, a service, a version."""

    exit_code = Exit.USAGE


class InvalidInput(AggloError):
    """Files that a person wrote are wrong; all problems are reported together."""

    exit_code = Exit.USAGE

    def __init__(self, problems: Sequence[Problem], *, hint: str = "", lang: Lang = "en") -> None:
        self.problems = tuple(problems)
        count = len(self.problems)
        head = Words(
            f"{count} problem{'s' if count > 1 else ''} in the files", f"{count} problème(s) dans les fichiers"
        )
        super().__init__(
            "\n".join([head.say(lang), *(f"  {problem.say(lang)}" for problem in self.problems)]), hint=hint
        )


class RefusedByPolicy(AggloError):
    """What was asked for is well-formed, but a rule forbids it; nothing was changed."""

    exit_code = Exit.REFUSED


class NotConnected(AggloError):
    """No cloud or no Vault is named, or what is named does not answer."""


class CloudLacks(AggloError):
    """The cloud lacks what the stacks need; nothing was changed."""


class VaultSealed(NotConnected):
    """The Vault answers but is sealed: no secret can be read."""


class EngineFailed(AggloError):
    """The engine could not bring a stack to what was planned; the stack's state is kept and a rerun resumes."""


class ConfigureFailed(AggloError):
    """A playbook failed on a guest; a rerun resumes with that guest."""


class Locked(AggloError):
    """Another run holds a stack."""


class ToolMissing(AggloError):
    """A program that agglo needs is not there in the pinned version."""
