"""The portal's pages: every example renders to sound, accessible HTML with the commune's facts and nothing foreign."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agglo.adapters.files import load_project
from agglo.catalog import Example, Release
from agglo.guest import render_files

PROJECT = load_project(Path(__file__).parents[2])
OLD, NEW = (PROJECT.catalog.release("portal", version) for version in ("1.0.0", "1.1.0"))
VOID = {"meta", "link", "br", "img", "input", "hr"}

for_each_example = pytest.mark.parametrize(
    ("release", "example"),
    [pytest.param(r, e, id=f"{r.version}-{e.name}") for r in (OLD, NEW) for e in r.examples.values()],
)


@pytest.fixture(scope="module", params=[OLD, NEW], ids=lambda release: release.version)
def release(request: pytest.FixtureRequest) -> Release:
    """Each release in turn: what communes were promised once holds for all that come after."""
    found: Release = request.param
    return found


def member(release: Release, slug: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """A commune that an instance serves, with these values over the schema's defaults."""
    commune = PROJECT.tenant(slug)
    return {
        "commune": commune.model_dump(mode="json", exclude={"values", "why"}),
        "values": release.values_of(Example("", "", values)),
        "host": PROJECT.metro.host(commune, release.manifest.web.host),
    }


def render_instance(release: Release, tenancy: str, members: list[dict[str, Any]]) -> dict[str, str]:
    """All files of an instance."""
    context: dict[str, Any] = {
        "metro": {"name": PROJECT.metro.name, "siren": PROJECT.metro.siren},
        "service": {"name": release.service, "version": release.version},
        "tenancy": tenancy,
        "members": members,
        "requires": {},
    }
    return render_files(release, context if tenancy == "shared" else {**context, **members[0]})


def render(release: Release, values: Mapping[str, Any], slug: str = "schiltigheim") -> dict[str, str]:
    """The files of a commune's own instance; its pages are below ``site/`` in all releases."""
    files = render_instance(release, "dedicated", [member(release, slug, values)])
    return {name.removeprefix(f"members/{slug}/"): text for name, text in files.items()}


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


@for_each_example
def test_examples_are_valid(release: Release, example: Example) -> None:
    assert example.problems == ()
    assert release.errors(release.values_of(example)) == []


@for_each_example
def test_examples_render_to_sound_pages(release: Release, example: Example) -> None:
    for name, page in pages(render(release, example.values)):
        assert [a["lang"] for a in page.all("html")] == ["en" if "/en/" in name else "fr"], name
        assert len(page.all("h1")) == 1, name
        assert len(page.all("title")) == len(page.all("main")) == 1, name
        ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
        assert len(set(ids)) == len(ids), name


@for_each_example
def test_headings_skip_no_level(release: Release, example: Example) -> None:
    for name, page in pages(render(release, example.values)):
        levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
        assert levels[0] == 1, name
        assert all(after <= before + 1 for before, after in itertools.pairwise(levels)), name


@for_each_example
def test_each_page_can_be_skipped_to_its_content(release: Release, example: Example) -> None:
    for name, page in pages(render(release, example.values)):
        if "admin" in name:
            continue
        first = page.all("a")[0]
        target = str(first["href"]).removeprefix("#")
        assert first["class"] == "skip", name
        assert target in [attrs.get("id") for attrs in page.all("main")], name


@for_each_example
def test_nothing_is_loaded_from_elsewhere(release: Release, example: Example) -> None:
    for name, text in render(release, example.values).items():
        page = Page(text) if name.endswith(".html") else None
        loaded = [a.get("href") for a in page.all("link")] + [a.get("src") for a in page.all("img")] if page else []
        assert all(str(address).startswith("/") for address in loaded), name
        assert not (page and page.all("script")), name
        assert "url(" not in text and "@import" not in text, name


@for_each_example
def test_links_between_pages_lead_somewhere(release: Release, example: Example) -> None:
    files = render(release, example.values)
    for name, page in pages(files):
        for attrs in page.all("a") + page.all("link"):
            path, _, anchor = str(attrs["href"]).partition("#")
            if not path.startswith("/"):
                continue
            target = f"site{path}index.html" if path.endswith("/") else f"site{path}"
            assert target in files, f"{name}: {path}"
            assert not anchor or f'id="{anchor}"' in files[target], f"{name}: {path}#{anchor}"


def test_the_home_page_holds_the_commune_s_facts(release: Release) -> None:
    page = render(release, {})["site/index.html"]
    assert "Bienvenue à Schiltigheim" in page
    assert "34\u202f382" in page
    assert "67447" in page
    assert "67300" in page


