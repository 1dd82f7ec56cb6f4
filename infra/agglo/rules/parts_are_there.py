"""A release is whole: its playbook, its pages for communes in French and English."""

from __future__ import annotations

from collections.abc import Iterator

from agglo.catalog import Catalog, Release
from agglo.rules.rule import Finding, Rule, there

_PARTS = {
    "playbook.yml": "configures an instance's guest",
    "docs/fr.md": "tells communes what the service does, in French",
    "docs/en.md": "says the same in English",
}


def check(catalog: Catalog, release: Release) -> Iterator[Finding]:
    """Files that every release has, and that are not empty."""
    for name, purpose in _PARTS.items():
        if not release.files.get(name, b"").strip():
            yield Finding(there(release, name), f"is missing or empty: it {purpose}", f"write {name}")


RULE = Rule("parts-are-there", "a release has its playbook and its pages", check, local=True)
