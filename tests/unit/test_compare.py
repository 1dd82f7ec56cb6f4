"""What differs between two releases: each kind of difference has its weight, and is told in French and in English."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from agglo.catalog import Catalog, Entry, Index, Release
from agglo.compare import Difference, Weight, by_weight, differences
from agglo.manifest import Manifest
from agglo.rules.version_is_honest import check

MAJOR, MINOR, PATCH = Weight.MAJOR, Weight.MINOR, Weight.PATCH
Change = Callable[[Any], None]


def text(fr: str, en: str) -> dict[str, str]:
    return {"fr": fr, "en": en}


def value(title_fr: str, title_en: str, **more: Any) -> dict[str, Any]:
    return {"title": title_fr, "x-i18n": {"en": {"title": title_en}}, **more}


def manifest() -> dict[str, Any]:
    """A fresh service.yaml."""
    return {
        "format": 1,
        "name": "agenda",
        "version": "1.0.0",
        "summary": text("Un agenda", "A calendar"),
        "upstream": {"name": "nginx", "version": "1.22", "licence": "BSD-2-Clause", "url": "https://nginx.org/"},
        "requires": {"services": {"identity": ">=1.0.0"}},
        "tenancy": ["dedicated", "shared"],
        "resources": {"flavor": "SCS-1L-1-5", "ports": [80]},
        "secrets": [
            {
                "name": "salt",
                "generate": {"length": 32},
                "rotation_days": 90,
                "summary": text("Le sel", "The salt"),
            }
        ],
        "backup": {"kind": "none", "why": text("Rien à garder", "Nothing to keep")},
        "checks": ["checks/test_agenda.py"],
        "personal_data": {"processing": [processing("Inscriptions", "Registrations")]},
        "web": {"host": "agenda", "port": 80},
    }


def processing(fr: str, en: str) -> dict[str, Any]:
    some = [text("Quelque chose", "Something")]
    return {
        "name": text(fr, en),
        "purpose": text("Organiser", "To organise"),
        "legal_basis": "public_task",
        "people": some,
        "categories": some,
        "recipients": some,
        "retention": text("Un an", "One year"),
    }


def schema() -> dict[str, Any]:
    """A fresh values.schema.json: texts, a number, a choice, a map, a list of texts, a list of maps."""
    days = {"type": "array", "maxItems": 7, "items": {"type": "string", "maxLength": 20}, "default": []}
    event = {
        "type": "object",
        "additionalProperties": False,
        "required": ["name"],
        "properties": {"name": value("Nom", "Name", type="string", maxLength=80)},
    }
    accent = value("Couleur", "Colour", type="string", pattern="^#[0-9a-f]{6}$", default="#0f4c81")
    theme = {"type": "object", "properties": {"accent": accent}, "default": {"accent": "#0f4c81"}}
    return {
        "type": "object",
        "additionalProperties": False,
        "required": ["contact"],
        "properties": {
            "contact": value("Contact", "Contact", type="string"),
            "tagline": value("Phrase", "Tagline", type="string", minLength=1, maxLength=160, default="Bonjour."),
            "limit": value("Limite", "Limit", type="integer", minimum=1, maximum=100, default=10),
            "view": value("Vue", "View", enum=["week", "month"], default="week"),
            "theme": value("Apparence", "Appearance", **theme),
            "days": value("Jours", "Days", **days),
            "events": value("Événements", "Events", type="array", items=event, default=[]),
        },
    }


def release(
    version: str = "1.0.0", change_schema: Change | None = None, change_manifest: Change | None = None
) -> Release:
    values, said = schema(), {**manifest(), "version": version}
    if change_schema:
        change_schema(values)
    if change_manifest:
        change_manifest(said)
    return Release(Manifest.model_validate(said), values, {}, f"catalog/agenda/{version}")


def told(found: list[Difference]) -> list[tuple[Weight, str, str]]:
    return [(d.weight, d.words.en, d.words.fr) for d in found]


def put(path: str, new: Any) -> Change:
    """Set what is at a dotted path."""

    def change(data: Any) -> None:
        *above, last = path.split(".")
        for part in above:
            data = data[part]
        data[last] = new

    return change


def drop(path: str) -> Change:
    """Remove what is at a dotted path."""

    def change(data: Any) -> None:
        *above, last = path.split(".")
        for part in above:
            data = data[part]
        del data[last]

    return change


def part(data: Any, name: str) -> Any:
    """The schema of one value; ``name[]`` is that of a list's items, ``name[].key`` that of a value in them."""
    for step in name.split("."):
        data = data["properties"].setdefault(step.removesuffix("[]"), {})
        data = data["items"] if step.endswith("[]") else data
    return data