def test_several_postal_codes_and_elisions_read_well(release: Release) -> None:
    assert "Codes postaux" in render(release, {}, "strasbourg")["site/index.html"]
    assert "Commune d’Eckbolsheim" in render(release, {}, "eckbolsheim")["site/contact.html"]
    assert "Commune de Hœnheim" in render(release, {}, "hoenheim")["site/contact.html"]


def test_every_commune_s_portal_renders(release: Release) -> None:
    name = "site/index.html"
    for commune in PROJECT.communes.values():
        assert commune.name in render(release, {}, commune.slug)[name]


def test_what_is_unknown_is_not_made_up(release: Release) -> None:
    files = render(release, {})
    assert "tel:03" not in files["site/contact.html"]
    assert "mailto:" not in "".join(files.values())
    assert "Les horaires ne sont pas encore publiés" in files["site/contact.html"]


def test_an_alert_is_on_every_page_and_its_text_is_escaped(release: Release) -> None:
    files = render(release, release.examples["alert"].values)
    for name in ("site/index.html", "site/contact.html", "site/en/index.html"):
        assert "Alerte inondation" in files[name]
    assert "&lt;Écoutez&gt;" in files["site/index.html"]
    assert "Urgence" in files["site/index.html"]


@settings(max_examples=10, deadline=None)
@given(st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=60))
def test_whatever_a_commune_writes_stays_text(release: Release, words: str) -> None:
    hostile = f"<script>{words}</script>{{{{ 7*7 }}}}\"'"
    files = render(
        release,
        {
            "tagline": hostile,
            "alert": {"level": "info", "title": hostile, "text": hostile},
            "town_hall": {"address": [hostile]},
            "opening_hours": [{"days": hostile, "hours": hostile}],
            "services": [{"title": hostile, "title_en": hostile, "summary": hostile, "url": "https://exemple.fr/"}],
            "agenda": [{"title": hostile, "date": "2026-12-12", "place": hostile, "text": hostile}],
            "legal": {"director": hostile},
        },
    )
    for _, page in pages(files):
        assert page.all("script") == []
    for name in {"site/index.html", "site/agenda.html"} & files.keys():
        assert "{{ 7*7 }}" in files[name]


def test_the_administration_page_is_behind_a_password(release: Release) -> None:
    configuration = render(release, {})["nginx.conf"]
    location = configuration.split("location /admin/ {")[1].split("}")[0]
    assert "auth_basic_user_file /etc/nginx/portal-admin.htpasswd;" in location


def test_no_visitor_s_address_is_logged(release: Release) -> None:
    configuration = render(release, {})["nginx.conf"]
    assert "$remote_addr" not in configuration
    assert configuration.count("access_log syslog") == 1


def links(page: Page) -> list[str]:
    return [str(attrs["href"]) for attrs in page.all("a")]


def test_an_agenda_is_shown_where_there_are_events() -> None:
    files = render(NEW, {"agenda": [{"title": "Marché de Noël", "date": "2026-12-12", "place": "Place du Marché"}]})
    for name in ("site/index.html", "site/agenda.html", "site/en/index.html"):
        assert "Marché de Noël" in files[name], name
        assert "Place du Marché" in files[name], name
        assert [a["datetime"] for a in Page(files[name]).all("time")] == ["2026-12-12"], name
    for name, page in pages(files):
        assert "admin" in name or "/agenda.html" in links(page), name


def test_without_events_no_page_leads_to_the_agenda_but_its_address_lives_on() -> None:
    files = render(NEW, {})
    assert "Aucun événement n’est annoncé" in files["site/agenda.html"]
    for name, page in pages(files):
        assert "/agenda.html" not in links(page), name
        assert page.all("time") == [], name


def test_the_menu_says_that_the_agenda_is_the_page_in_view() -> None:
    page = Page(render(NEW, NEW.examples["complete"].values)["site/agenda.html"])
    assert [a["href"] for a in page.all("a") if a.get("aria-current") == "page"] == ["/agenda.html"]


def test_events_are_in_the_order_of_dates_and_the_home_page_has_the_first_three() -> None:
    dates = ["2027-01-05", "2026-12-31", "2027-11-02", "2026-02-28", "2027-01-04"]
    files = render(NEW, {"agenda": [{"title": "Fête", "date": date} for date in dates]})
    shown = {name: [a["datetime"] for a in page.all("time")] for name, page in pages(files)}
    assert shown["site/agenda.html"] == sorted(dates)
    assert shown["site/index.html"] == shown["site/en/index.html"] == sorted(dates)[:3]


