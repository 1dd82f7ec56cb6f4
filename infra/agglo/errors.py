"""Every error that agglo raises on purpose: what is wrong, where, and the next command to try."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path


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
    """One thing wrong in one file: ``line`` counts from 1 (0: the whole file); ``key`` is dotted."""

    path: Path
    reason: str
    line: int = 0
    key: str = ""
    proposal: str = ""

    def __str__(self) -> str:
        where = f"{self.path}:{self.line}" if self.line else str(self.path)
        what = f"{self.key}: {self.reason}" if self.key else self.reason
        return f"{where}: {what}" + (f" ({self.proposal})" if self.proposal else "")


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

    def __init__(self, problems: Sequence[Problem], *, hint: str = "") -> None:
        self.problems = tuple(problems)
        count = len(self.problems)
        head = f"{count} problem{'s' if count > 1 else ''} in the files; nothing was changed"
        super().__init__("\n".join([head, *(f"  {problem}" for problem in self.problems)]), hint=hint)


class NotConnected(AggloError):
    """No cloud or no Vault is named, or what is named does not answer."""


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
