"""Changing what people wrote: only the lines concerned change; and what is written is read back as it was meant."""

from __future__ import annotations

import datetime
import re
from collections import Counter
from collections.abc import Callable
from difflib import ndiff
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from agglo.adapters.models import read_model
from agglo.adapters.request_editor import move_version, refuse, write_request
from agglo.adapters.yaml_editor import edit_yaml
from agglo.commune import Commune
from agglo.errors import Problem
from agglo.reasons import Reason
from agglo.request import Refusal, Request, RequestFile
from agglo.yaml_text import parse_yaml
from tests.trees import ROOT

FILES = [path for name in ("stacks", "catalog") for path in sorted((ROOT / name).rglob("*.y*ml"))]
TODAY = datetime.date(2026, 1, 1)


def nothing(_: Any) -> None:
    """A change that changes nothing."""


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_in_which_nothing_changes_stays_as_it_is(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / path.name
    copy.write_bytes(path.read_bytes())
    edit_yaml(copy, nothing)
    assert copy.read_bytes() == path.read_bytes()


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_key_put_into_any_file_is_its_only_new_line(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / path.name
    copy.write_bytes(path.read_bytes())

    def put(data: Any) -> None:
        (data if isinstance(data, dict) else data[-1])["new_key"] = "new"

    edit_yaml(copy, put)
    ((sign, line),) = changes(path.read_text(), copy.read_text())
    assert (sign, line.strip()) == ("+", "new_key: new")


def changes(before: str, after: str) -> list[tuple[str, str]]:
    """The lines that went (-) and came (+)."""
    return [(line[0], line[2:]) for line in ndiff(before.split("\n"), after.split("\n")) if line[0] in "+-"]


@cache
def commune() -> Commune:
    loaded = read_model(ROOT / "stacks/communes/67447-schiltigheim/commune.yaml", ROOT, Commune, [])
    assert loaded
    return loaded[0]


def read(path: Path) -> Request:
    problems: list[Problem] = []
    loaded = read_model(path, path.parent, RequestFile, problems)
    assert loaded, problems
    return Request(commune(), *loaded)


def laid_out(path: Path, text: str) -> Request:
    path.write_bytes(text.encode())
    return read(path)


WRITTEN = """\
# Demande du portail (conseil du 12 mai)
---
version:     "1.0.0"   # fixée, voir le courriel
service:     portal
values:
    # les quatre espaces sont d'ici
    tagline: Bienvenue à
        Schilick,
        la ville 'verte'.
    theme: { accent: '#8a1538' }
    opening_hours: [
        {days: Du lundi au jeudi,
         hours: "8 h – 12 h"},   # l'été
    ]
    services:
    -   title: Salles
        summary: >
          Réservez une salle
          pour votre association.

        url: https://exemple.fr/salles
    town_hall: {phone: 03 00 00 00 00, email: ~}


why: {tagline: Une phrase
  en alsacien.}
# tout à la fin
"""


@pytest.mark.parametrize("spoil", [str, str.rstrip, lambda t: t.replace("\n", "\r\n"), lambda t: "\ufeff" + t])
def test_a_file_laid_out_in_any_way_keeps_its_other_lines(tmp_path: Path, spoil: Callable[[str], str]) -> None:
    path = tmp_path / "portal.yaml"
    text = spoil(WRITTEN)
    before = laid_out(path, text)
    move_version(before, "1.1.0")
    (went, came) = changes(text.replace("\r\n", "\n"), path.read_text())
    assert went == ("-", 'version:     "1.0.0"   # fixée, voir le courriel')
    assert re.fullmatch(r'version: "1\.1\.0" +# fixée, voir le courriel', came[1])
    assert ("\r\n" in text) == (b"\r\n" in path.read_bytes())
    assert read(path).asked == before.asked.model_copy(update={"version": "1.1.0"})


def test_a_refusal_comes_after_all_else(tmp_path: Path) -> None:
    path = tmp_path / "portal.yaml"
    refuse(laid_out(path, WRITTEN), "Le budget est épuisé : voir la délibération n° 12", TODAY)
    assert path.read_text() == WRITTEN.removesuffix("# tout à la fin\n") + (
        "refused:\n  why: 'Le budget est épuisé : voir la délibération n° 12'\n  date: '2026-01-01'\n# tout à la fin\n"
    )


def test_a_last_line_without_an_end_stays_as_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "portal.yaml"
    text = 'service: portal\nversion: 1.0.0\nvalues:\n  a: "A \\u00e9"'
    refuse(laid_out(path, text), "trop cher", TODAY)
    assert path.read_text().startswith(text + "\nrefused:\n")


COMMENTS = st.text(st.characters(exclude_categories=("C", "Zl", "Zp")), max_size=15).map(lambda text: f"# {text}")
WORDS = st.text(st.characters(categories=("L", "N", "P", "S"), max_codepoint=0x2FF) | st.just(" "), max_size=20)
PLAIN = st.from_regex(r"[A-Za-z][a-zéà’]{0,8}( [a-zéà’]{1,8}){0,4}", fullmatch=True).filter(
    lambda text: text.lower() not in ("true", "false", "null")
)


@st.composite
def scalars(draw: st.DrawFn, indent: str) -> str:
    """A text as somebody may write it below ``indent``."""
    text, style = (
        draw(PLAIN),
        draw(st.sampled_from(["plain", "single", "double", "lines", "literal", "folded", "number"])),
    )
    words = text.split()
    match style:
        case "single":
            return f"'{text}'"
        case "double":
            return f'"{text} \\u00e9"'
        case "lines":
            return f"\n{indent}    ".join(words)
        case "literal" | "folded":
            mark = draw(st.sampled_from(["|", "|-", "|+"] if style == "literal" else [">", ">-"]))
            return mark + "".join(f"\n{indent}  {word}" for word in words)
        case "number":
            return draw(st.sampled_from(["1", "1.50", "1e3", "0x1F", "007", "~", "true", "no", "2026-01-01", "12_000"]))
        case _:
            return text


@st.composite
def blocks(draw: st.DrawFn, indent: str = "", depth: int = 0) -> list[str]:
    """Lines of a map below ``indent``, with comments and empty lines between."""
    lines: list[str] = []
    for key in draw(st.lists(st.from_regex(r"[a-z]{1,6}", fullmatch=True), min_size=1, max_size=4, unique=True)):
        lines += draw(st.lists(st.sampled_from(["", f"{indent}# note", f"{indent}#"]), max_size=2))
        head = f"{indent}{key}:"
        kind = draw(st.sampled_from(["text", "text", "map", "list", "flow"])) if depth < 3 else "text"
        if kind == "map":
            deeper = indent + " " * draw(st.sampled_from([2, 4]))
            lines += [head + draw(st.sampled_from(["", "  # group"])), *draw(blocks(deeper, depth + 1))]
        elif kind == "list":
            dash = indent + draw(st.sampled_from(["", "  "])) + "- "
            lines += [head, *(dash + draw(PLAIN) for _ in range(draw(st.integers(1, 3))))]
        elif kind == "flow":
            inside = draw(
                st.sampled_from(["{}", "[]", "[a, b]", "{ a: 1,  b: [2] }", f"[a,\n{indent}    b]", "{a: 1}  # x"])
            )
            lines.append(f"{head} {inside}")
        else:
            space = " " * draw(st.integers(1, 4))
            value = draw(scalars(indent))
            lines += f"{head}{space}{value}".split("\n")
            if "\n" not in value:
                lines[-1] += draw(st.sampled_from(["", " # why", "      # far"]))
    return lines


@st.composite
def requests(draw: st.DrawFn) -> str:
    """A request file as somebody may have laid it out."""
    version = draw(
        st.sampled_from(["version: 1.0.0", "version: '1.0.0'", "version:   1.0.0  # pinned", 'version: "1.0.0"'])
    )
    parts = [
        ["service: portal"],
        [version],
        ["values:", *draw(blocks("  "))],
        *draw(st.sampled_from([[], [["why:", "  a: parce que  # oui"]], [["tenancy: dedicated"]]])),
    ]
    lines: list[str] = []
    for part in draw(st.permutations(parts)):
        lines += draw(st.lists(COMMENTS | st.just(""), max_size=2)) + part
    lines += draw(st.lists(COMMENTS | st.just(""), max_size=2))
    text = "\n".join(lines)
    means_the_same = parse_yaml(text)[0] == parse_yaml(text + "\n")[0]  # else the edit must write |- for |
    return text if means_the_same and draw(st.booleans()) else text + "\n"


def lost_and_found(before: str, after: str) -> tuple[list[str], list[str]]:
    """Lines that went and lines that came, whatever their spaces: a comment may be indented as its neighbours are."""
    old, new = (
        Counter(" ".join(line.split()) for line in text.split("\n") if line.strip()) for text in (before, after)
    )
    return list((old - new).elements()), list((new - old).elements())


many = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@many
@given(requests())
def test_moving_a_version_changes_one_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "portal.yaml"
    before = laid_out(path, text)
    move_version(before, "1.1.0")
    ((went, came),) = zip(*lost_and_found(text, path.read_text()), strict=True)
    assert came == went.replace("1.0.0", "1.1.0")
    assert read(path).asked == before.asked.model_copy(update={"version": "1.1.0"})


@many
@given(requests(), WORDS.filter(lambda text: len(text) >= 3))
def test_refusing_takes_no_line_away(tmp_path: Path, text: str, why: str) -> None:
    path = tmp_path / "portal.yaml"
    before = laid_out(path, text)
    refuse(before, why, TODAY)
    assert lost_and_found(text, path.read_text())[0] == []
    assert read(path).asked == before.asked.model_copy(update={"refused": Refusal(why=why, date=TODAY)})


LETTERS = st.characters(exclude_categories=("Cc", "Cs"), exclude_characters="\ufffe\uffff")
TEXTS = st.text(LETTERS | st.sampled_from(" \n\t:#-'\""), max_size=30) | st.sampled_from(
    [
        "no",
        "null",
        "~",
        "1e3",
        "0o17",
        ".5",
        "2026-01-01",
        "1_000",
        "<<",
        "{{ x }}",
        " a\nb",
        "a\n\n",
        "\n",
        "a \nb",
        "- a",
    ]
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(1 - 2**63, 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(LETTERS, max_size=8), below, max_size=3),
    max_leaves=8,
)
REASONS = st.builds(
    Reason,
    reason=st.text(LETTERS, min_size=3, max_size=20),
    since=st.none() | st.dates(),
    until=st.none() | st.dates(),
)
ASKED = st.builds(
    RequestFile,
    service=st.sampled_from(["portal", "no", "1e3"]),
    version=st.sampled_from([None, "1.0.0", "1.0.0-rc.1+b.5"]),
    tenancy=st.sampled_from([None, "dedicated", "shared"]),
    values=st.dictionaries(st.text(LETTERS, max_size=8), VALUES, max_size=4),
    why=st.dictionaries(st.text(LETTERS, max_size=8), REASONS, max_size=2),
    refused=st.none() | st.builds(Refusal, why=st.text(LETTERS, min_size=3, max_size=20), date=st.dates()),
)


@many
@given(ASKED)
@example(RequestFile(service="portal", values={"a": "x\n y\n\n z "}))
def test_a_request_that_was_written_is_read_back(tmp_path: Path, asked: RequestFile) -> None:
    path = tmp_path / "portal.yaml"
    write_request(path, commune(), asked)
    assert repr(read(path).asked) == repr(asked)