@pytest.mark.parametrize(
    ("date", "french", "english"),
    [
        ("2026-12-12", "12\u00a0décembre 2026", "12\u00a0December 2026"),
        ("2027-05-01", "1er\u00a0mai 2027", "1\u00a0May 2027"),
        ("2027-08-09", "9\u00a0août 2027", "9\u00a0August 2027"),
        ("2028-02-29", "29\u00a0février 2028", "29\u00a0February 2028"),
    ],
)
def test_dates_are_written_as_people_read_them(date: str, french: str, english: str) -> None:
    files = render(NEW, {"agenda": [{"title": "Fête", "date": date}]})
    assert f">{french}</time>" in files["site/agenda.html"]
    assert f">{french}</time>" in files["site/index.html"]
    assert f">{english}</time>" in files["site/en/index.html"]


@pytest.mark.parametrize("date", ["2026-13-01", "2027-02-29", "12/12/2026", "2026-12-12T10:00", "26-12-12", ""])
def test_what_is_no_date_is_refused(date: str) -> None:
    values = NEW.values_of(Example("", "", {"agenda": [{"title": "Fête", "date": date}]}))
    assert {key for key, _ in NEW.errors(values)} == {("agenda", "0", "date")}


def test_a_shared_instance_keeps_its_communes_apart() -> None:
    colours = {"schiltigheim": "#8a1538", "ostwald": "#0b6e4f"}
    own: dict[str, dict[str, Any]] = {
        "schiltigheim": {"tagline": "Ville d’eau."},
        "ostwald": {"agenda": [{"title": "Bal", "date": "2027-07-14"}]},
    }
    members = [member(NEW, slug, {"theme": {"accent": c}, **own[slug]}) for slug, c in colours.items()]
    files = render_instance(NEW, "shared", members)
    for mine, other in itertools.permutations(members):
        slug, name = mine["commune"]["slug"], other["commune"]["name"]
        site = {n.removeprefix(f"members/{slug}/"): t for n, t in files.items() if n.startswith(f"members/{slug}/")}
        assert site.keys() == render(NEW, {}).keys() - {"nginx.conf"}
        assert [n for n, text in site.items() if name in text or other["host"] in text] == []
        assert colours[slug] in site["site/style.css"]
    assert "Ville d’eau." in files["members/schiltigheim/site/index.html"]
    assert "Bal" in files["members/ostwald/site/agenda.html"]
    assert "Bal" not in files["members/schiltigheim/site/agenda.html"]


def test_a_commune_s_pages_are_the_same_in_a_shared_instance() -> None:
    mine = [member(NEW, slug, NEW.examples["complete"].values) for slug in ("ostwald", "schiltigheim")]
    shared, own = render_instance(NEW, "shared", mine), render_instance(NEW, "dedicated", mine[:1])
    assert {n: t for n, t in shared.items() if "/ostwald/" in n} == {n: t for n, t in own.items() if "/ostwald/" in n}


def servers(configuration: str) -> list[str]:
    """The server blocks of a configuration of nginx."""
    return re.findall(r"^    server \{\n(.*?)^    \}\n", configuration, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("slugs", [[], ["ostwald"], ["ostwald", "schiltigheim", "la-wantzenau"]], ids=len)
def test_each_commune_has_a_server_of_its_own_and_other_names_get_nothing(slugs: list[str]) -> None:
    files = render_instance(NEW, "shared", [member(NEW, slug, {}) for slug in slugs])
    default, *sites = servers(files["nginx.conf"])
    assert "listen 80 default_server;" in default
    assert "location / {\n            return 421;" in default
    found = [re.findall(r"server_name (\S+);|root (\S+);|location (.+) \{", site) for site in sites]
    assert found == [
        [
            (PROJECT.metro.host(PROJECT.tenant(slug), "portail"), "", ""),
            ("", f"/srv/portal/sites/{slug}/current", ""),
            ("", "", "= /sante"),
            ("", "", "/admin/"),
        ]
        for slug in slugs
    ]
    assert all('return 200 "ok\\n";' in server for server in (default, *sites))


def test_an_instance_that_serves_nobody_yet_has_no_page() -> None:
    assert list(render_instance(NEW, "shared", [])) == ["nginx.conf"]


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
def test_any_accent_leaves_text_readable(release: Release, accent: str) -> None:
    css = render(release, {"theme": {"accent": accent}})["site/style.css"]
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