def having(name: str, **keywords: Any) -> Change:
    """Give a value these keywords; a value that is not there is new."""
    return lambda data: part(data, name).update(keywords)


VALUES = {
    "a removed value": (
        drop("properties.tagline"),
        MAJOR, "tagline is no longer a value", "tagline n’est plus une valeur",
    ),
    "a removed map is told once": (
        drop("properties.theme"),
        MAJOR, "theme is no longer a value", "theme n’est plus une valeur",
    ),
    "a removed list is told once": (
        drop("properties.events"),
        MAJOR, "events is no longer a value", "events n’est plus une valeur",
    ),
    "a removed value of a map": (
        drop("properties.theme.properties.accent"),
        MAJOR, "theme.accent is no longer a value", "theme.accent n’est plus une valeur",
    ),
    "a removed value of a list's items": (
        drop("properties.events.items.properties.name"),
        MAJOR, "events[].name is no longer a value", "events[].name n’est plus une valeur",
    ),
    "a new optional value": (
        having("mood", **value("Humeur", "Mood", type="string")),
        MINOR, "mood is new (Mood)", "mood est nouvelle (Humeur)",
    ),
    "a new map is told once": (
        having("map", **value("Plan", "Map", properties={"zoom": {"type": "integer"}})),
        MINOR, "map is new (Map)", "map est nouvelle (Plan)",
    ),
    "a new list is told once": (
        having("rooms", **value("Salles", "Rooms", items={"properties": {"name": {"type": "string"}}})),
        MINOR, "rooms is new (Rooms)", "rooms est nouvelle (Salles)",
    ),
    "a new value of a map": (
        having("theme.font", **value("Police", "Font", type="string")),
        MINOR, "theme.font is new (Font)", "theme.font est nouvelle (Police)",
    ),
    "a new value of a list's items": (
        having("events[].place", **value("Lieu", "Place", type="string")),
        MINOR, "events[].place is new (Place)", "events[].place est nouvelle (Lieu)",
    ),
    "an old value that is now required": (
        put("required", ["contact", "tagline"]),
        MAJOR, "tagline must now be given", "tagline doit désormais être renseignée",
    ),
    "a value that is no longer required": (
        drop("required"),
        MINOR, "contact may be left out now", "contact devient facultative",
    ),
    "a new default": (
        having("tagline", default="Bienvenue."),
        MINOR,
        'tagline: the default "Bonjour." becomes "Bienvenue."',
        "tagline : la valeur par défaut \"Bonjour.\" devient \"Bienvenue.\"",
    ),
    "a new default with braces": (
        having("theme", default={"accent": "#000000"}),
        MINOR,
        'theme: the default {"accent": "#0f4c81"} becomes {"accent": "#000000"}',
        'theme : la valeur par défaut {"accent": "#0f4c81"} devient {"accent": "#000000"}',
    ),
    "a larger maximum": (
        having("limit", maximum=200),
        MINOR, "limit accepts more (maximum: 100 → 200)", "limit accepte davantage (maximum: 100 → 200)",
    ),
    "a smaller maximum": (
        having("limit", maximum=50),
        MAJOR,
        "limit accepts less, or other things (maximum: 100 → 50)",
        "limit accepte moins, ou autre chose (maximum: 100 → 50)",
    ),
    "a smaller minimum": (
        having("limit", minimum=0),
        MINOR, "limit accepts more (minimum: 1 → 0)", "limit accepte davantage (minimum: 1 → 0)",
    ),
    "a larger minimum": (
        having("tagline", minLength=5),
        MAJOR,
        "tagline accepts less, or other things (minLength: 1 → 5)",
        "tagline accepte moins, ou autre chose (minLength: 1 → 5)",
    ),
    "a limit that goes": (
        drop("properties.tagline.maxLength"),
        MINOR,
        "tagline accepts more (maxLength: 160 → null)",
        "tagline accepte davantage (maxLength: 160 → null)",
    ),
    "a limit that comes": (
        having("contact", format="email"),
        MAJOR,
        'contact accepts less, or other things (format: null → "email")',
        'contact accepte moins, ou autre chose (format: null → "email")',
    ),
    "another pattern": (
        having("theme.accent", pattern="^#[0-9a-f]{3}$"),
        MAJOR,
        'theme.accent accepts less, or other things (pattern: "^#[0-9a-f]{6}$" → "^#[0-9a-f]{3}$")',
        'theme.accent accepte moins, ou autre chose (pattern: "^#[0-9a-f]{6}$" → "^#[0-9a-f]{3}$")',
    ),
    "a choice that grows": (
        having("view", enum=["week", "month", "year"]),
        MINOR,
        'view accepts more (enum: ["week", "month"] → ["week", "month", "year"])',
        'view accepte davantage (enum: ["week", "month"] → ["week", "month", "year"])',
    ),
    "a choice that shrinks": (
        having("view", enum=["week"]),
        MAJOR,
        'view accepts less, or other things (enum: ["week", "month"] → ["week"])',
        'view accepte moins, ou autre chose (enum: ["week", "month"] → ["week"])',
    ),
    "a type that grows": (
        having("contact", type=["string", "null"]),
        MINOR,
        'contact accepts more (type: "string" → ["string", "null"])',
        'contact accepte davantage (type: "string" → ["string", "null"])',
    ),
    "a whole number that may be any number": (
        having("limit", type="number"),
        MINOR,
        'limit accepts more (type: "integer" → "number")',
        'limit accepte davantage (type: "integer" → "number")',
    ),
    "another type": (
        having("contact", type="integer"),
        MAJOR,
        'contact accepts less, or other things (type: "string" → "integer")',
        'contact accepte moins, ou autre chose (type: "string" → "integer")',
    ),
    "a map that opens": (
        having("events[]", additionalProperties=True),
        MINOR,
        "events[] accepts more (additionalProperties: false → true)",
        "events[] accepte davantage (additionalProperties: false → true)",
    ),
    "a longer list": (
        having("days", maxItems=14),
        MINOR, "days accepts more (maxItems: 7 → 14)", "days accepte davantage (maxItems: 7 → 14)",
    ),
    "a list whose items must differ": (
        having("days", uniqueItems=True),
        MAJOR,
        "days accepts less, or other things (uniqueItems: null → true)",
        "days accepte moins, ou autre chose (uniqueItems: null → true)",
    ),
    "shorter items of a list": (
        having("days[]", maxLength=10),
        MAJOR,
        "days[] accepts less, or other things (maxLength: 20 → 10)",
        "days[] accepte moins, ou autre chose (maxLength: 20 → 10)",
    ),
    "longer values of a list's items": (
        having("events[].name", maxLength=120),
        MINOR,
        "events[].name accepts more (maxLength: 80 → 120)",
        "events[].name accepte davantage (maxLength: 80 → 120)",
    ),
}  # fmt: skip

