"""The portal's pages: every example renders to sound, accessible HTML with the commune's facts and nothing foreign."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from agglo.adapters.files import load_project
from agglo.catalog import Release
from agglo.layers import make_layer, nest, resolve
from agglo.render import render_tree

ROOT = Path(__file__).parents[2]
PROJECT = load_project(ROOT)
RELEASE = PROJECT.catalog.release("portal", "1.0.0")
EXAMPLES = sorted((ROOT / RELEASE.folder / "examples").glob("*.yaml"))
VOID = {"meta", "link", "br", "img", "input", "hr"}


def example(name: str) -> dict[str, Any]:
    path = ROOT / RELEASE.folder / "examples" / f"{name}.yaml"
    values: dict[str, Any] = YAML(typ="safe").load(path.read_text())["values"]
    return values


def render(
    given_values: dict[str, Any], slug: str = "schiltigheim", *, only: str = "", release: Release = RELEASE
) -> dict[str, str]:
    """The portal's files; with ``only``, that one (all of them take a tenth of a second)."""
    commune = PROJECT.commune(slug)
    layers = [make_layer("schema", "", release.defaults(), {}), make_layer("instance", "", given_values, {})]
    context: dict[str, Any] = {
        "commune": commune.model_dump(mode="json", exclude={"values"}),
        "values": nest(resolve(layers)),
        "metro": {"name": PROJECT.metro.name},
        "service": {"name": "portal", "version": release.version},
        "host": PROJECT.metro.host(commune, "portail"),
    }
    templates = release.templates()
    wanted = {n: t for n, t in templates.items() if only in ("", n.removesuffix(".j2")) or n.startswith("_")}
    return render_tree(wanted, context)


class Page(HTMLParser):
    """What a page holds; a tag that is not closed in order is a failure."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.tags if name == tag]


def pages(files: dict[str, str]) -> Iterator[tuple[str, Page]]:
    for name, text in files.items():
        if name.endswith(".html"):
            yield name, Page(text)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_examples_are_valid(path: Path) -> None:
    layers = [make_layer("", "", RELEASE.defaults(), {}), make_layer("", "", example(path.stem), {})]
    assert RELEASE.errors(nest(resolve(layers))) == []


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_examples_render_to_sound_pages(path: Path) -> None:
    for name, page in pages(render(example(path.stem))):
        assert [a["lang"] for a in page.all("html")] == ["en" if "/en/" in name else "fr"], name
        assert len(page.all("h1")) == 1, name
        assert len(page.all("title")) == len(page.all("main")) == 1, name
        ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
        assert len(set(ids)) == len(ids), name


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_headings_skip_no_level(path: Path) -> None:
    for name, page in pages(render(example(path.stem))):
        levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
        assert levels[0] == 1, name
        assert all(after <= before + 1 for before, after in itertools.pairwise(levels)), name


def test_each_page_can_be_skipped_to_its_content() -> None:
    for name, page in pages(render({})):
        if "admin" in name:
            continue
        first = page.all("a")[0]
        target = str(first["href"]).removeprefix("#")
        assert first["class"] == "skip", name
        assert target in [attrs.get("id") for attrs in page.all("main")], name


def test_nothing_is_loaded_from_elsewhere() -> None:
    for name, text in render(example("complete")).items():
        page = Page(text) if name.endswith(".html") else None
        loaded = [a.get("href") for a in page.all("link")] + [a.get("src") for a in page.all("img")] if page else []
        assert all(str(address).startswith("/") for address in loaded), name
        assert not (page and page.all("script")), name
        assert "url(" not in text and "@import" not in text, name


def test_links_between_pages_lead_somewhere() -> None:
    files = render({})
    for name, page in pages(files):
        for attrs in page.all("a") + page.all("link"):
            path, _, anchor = str(attrs["href"]).partition("#")
            if not path.startswith("/"):
                continue
            target = f"site{path}index.html" if path.endswith("/") else f"site{path}"
            assert target in files, f"{name}: {path}"
            assert not anchor or f'id="{anchor}"' in files[target], f"{name}: {path}#{anchor}"


def test_the_home_page_holds_the_commune_s_facts() -> None:
    page = render({})["site/index.html"]
    assert "Bienvenue à Schiltigheim" in page
    assert "34\u202f382" in page
    assert "67447" in page
    assert "67300" in page


def test_several_postal_codes_and_elisions_read_well() -> None:
    assert "Codes postaux" in render({}, "strasbourg")["site/index.html"]
    assert "Commune d’Eckbolsheim" in render({}, "eckbolsheim")["site/contact.html"]
    assert "Commune de Hœnheim" in render({}, "hoenheim")["site/contact.html"]


def test_every_commune_s_portal_renders() -> None:
    name = "site/index.html"
    for commune in PROJECT.communes.values():
        assert commune.name in render({}, commune.slug, only=name)[name]


def test_what_is_unknown_is_not_made_up() -> None:
    files = render({})
    assert "tel:03" not in files["site/contact.html"]
    assert "mailto:" not in "".join(files.values())
    assert "Les horaires ne sont pas encore publiés" in files["site/contact.html"]


def test_an_alert_is_on_every_page_and_its_text_is_escaped() -> None:
    files = render(example("alert"))
    for name in ("site/index.html", "site/contact.html", "site/en/index.html"):
        assert "Alerte inondation" in files[name]
    assert "&lt;Écoutez&gt;" in files["site/index.html"]
    assert "Urgence" in files["site/index.html"]


@settings(max_examples=10, deadline=None)
@given(st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=60))
def test_whatever_a_commune_writes_stays_text(words: str) -> None:
    hostile = f"<script>{words}</script>{{{{ 7*7 }}}}\"'"
    files = render(
        {
            "tagline": hostile,
            "alert": {"level": "info", "title": hostile, "text": hostile},
            "town_hall": {"address": [hostile]},
            "opening_hours": [{"days": hostile, "hours": hostile}],
            "services": [{"title": hostile, "title_en": hostile, "summary": hostile, "url": "https://exemple.fr/"}],
            "legal": {"director": hostile},
        }
    )
    for _, page in pages(files):
        assert page.all("script") == []
    assert "7*7" in files["site/index.html"]


def test_the_administration_page_is_behind_a_password() -> None:
    configuration = render({})["nginx.conf"]
    location = configuration.split("location /admin/ {")[1].split("}")[0]
    assert "auth_basic_user_file /etc/nginx/portal-admin.htpasswd;" in location


def test_no_visitor_s_address_is_logged() -> None:
    configuration = render({})["nginx.conf"]
    assert "$remote_addr" not in configuration
    assert configuration.count("access_log syslog") == 1


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2 defines it."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: str, other: str) -> float:
    """Contrast ratio as WCAG 2 defines it: 1 to 21."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def mix(colour: str, percent: int, other: str) -> str:
    """CSS's color-mix(in srgb, colour percent, other)."""
    channels = [(int(colour[i : i + 2], 16), int(other[i : i + 2], 16)) for i in (1, 3, 5)]
    return "#" + "".join(f"{round((a * percent + b * (100 - percent)) / 100):02x}" for a, b in channels)


