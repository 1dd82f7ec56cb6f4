"""What a rule of the catalogue is: an id, a sentence, and a function that finds where a release breaks it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from agglo.catalog import Catalog, Release


@dataclass(frozen=True)
class Finding:
    """One place where a release breaks a rule; ``path`` is relative to the project's root, ``line`` from 1 (0: all)."""

    path: str
    what: str
    fix: str
    line: int = 0


@dataclass(frozen=True)
class Rule:
    """One rule; ``docs/rules/<id>.md`` is its page. ``always`` rules look at released versions too, others at drafts.

    What is released can no longer be mended, so that only what must hold for ever is asked of it. A ``local`` rule
    looks at nothing but the release's own files: its findings are the same as long as these are.
    """

    id: str
    summary: str
    check: Callable[[Catalog, Release], Iterator[Finding]]
    always: bool = False
    local: bool = False


def there(release: Release, name: str) -> str:
    """Path of one of a release's files, relative to the project's root."""
    return f"{release.folder}/{name}"
