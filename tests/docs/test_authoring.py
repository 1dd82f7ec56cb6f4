"""The guide for authors: its blocks are executed, what they make passes the linters, its tables are complete."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import pydantic
import pytest
from pydantic_core import PydanticUndefined

from agglo.guest import template_context
from agglo.manifest import Manifest
from agglo.project import Project
from agglo.words import Text
from tests.docs.guide import copy_project, follow, offline

GUIDE = "docs/authoring.md"
BIN = Path(sys.executable).parent
ROOT = Path(__file__).parents[2]
PAGES = [GUIDE, "docs/demander-un-service.md", *sorted(f"docs/rules/{p.name}" for p in ROOT.glob("docs/rules/*.md"))]


@pytest.fixture(scope="module")
def followed(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project after the guide was followed in it, but for what needs a cloud."""
    copy = copy_project(root, tmp_path_factory.mktemp("project"))
    follow(root / GUIDE, copy, offline(copy, tmp_path_factory.mktemp("home")))
    return copy


def test_the_guide_works_as_written(followed: Path) -> None:
    assert (followed / "catalog/annuaire/0.2.0/migrations/0001-contacts-csv.yml").is_file()


def test_yamllint_accepts_what_the_guide_makes(followed: Path, root: Path) -> None:
    (followed / ".gitignore").write_text("")
    assert linted(followed, "yamllint", "--strict", "-c", str(root / ".yamllint"), "catalog/annuaire") == ""


def test_ansible_lint_accepts_what_the_guide_makes(followed: Path, root: Path) -> None:
    playbooks = sorted(str(p.relative_to(followed)) for p in (followed / "catalog/annuaire").rglob("*.yml"))
    assert len(playbooks) == 3
    assert linted(followed, "ansible-lint", "--offline", "-q", "-c", str(root / ".ansible-lint"), *playbooks) == ""


def test_ruff_accepts_the_checks_that_the_guide_makes(followed: Path, root: Path) -> None:
    config = str(root / "pyproject.toml")
    assert linted(followed, "ruff", "check", "-q", "--config", config, "catalog/annuaire") == ""
    assert linted(followed, "ruff", "format", "-q", "--check", "--config", config, "catalog/annuaire") == ""


def test_every_key_of_service_yaml_is_in_the_table(root: Path) -> None:
    assert table(root, "Keys of service.yaml") == dict(keys(Manifest))


def test_every_name_that_templates_see_is_in_the_table(root: Path, project: Project) -> None:
    context = template_context(project, project.request("schiltigheim/portal"))
    assert set(table(root, "What templates see")) == set(names(context))


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(root: Path, page: str) -> None:
    text = prose(root / page)
    links = [target for target in re.findall(r"\]\(([^)]+)\)", text) if "://" not in target]
    gone = []
    for name, _, anchor in (target.partition("#") for target in links):
        path = (root / page).parent / name if name else root / page
        if not path.is_file() or (anchor and anchor not in anchors(prose(path))):
            gone.append(f"{name}#{anchor}")
    assert gone == []


def prose(page: Path) -> str:
    """A page without its blocks of code."""
    return re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)


def anchors(text: str) -> set[str]:
    """Anchors of a page's headings, as forges make them."""
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def linted(folder: Path, *command: str) -> str:
    """What a linter has to say."""
    done = subprocess.run(
        [BIN / command[0], *command[1:]], cwd=folder, capture_output=True, encoding="utf-8", check=False, timeout=120
    )
    return done.stdout + done.stderr if done.returncode else ""


def table(root: Path, heading: str) -> dict[str, str]:
    """First and second column of the table below a heading of the guide."""
    text = (root / GUIDE).read_text("utf-8").split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return {row[1]: row[2].strip("`") for row in re.finditer(r"^\| `([^`]+)` \| ([^|]*) \|", text, re.MULTILINE)}


def keys(model: type[pydantic.BaseModel], above: str = "") -> Iterator[tuple[str, str]]:
    """Every key that a model accepts, with its default as JSON; "required" or "optional" where there is none."""
    for name, field in model.model_fields.items():
        key = above + (field.alias or name)
        yield key, default(field.get_default(call_default_factory=True))
        below, several = part(field.annotation)
        if below and below is not Text:
            yield from keys(below, f"{key}{'[]' if several else ''}.")


def default(value: Any) -> str:
    if value is PydanticUndefined:
        return "required"
    return "optional" if value is None or isinstance(value, pydantic.BaseModel) else json.dumps(value)


def part(annotation: Any) -> tuple[type[pydantic.BaseModel] | None, bool]:
    """The model in a type, and whether there are several of it."""
    several = get_origin(annotation) is tuple
    if get_origin(annotation) in (tuple, Union, UnionType, Annotated):
        found = [part(argument)[0] for argument in get_args(annotation)]
        return next((model for model in found if model), None), several
    return (annotation if isinstance(annotation, type) and issubclass(annotation, pydantic.BaseModel) else None), False


def names(context: Any, above: str = "") -> Iterator[str]:
    """Dotted names in a context; values, lists and what is required are the release's own."""
    for name, value in context.items():
        if isinstance(value, dict) and name not in ("values", "requires"):
            yield from names(value, f"{above}{name}.")
        else:
            yield above + name
