"""Specificity and the register of processing: what the metropolis and its communes are shown."""

from __future__ import annotations

from datetime import UTC, date, datetime
from fractions import Fraction
from pathlib import Path

import pytest

from agglo.adapters.files import load_project
from agglo.errors import InvalidInput
from agglo.layers import Origin
from agglo.policies import unexplained
from agglo.project import Project
from agglo.records import EngineResult, Record
from agglo.register import as_markdown, make_register
from agglo.selector import named
from agglo.specificity import Override, hints, report, totals
from agglo.stack import instance_id
from tests.trees import add_release, ask, enter, metropolis

TODAY = date(2026, 6, 1)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
TEXT = {"fr": "texte", "en": "text"}
PROCESSING = {
    "name": {"fr": "Contacts", "en": "Contacts"},
    "purpose": {"fr": "Répondre aux demandes | courriels", "en": "Answer questions"},
    "legal_basis": "public_task",
    "people": [{"fr": "Habitants", "en": "Residents"}],
    "categories": [{"fr": "Nom", "en": "Name"}, {"fr": "Courriel", "en": "E-mail"}],
    "recipients": [{"fr": "Agents de l’accueil", "en": "Front desk"}],
    "retention": {"fr": "Un an", "en": "One year"},
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = metropolis(tmp_path)
    ask(
        root, "communes/67447-schiltigheim", "portal", version="1.0.0",
        values={
            "tagline": "Bienvenue à Schilick.",
            "theme": {"accent": "#8a1538"},
            "town_hall": {"phone": "03 00 00 00 00"},
            "tagline_en": "Useful information and public services of your town, in one place.",
        },
        why={"tagline": {"reason": "Délibération.", "since": "2026-03-01", "until": "2026-05-01"}},
    )  # fmt: skip
    ask(root, "communes/67043-bischheim", "portal", version="1.0.0", values={"theme": {"accent": "#8a1538"}})
    return root


def overrides(project: Project) -> dict[str, Override]:
    found = report(project, named(project, "schiltigheim/portal"), lambda _: date(2026, 1, 15))
    return {".".join(o.key): o for one in found for o in one.overrides}


def test_values_of_ones_own_are_told_with_since_and_why(tree: Path) -> None:
    found = overrides(load_project(tree))
    assert set(found) == {"tagline", "tagline_en", "theme.accent", "town_hall.phone"}
    tagline = found["tagline"]
    assert tagline.reason and tagline.reason.reason == "Délibération."
    assert (tagline.since, tagline.overdue(TODAY)) == (date(2026, 3, 1), True)
    assert found["theme.accent"].since == date(2026, 1, 15)
    assert (found["theme.accent"].value, found["theme.accent"].shared) == ("#8a1538", "#0f4c81")
    assert str(found["theme.accent"].origin).startswith("stacks/communes/67447-schiltigheim/portal.yaml:")


def test_what_equals_the_shared_value_is_redundant_and_what_fills_a_gap_is_a_fact(tree: Path) -> None:
    found = overrides(load_project(tree))
    assert found["tagline_en"].redundant
    assert found["town_hall.phone"].fact
    assert [key for key, o in found.items() if o.differs] == ["tagline", "theme.accent"]


def test_only_real_differences_ask_for_a_reason(tree: Path) -> None:
    project = load_project(tree)
    assert unexplained(project, project.request("schiltigheim/portal")) == ["theme.accent"]


def test_a_commune_may_give_its_reasons_once_for_all_its_instances(tree: Path) -> None:
    commune = tree / "stacks/communes/67043-bischheim/commune.yaml"
    text = 'values: {portal: {theme: {accent: "#8a1538"}}}\nwhy: {portal: {theme: Les couleurs du blason.}}'
    commune.write_text(commune.read_text().replace("values: {}", text))
    ask(tree, "communes/67043-bischheim", "portal", version="1.0.0")
    project = load_project(tree)
    assert unexplained(project, project.request("bischheim/portal")) == []
    (one,) = report(project, named(project, "bischheim/portal"), lambda _: None)
    assert one.overrides[0].origin.layer == "commune"


def test_the_share_and_what_several_have_alike(tree: Path) -> None:
    project = load_project(tree)
    found = report(project, named(project, "*/portal"), lambda _: None)
    shares = {one.instance: one.shared for one in found}
    assert shares["67447-schiltigheim/portal"] == Fraction(10, 12)
    (hint,) = hints(found)
    assert (hint.key, hint.value, hint.instances) == (
        ("theme", "accent"), "#8a1538", ("67043-bischheim/portal", "67447-schiltigheim/portal"),
    )  # fmt: skip
    (portal,) = totals(found, lambda one: one.service)
    assert (portal.instances, portal.values, portal.differing, portal.facts) == (2, 24, 3, 1)
    assert portal.often == (("theme.accent", 2), ("tagline", 1))
    assert [t.name for t in totals(found, lambda one: one.instance.partition("/")[0])] == [
        "67043-bischheim", "67447-schiltigheim",
    ]  # fmt: skip


def test_a_shared_value_that_moves_makes_a_difference_of_what_stays(tree: Path) -> None:
    defaults = tree / "stacks/defaults.yaml"
    defaults.write_text(defaults.read_text().replace("#0f4c81", "#8a1538"))
    assert overrides(load_project(tree))["theme.accent"].redundant


def test_the_origin_is_asked_when_a_value_began(tree: Path) -> None:
    asked: list[Origin] = []

    def since(origin: Origin) -> None:
        asked.append(origin)

    report(load_project(tree), named(load_project(tree), "bischheim/portal"), since)
    assert [str(o) for o in asked] == ["stacks/communes/67043-bischheim/portal.yaml:5"]


@pytest.fixture
def served(tree: Path) -> Project:
    """Schiltigheim has a service that processes personal data, and its portal, which does not."""
    add_release(tree, "info", "1.0.0", personal_data={"processing": [PROCESSING]}, state="draft")
    manifest = tree / "catalog/info/1.0.0/service.yaml"
    lines = manifest.read_text().splitlines()
    at = lines.index("personal_data:")
    kept = [line for line in lines[at:] if not line.startswith(("  why:", "    fr: Ni", "    en: No"))]
    manifest.write_text("\n".join([*lines[:at], *kept]) + "\n")
    enter(tree, "info", "1.0.0")
    ask(tree, "communes/67447-schiltigheim", "info", version="1.0.0")
    return load_project(tree)


def installed(project: Project, *services: str) -> dict[object, Record]:
    engine = EngineResult(digest="d", checkpoint="c", at=NOW)
    found = [project.request(f"schiltigheim/{service}") for service in services]
    return {
        instance_id(r): Record(stack="", title=r.instance, engine=engine, configured="1.0.0", release="1.0.0")
        for r in found
    }


def test_the_register_holds_what_is_installed_and_nothing_else(served: Project) -> None:
    tenant = served.tenant("schiltigheim")
    nothing = as_markdown(make_register(served, tenant, {}, "fr"), "fr", TODAY)
    assert "Aucun service n’est installé." in nothing
    records = installed(served, "info", "portal")
    text = as_markdown(make_register(served, tenant, records, "fr"), "fr", TODAY)  # type: ignore[arg-type]
    assert "Responsable de traitement : Commune : Schiltigheim, SIREN 216704478" in text
    assert "Sous-traitant (art. 28) : Eurométropole de Strasbourg, SIREN 246700488" in text
    assert "## info 1.0.0" in text and "Instance dédiée, depuis le 01/01/2026." in text
    assert "| Base légale | mission d’intérêt public (art. 6-1-e) |" in text
    assert "| Catégories de données | Nom ; Courriel |" in text
    assert "| Finalité | Répondre aux demandes / courriels |" in text
    assert "Aucun traitement de données personnelles : Ni formulaire" in text
    assert text.count("\n### ") == 1


def test_the_register_speaks_english_too(served: Project) -> None:
    register = make_register(served, served.tenant("schiltigheim"), installed(served, "info"), "en")  # type: ignore[arg-type]
    text = as_markdown(register, "en", TODAY)
    assert "| Legal basis | public task (art. 6-1-e) |" in text
    assert "portal" not in text


def test_a_manifest_says_what_it_processes_or_why_nothing(tree: Path) -> None:
    add_release(tree, "info", "1.0.0", personal_data={"processing": [PROCESSING]})
    with pytest.raises(InvalidInput, match="either processing is listed, or why there is none"):
        load_project(tree)
