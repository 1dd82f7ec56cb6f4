"""The guide for communes: its blocks are executed, on a terminal where it asks, and it tells of every state."""

from __future__ import annotations

import re
from pathlib import Path

from agglo.request import RequestFile
from agglo.story import STATES
from agglo_cli.catalog import _STATES as RELEASE_STATES
from tests.docs.guide import copy_project, follow, offline

GUIDE = "docs/demander-un-service.md"


def test_the_guide_works_as_written(root: Path, tmp_path: Path) -> None:
    copy = copy_project(root, tmp_path / "project")
    done = follow(root / GUIDE, copy, offline(copy, tmp_path))
    assert "refused:" in (copy / "stacks/communes/67267-lingolsheim/portal.yaml").read_text()
    assert not any(step.cloud for step in done)


def test_every_state_of_a_request_is_explained(root: Path) -> None:
    assert first_column(root, "## 5.") == {words.say("fr") for words in STATES.values()}


def test_every_state_of_a_release_is_explained(root: Path) -> None:
    states = {f"{words.say('fr')} (`{state}`)" for state, words in RELEASE_STATES.items()}
    assert first_column(root, "## 1.") == states


def test_every_key_of_a_request_is_explained(root: Path) -> None:
    named = {cell.strip("`") for cell in first_column(root, "## 3.")}
    assert named | {"refused"} == set(RequestFile.model_fields)


def first_column(root: Path, heading: str) -> set[str]:
    """The first cells of the table in a section of the guide."""
    section = (root / GUIDE).read_text("utf-8").split(f"\n{heading}")[1].split("\n## ")[0]
    rows = re.findall(r"^\| ([^|]+) \|", section, re.MULTILINE)
    return set(rows[1:])