def custom_properties(css: str) -> dict[str, str]:
    """Colours that a block of CSS gives names to, computed."""
    found: dict[str, str] = {}
    for name, value in re.findall(r"--([a-z-]+): ([^;]+);", css):
        if mixed := re.fullmatch(r"color-mix\(in srgb, var\(--accent\) (\d+)%, (#\w{6})\)", value):
            found[name] = mix(found["accent"], int(mixed[1]), mixed[2])
        elif reference := re.fullmatch(r"var\(--([a-z-]+)\)", value):
            found[name] = found[reference[1]]
        elif re.fullmatch(r"#[0-9a-fA-F]{6}", value):
            found[name] = value
    return found


@settings(max_examples=60, deadline=None)
@given(st.from_regex(r"#[0-9a-f]{6}", fullmatch=True))
def test_any_accent_leaves_text_readable(accent: str) -> None:
    css = render({"theme": {"accent": accent}}, only="site/style.css")["site/style.css"]
    light_css, dark_css = css.split("@media (prefers-color-scheme: dark)")[:2]
    light = custom_properties(light_css)
    dark = light | custom_properties(f"--accent: {accent};" + dark_css.split("\n}\n")[0])
    assert contrast(light["accent"], light["on-accent"]) >= 4.5
    assert contrast(light["on-accent"], light["on-hero-button"]) >= 4.5
    for scheme in (light, dark):
        for ground in ("paper", "wash", "info", "warning", "danger"):
            assert contrast(scheme["link"], scheme[ground]) >= 4.5
            assert contrast(scheme["ink"], scheme[ground]) >= 7
        assert contrast(scheme["muted"], scheme["paper"]) >= 4.5
        for level in ("info", "warning", "danger"):
            assert contrast(scheme[f"{level}-edge"], scheme[level]) >= 4.5
