"""What rules found in releases, kept in the user's cache: what has not changed is not looked at again."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from agglo.adapters.catalog_files import read_tree
from agglo.adapters.records import write_atomically
from agglo.digest import of_files
from agglo.rules import Finding


class LintMemory:
    """One file per state of agglo's own code: another agglo may find other things. A lost file costs time only."""

    def __init__(self, cache: Path) -> None:
        code = {name: text for name, text in read_tree(Path(__file__).parents[1]).items() if name.endswith(".py")}
        self._path = cache / "lint" / f"{of_files(code)[:16]}.json"
        self._known: dict[str, list[dict[str, Any]]] = {}
        self._changed = False
        try:
            self._known = json.loads(self._path.read_text("utf-8"))
        except (OSError, ValueError):
            self._known = {}

    def recall(self, rule: str, digest: str) -> list[Finding] | None:
        """What a rule found; None when it has not been asked yet."""
        found = self._known.get(f"{rule} {digest}")
        return None if found is None else [Finding(**finding) for finding in found]

    def keep(self, rule: str, digest: str, found: list[Finding]) -> None:
        """Remember it."""
        self._known[f"{rule} {digest}"] = [asdict(finding) for finding in found]
        self._changed = True

    def save(self) -> None:
        """Write what is new; files of older states of the code go."""
        if not self._changed:
            return
        with suppress(OSError):
            write_atomically(self._path, json.dumps(self._known))
            for old in self._path.parent.glob("*.json"):
                if old != self._path:
                    old.unlink(missing_ok=True)