MANIFESTS = {
    "another address": (
        put("web.host", "calendrier"),
        MAJOR,
        "the address begins with calendrier, no longer with agenda",
        "l’adresse commence par calendrier et non plus par agenda",
    ),
    "a tenancy that goes": (
        put("tenancy", ["dedicated"]),
        MAJOR, "it is no longer offered shared", "le mode mutualisé n’est plus proposé",
    ),
    "a new requirement": (
        put("requires.services", {"identity": ">=1.0.0", "mail": ">=2.0.0"}),
        MAJOR, "it needs mail >=2.0.0", "il a besoin de mail >=2.0.0",
    ),
    "another range of a requirement": (
        put("requires.services", {"identity": ">=2.0.0"}),
        MAJOR, "it needs identity >=2.0.0", "il a besoin de identity >=2.0.0",
    ),
    "a requirement that goes": (
        put("requires.services", {}),
        PATCH, "it no longer needs identity", "il n’a plus besoin de identity",
    ),
    "newer software": (
        put("upstream.version", "1.26"),
        PATCH, "the software is nginx 1.26 now", "le logiciel est désormais nginx 1.26",
    ),
    "another licence": (
        put("upstream.licence", "MIT"),
        MAJOR, "the licence is MIT now", "la licence est désormais MIT",
    ),
    "a secret that goes": (put("secrets", []), PATCH, "secret salt is gone", "secret salt supprimé"),
    "a larger server": (
        put("resources.flavor", "SCS-1V-2-5"),
        MINOR, "the server is a SCS-1V-2-5", "le serveur est un SCS-1V-2-5",
    ),
    "a processing that begins": (
        put("personal_data.processing", [processing("Inscriptions", "Registrations"), processing("Avis", "Opinions")]),
        MINOR,
        "new processing of personal data: Opinions",
        "nouveau traitement de données personnelles : Avis",
    ),
    "a processing that ends": (
        put("personal_data", {"why": text("Aucune", "None")}),
        PATCH,
        "ended processing of personal data: Registrations",
        "fin d’un traitement de données personnelles : Inscriptions",
    ),
    "a processing that changes": (
        put("personal_data.processing", [{**processing("Inscriptions", "Registrations"), "legal_basis": "consent"}]),
        MINOR,
        "processing of personal data changes: Registrations",
        "un traitement de données personnelles change : Inscriptions",
    ),
    "a migration": (
        put("upgrade", {"from": ">=1.0.0", "migrations": [{"name": "0001-days", "summary": text("Jours", "Days")}]}),
        PATCH, "migration 0001-days: Days", "migration 0001-days : Jours",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("change", "weight", "en", "fr"), VALUES.values(), ids=list(VALUES))
def test_a_value_differs(change: Change, weight: Weight, en: str, fr: str) -> None:
    assert told(differences(release(), release(change_schema=change))) == [(weight, en, fr)]


@pytest.mark.parametrize(("change", "weight", "en", "fr"), MANIFESTS.values(), ids=list(MANIFESTS))
def test_a_manifest_differs(change: Change, weight: Weight, en: str, fr: str) -> None:
    assert told(differences(release(), release(change_manifest=change))) == [(weight, en, fr)]


def test_what_is_new_in_one_direction_goes_in_the_other() -> None:
    alone = release(change_manifest=lambda data: data.update(tenancy=["dedicated"], secrets=[]))
    assert told(differences(alone, release())) == [
        (MINOR, "it is now offered shared as well", "le mode mutualisé est désormais proposé"),
        (MINOR, "new secret salt", "nouveau secret salt"),
    ]


@pytest.mark.parametrize("name", ["mood", "theme.font", "events[].place"])
def test_a_new_value_that_must_be_given_is_heavy(name: str) -> None:
    above, _, last = name.rpartition(".")

    def change(data: Any) -> None:
        having(name, **value("Nouvelle", "New", type="string"))(data)
        if above:
            part(data, above)["required"] = [last]
        else:
            data["required"].append(last)

    found = told(differences(release(), release(change_schema=change)))
    assert (MAJOR, f"{name} must now be given (New)", f"{name} doit être renseignée (Nouvelle)") in found


def test_a_default_spares_communes_a_new_value_but_not_within_a_list() -> None:
    new = value("Nouvelle", "New", type="string", default="x")

    def change(data: Any) -> None:
        having("mood", **new)(data)
        having("events[].place", **new)(data)
        data["required"].append("mood")
        having("events[]", required=["name", "place"])(data)

    found = differences(release(), release(change_schema=change))
    assert [(d.weight, d.words.en) for d in found] == [
        (MAJOR, "events[].place must now be given (New)"), (MINOR, "mood is new (New)"),
    ]  # fmt: skip


@pytest.mark.parametrize("keyword", ["title", "description", "x-i18n", "examples", "$comment", "deprecated"])
def test_texts_are_no_difference(keyword: str) -> None:
    assert differences(release(), release(change_schema=having("tagline", **{keyword: "autre chose"}))) == []


def test_a_release_does_not_differ_from_itself() -> None:
    assert differences(release(), release()) == []


def test_the_heaviest_comes_first_and_each_knows_its_value() -> None:
    def change(data: Any) -> None:
        having("tagline", default="Bienvenue.")(data)
        drop("properties.events.items.properties.name")(data)

    moved = release(change_schema=change, change_manifest=put("upstream.version", "1.26"))
    found = differences(release(), moved)
    assert [(d.weight, d.key) for d in found] == [(MAJOR, ("events", "[]", "name")), (MINOR, ("tagline",)), (PATCH, ())]
    assert list(by_weight(found)) == [MAJOR, MINOR, PATCH]


def honest(version: str, change: Change) -> list[tuple[str, str]]:
    """What version-is-honest finds in ``version``, which follows the released 1.0.0."""
    old, new = release(), release(version, change_schema=change)
    index = Index(releases={"1.0.0": Entry(state="released", date="2026-01-01", digest="0" * 64)})
    catalog = Catalog({"agenda": {"1.0.0": old, version: new}}, {"agenda": index})
    return [(finding.what, finding.fix) for finding in check(catalog, new)]


@pytest.mark.parametrize(
    ("change", "version", "fix"),
    [
        (drop("properties.tagline"), "1.0.1", "call it 2.0.0"),
        (drop("properties.tagline"), "1.1.0", "call it 2.0.0"),
        (drop("properties.tagline"), "2.0.0", None),
        (having("tagline", maxLength=200), "1.0.1", "call it 1.1.0"),
        (having("tagline", maxLength=200), "1.1.0", None),
        (having("tagline", title="Accroche"), "1.0.1", None),
    ],
)
def test_the_number_has_to_be_as_heavy_as_the_change(change: Change, version: str, fix: str | None) -> None:
    assert [found for _, found in honest(version, change)] == ([fix] if fix else [])


def test_a_number_that_lies_is_told_with_what_it_hides() -> None:
    assert honest("1.1.0", drop("properties.tagline")) == [
        (
            "tagline is no longer a value: this is a major change, but 1.0.0 → 1.1.0 is a minor step",
            "call it 2.0.0",
        )
    ]
