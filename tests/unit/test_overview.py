"""The metropolis at a glance: totals, the grid, the page."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import pytest

from agglo import workflow
from agglo.adapters.files import load_project, read_project
from agglo.overview import Overview, Zone, overview
from agglo.stack import Kind, StackId
from agglo.story import State
from agglo.testing import Fakes, make_fakes
from agglo_cli.page import render_page
from tests.trees import ask, metropolis, write

AT = datetime(2026, 7, 14, 22, 30, tzinfo=UTC)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = metropolis(tmp_path)
    for place in ("67043-bischheim", "67204-hoenheim", "67365-ostwald"):
        ask(root, f"communes/{place}", "portal", version="1.0.0", values={})
    return root


@pytest.fixture
def fakes(tree: Path) -> Fakes:
    """Schiltigheim's portal is in service, Hœnheim's fails, Ostwald's broke, Bischheim's is asked for."""
    fakes = make_fakes(load_project(tree))
    fakes.checks.failing.add(StackId(Kind.INSTANCE, "67204-portal"))
    fakes.engine.fail_on = StackId(Kind.INSTANCE, "67365-portal")
    for slug in ("schiltigheim", "hoenheim", "ostwald"):
        workflow.apply(fakes.world, slug, lambda _: True)
    return fakes


def look(fakes: Fakes) -> Overview:
    return overview(fakes.world.project, {}, fakes.records.load_all())


def test_totals(fakes: Fakes) -> None:
    seen = look(fakes)
    assert (len(seen.communes), seen.landing_zones) == (33, 3)
    assert (seen.inhabitants, seen.served) == (517_386, 34_382)
    assert seen.versions == {"portal": {"1.0.0": 2}}
    assert seen.states == {State.ASKED: 1, State.PROVISIONING: 1, State.FAILING: 1, State.VERIFIED: 1}
    assert seen.oldest == datetime(2026, 1, 1, tzinfo=UTC)


def test_nothing_applied_is_an_overview_too(tree: Path) -> None:
    seen = overview(load_project(tree), {}, {})
    assert (seen.landing_zones, seen.served, seen.versions, seen.oldest) == (0, 0, {}, None)
    assert {row.zone for row in seen.rows} == {Zone.ABSENT}


def test_what_is_wrong_and_what_nobody_asks_for_any_more_is_shown(fakes: Fakes, tree: Path) -> None:
    (tree / "stacks/communes/67447-schiltigheim/portal.yaml").unlink()
    write(tree, {"stacks/communes/67001-achenheim/portal.yaml": "service: ["})
    reading = read_project(tree)
    assert reading.project
    seen = overview(reading.project, reading.requests, fakes.records.load_all())
    states = {row.tenant.slug: row.cells["portal"].state for row in seen.rows if row.cells}
    assert (states["schiltigheim"], states["achenheim"]) == (State.LEAVING, State.TO_MEND)


class Page(HTMLParser):
    """What a page refers to, and its cells by column."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.refers: list[str] = []
        self.scopes: list[str | None] = []
        self.tags: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.tags.append(tag)
        if tag == "a":
            self.links.append(str(found["href"]))
        self.refers += [str(found[key]) for key in ("src", "srcset", "data") if found.get(key)]
        if tag == "th":
            self.scopes.append(found.get("scope"))


def test_the_page_needs_nothing_else_and_has_headers_links_and_local_times(fakes: Fakes) -> None:
    text = render_page(fakes.world.project.metro, look(fakes), AT, lambda host: f"https://{host}:8443")
    page = Page(text)
    assert page.refers == []
    assert not {"script", "link", "img", "iframe"} & set(page.tags)
    assert "url(" not in text
    assert "@import" not in text
    assert page.scopes == ["col"] * 6 + ["row"] * 33
    assert page.links == [
        "https://portail.hoenheim.agglo.localhost:8443", "https://portail.schiltigheim.agglo.localhost:8443",
    ]  # fmt: skip
    assert "15/07/2026 à 00:30 CEST" in text
    assert "2026-07-15 00:30 CEST" in text
    assert "01/01/2026 à 01:00 CET" in text
    assert "34\N{NARROW NO-BREAK SPACE}382" in text
    assert text.count('class="fr"') == text.count('class="en"')


def test_what_people_wrote_is_escaped(fakes: Fakes) -> None:
    project = fakes.world.project
    evil = project.communes["67447"].model_copy(update={"name": "<script>alert(1)</script> & co"})
    seen = overview(replace(project, communes={**project.communes, "67447": evil}), {}, fakes.records.load_all())
    text = render_page(project.metro, seen, AT, lambda host: host)
    assert "<script" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; co" in text
