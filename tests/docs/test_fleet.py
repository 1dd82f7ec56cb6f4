"""The guide to the fleet: its blocks that need no cloud are executed."""

from __future__ import annotations

from pathlib import Path

from agglo.outcome import Happened
from tests.docs.guide import copy_project, follow, offline

GUIDE = "docs/fleet.md"


def test_the_guide_works_as_written(root: Path, tmp_path: Path) -> None:
    copy = copy_project(root, tmp_path / "project")
    follow(root / GUIDE, copy, offline(copy, tmp_path))
    assert (copy / "status.html").read_text("utf-8").startswith("<!DOCTYPE html>")


def test_everything_that_can_happen_is_explained(root: Path) -> None:
    text = (root / GUIDE).read_text("utf-8")
    assert [happened for happened in Happened if f"`{happened}`" not in text] == []
