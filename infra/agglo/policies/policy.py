"""What a policy is: an id, whether it refuses or advises, a sentence, and a function that finds what breaks it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from agglo.capabilities import Capabilities
from agglo.declared import Declared
from agglo.project import Project
from agglo.stack import Target
from agglo.words import Words


class Severity(StrEnum):
    """What a finding does: a refusal stops ``apply`` before anything is changed."""

    REFUSES = "refuses"
    ADVISES = "advises"


@dataclass(frozen=True)
class Stack:
    """A stack to be judged: what it is made for, what it opens and starts, and on which cloud, once that was asked."""

    target: Target
    declared: Declared
    cloud: Capabilities | None = None


Found = Iterator[tuple[Target, Words]]


@dataclass(frozen=True)
class Policy:
    """One policy; ``docs/rules/<id>.md`` is its page.

    ``check`` sees all stacks of the project and names those at fault.
    """

    id: str
    severity: Severity
    summary: Words
    check: Callable[[Project, Sequence[Stack]], Found]
