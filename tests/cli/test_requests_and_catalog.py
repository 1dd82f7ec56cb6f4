"""``catalog`` and ``request`` on a tree of files: what they answer, write and refuse. No cloud is named."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agglo.policies import POLICIES
from agglo_cli import main as cli_main
from tests.trees import add_release, ask, enter, metropolis, write

Run = Callable[..., tuple[int, str, str]]
PLACE = "communes/67043-bischheim"
REQUEST = f"stacks/{PLACE}/portal.yaml"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return metropolis(tmp_path)


@pytest.fixture
def agglo(tree: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command line in this process: exit code, stdout, stderr."""
    for name in ("OS_CLOUD", "VAULT_ADDR", "AGGLO_STATE", "AGGLO_ENV"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AGGLO_ROOT", str(tree))
    monkeypatch.setenv("AGGLO_DEV_CLOUD", "no-such-cloud")

    def run(*arguments: str) -> tuple[int, str, str]:
        code = cli_main.run(arguments)
        out, err = capsys.readouterr()
        return code, out, err

    return run


def test_a_request_is_written_with_only_what_differs(agglo: Run, tree: Path) -> None:
    code, out, _ = agglo(
        "request", "new", "bischheim", "portal", "--set", "tagline=Bonjour.", "--why", "tagline=Charte."
    )
    assert code == 0
    assert f"Demande écrite : {REQUEST}" in out
    assert (tree / REQUEST).read_text().splitlines()[1:] == [
        "service: portal", "version: 1.0.0", "values:", "  tagline: Bonjour.", "why:", "  tagline: Charte.",
    ]  # fmt: skip
    assert agglo("request", "check", "bischheim")[:2] == (0, "1 demande(s), aucun problème.\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--set", "tagline="), "values.tagline : au moins 1 caractère(s), pas 0"),
        (("--set", "taglin=x"), "taglin : n’est pas une valeur de ce service (vouliez-vous dire « tagline » ?)"),
        (("--set", "tagline"), "KEY=VALUE is expected"),
        (("--version", "9.9.9"), "portal n’a pas de version 9.9.9 ; il y a 1.0.0"),
        (("--version", "1.1.0"), "portal 1.1.0 est une ébauche, réservée à schiltigheim"),
        (("--version", "two"), "'two' is not a version"),
        (("--set", "tagline=x", "--why", "tagline=x"), "--why tagline: String should have at least 3 characters"),
        (("--set", "theme={accent: '#123456'}", "--set", "theme.accent=#123456"), "exclude each other"),
        (("--set", "alert={level: [}"), "alert : n’est pas du YAML"),
        (("--set", "tagline=x", "--why", "nothing=Because."), "donne une raison pour une valeur qui n’est pas"),
        (("--tenancy", "shared"), "la métropole n’a pas d’instance partagée de portal"),
    ],
)
def test_a_wrong_answer_writes_nothing(agglo: Run, tree: Path, arguments: tuple[str, ...], message: str) -> None:
    code, _, err = agglo("request", "new", "bischheim", "portal", *arguments)
    assert code == 2
    assert message in err
    assert "try:" in err
    assert not (tree / REQUEST).exists()


def test_a_request_that_is_there_is_not_written_again(agglo: Run, tree: Path) -> None:
    before = (tree / "stacks/communes/67447-schiltigheim/portal.yaml").read_text()
    assert agglo("request", "new", "schiltigheim", "portal")[0] == 2
    assert (tree / "stacks/communes/67447-schiltigheim/portal.yaml").read_text() == before


def test_check_reminds_of_a_reason(agglo: Run, tree: Path) -> None:
    ask(
        tree, PLACE, "portal", version="1.0.0", values={"tagline": "Bonjour.", "town_hall": {"phone": "03 00 00 00 00"}}
    )
    code, out, _ = agglo("request", "check", "bischheim/portal")
    assert code == 0
    assert "tagline diffère des valeurs partagées ; dites pourquoi" in out
    assert "phone" not in out
    (finding,) = json.loads(agglo("request", "check", "--json")[1])["findings"]
    assert (finding["policy"], finding["where"]) == ("override-has-a-reason", "67043-bischheim/portal")


def test_check_tells_what_a_policy_refuses(agglo: Run, tree: Path) -> None:
    text = {"fr": "Courriels par un prestataire aux États-Unis.", "en": "Mail by a provider in the United States."}
    register = {
        "name": text, "purpose": text, "legal_basis": "public_task", "people": [text], "categories": [text],
        "recipients": [text], "retention": text, "transfers": text,
    }  # fmt: skip
    add_release(tree, "rdv", "1.0.0", personal_data={"processing": [register], "why": None})
    ask(tree, PLACE, "rdv", version="1.0.0")
    code, out, _ = agglo("request", "check", "bischheim")
    assert code == 4
    assert "refusé : 67043-bischheim/rdv : rdv 1.0.0 transmet des données hors de l’Union européenne" in out
    assert agglo("request", "check", "schiltigheim")[0] == 0


def test_policies_are_listed_with_what_they_find_and_what_is_exempted(agglo: Run, tree: Path) -> None:
    today = datetime.now(UTC).date()
    write(
        tree,
        {
            "stacks/exemptions.yaml": "exemptions:\n"
            "  - policy: override-has-a-reason\n    where: bischheim/portal\n"
            f"    why: La charte est en cours d’écriture.\n    until: {today + timedelta(days=30)}\n"
            f"  - {{policy: names-and-tags, where: metro, why: An old reason., until: {today - timedelta(days=1)}}}\n"
        },
    )
    ask(tree, PLACE, "portal", version="1.0.0", values={"tagline": "Bonjour."})
    code, out, _ = agglo("policy", "list")
    assert code == 0
    assert "override-has-a-reason        advises  1 exempted" in out
    assert f"exemption stacks/exemptions.yaml:2: in force until {today + timedelta(days=30)}" in out
    assert "exemption stacks/exemptions.yaml:6: ended" in out
    answer = json.loads(agglo("policy", "list", "--json")[1])
    assert [p["id"] for p in answer["policies"]] == [p.id for p in POLICIES]
    assert [e["standing"] for e in answer["exemptions"]] == ["in force", "ended"]
    _, out, _ = agglo("policy", "show", "override-has-a-reason")
    assert f"exempted until {today + timedelta(days=30)}: 67043-bischheim/portal: tagline differs" in out
    assert "docs/rules/override-has-a-reason.md" in out
    code, _, err = agglo("policy", "show", "names-and-tag")
    assert (code, "did you mean 'names-and-tags'?" in err) == (2, True)
    assert "dispensé jusqu’au" in agglo("request", "check")[1]


def test_an_upgrade_moves_the_version_and_keeps_the_comments(agglo: Run, tree: Path) -> None:
    request = tree / "stacks/communes/67447-schiltigheim/portal.yaml"
    request.write_text("# Notre portail\nservice: portal\nversion: 1.0.0 # épinglée\nvalues: {}\n")
    code, out, _ = agglo("request", "upgrade", "schiltigheim/portal")
    assert code == 0
    assert request.read_text() == "# Notre portail\nservice: portal\nversion: 1.1.0 # épinglée\nvalues: {}\n"
    assert "asks for 1.1.0 now" in out
    assert "is at 1.1.0 already" in agglo("request", "upgrade", "schiltigheim/portal")[1]


def test_an_upgrade_that_values_do_not_fit_is_refused(agglo: Run, tree: Path) -> None:
    add_release(tree, "info", "1.0.0")
    folder = add_release(tree, "info", "2.0.0", state="draft", upgrade={"from": ">=1.0.0"})
    schema = folder / "values.schema.json"
    schema.write_text(schema.read_text().replace('"maxLength": 200', '"maxLength": 10'))
    enter(tree, "info", "2.0.0")
    path = ask(tree, PLACE, "info", version="1.0.0", values={"message": "Une phrase trop longue."})
    before = path.read_text()
    code, _, err = agglo("request", "upgrade", "bischheim/info")
    assert code == 2
    assert "values.message: at most 10 characters, not 23" in err
    assert "agglo catalog diff info 1.0.0 2.0.0" in err
    assert path.read_text() == before


def test_a_refusal_is_written_and_told(agglo: Run, tree: Path) -> None:
    agglo("request", "new", "bischheim", "portal")
    assert agglo("request", "refuse", "bischheim/portal", "--why", "Le budget est épuisé.")[0] == 0
    out = agglo("request", "status", "bischheim/portal")[1]
    assert "67043-bischheim/portal – refusée" in out
    assert "refusée : Le budget est épuisé." in out
    assert "bischheim" not in agglo("specificity")[1]


def test_status_tells_all_requests(agglo: Run, tree: Path) -> None:
    ask(tree, PLACE, "portal", version="9.9.9")
    out = agglo("request", "status")[1]
    assert "67043-bischheim/portal     à corriger" in out
    assert "67447-schiltigheim/portal  demandée" in out
    states = {story["instance"]: story["state"] for story in json.loads(agglo("request", "status", "--json")[1])}
    assert states == {"67043-bischheim/portal": "to_mend", "67447-schiltigheim/portal": "asked"}


def test_a_diff_is_told_in_words_with_whose_values_do_not_fit(agglo: Run, tree: Path) -> None:
    add_release(tree, "info", "1.0.0")
    folder = add_release(tree, "info", "2.0.0", state="draft", upgrade={"from": ">=1.0.0"})
    schema = folder / "values.schema.json"
    schema.write_text(schema.read_text().replace('"maxLength": 200', '"maxLength": 10'))
    write(tree, {"catalog/info/CHANGELOG.fr.md": "# Info\n\n## [2.0.0] - 2026-01-01\n\n- Des messages plus courts.\n"})
    ask(tree, PLACE, "info", version="1.0.0", values={"message": "Une phrase trop longue."})
    code, out, _ = agglo("catalog", "diff", "info", "1.0.0", "2.0.0")
    assert code == 0
    assert "Des messages plus courts." in out
    assert "À faire par les communes" in out
    assert "message accepte moins, ou autre chose (maxLength: 200 → 10)" in out
    assert "67043-bischheim/info: message: au plus 10 caractères, pas 23" in out
    data = json.loads(agglo("catalog", "diff", "info", "1.0.0", "2.0.0", "--json")[1])
    assert (data["weight"], list(data["refused"])) == ("major", ["67043-bischheim/info"])


def test_a_service_goes_from_draft_to_withdrawn(agglo: Run, tree: Path) -> None:
    assert agglo("catalog", "new-service", "annuaire", "--for", "bischheim")[0] == 0
    assert agglo("catalog", "lint", "annuaire")[:2] == (0, "1 release, 15 rules, 0 findings\n")
    assert agglo("request", "new", "bischheim", "annuaire", "--version", "0.1.0")[0] == 0
    assert agglo("catalog", "release", "annuaire", "0.1.0")[0] == 0
    assert agglo("catalog", "release", "annuaire", "0.1.0")[0] == 2
    page = tree / "catalog/annuaire/0.1.0/docs/fr.md"
    page.write_text(page.read_text() + "\nPlus.\n")
    code, out, _ = agglo("catalog", "lint", "annuaire")
    assert (code, "[released-is-immutable]" in out) == (1, True)
    assert agglo("catalog", "withdraw", "annuaire", "0.1.0", "--why-fr", "Une faille.", "--why-en", "A hole.")[0] == 0
    assert "annuaire 0.1.0 est retirée : Une faille." in agglo("request", "check")[1]
    assert agglo("explain", "schiltigheim/portal")[0] == 0


def test_a_draft_that_breaks_rules_is_not_released(agglo: Run, tree: Path) -> None:
    agglo("catalog", "new-version", "portal", "1.2.0", "--from", "1.0.0")
    code, _, err = agglo("catalog", "release", "portal", "1.2.0")
    assert code == 4
    assert "it stays a draft" in err
    assert "changelog-has-an-entry" in agglo("catalog", "lint", "portal")[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("catalog", "new-service", "portal"), "portal is in the catalogue already"),
        (("catalog", "new-service", "Été"), "is not a name"),
        (("catalog", "new-service", "a--b"), "is not a name"),
        (("catalog", "new-version", "portal", "1.0.0"), "1.0.0 is not newer than 1.1.0"),
        (("catalog", "new-version", "portal", "two"), "'two' is not a version"),
        (("catalog", "new-version", "portal", "1.1.0", "--from", "1.0.0"), "portal 1.1.0 is there already"),
        (("catalog", "lint", "--rule", "examples-rendr"), "did you mean 'examples-render'?"),
        (("catalog", "lint", "potal"), "did you mean 'portal'?"),
        (("catalog", "diff", "portal", "1.0.0", "3.0.0"), "portal has no version 3.0.0"),
        (("catalog", "deprecate", "portal", "1.1.0", "--why-fr", "x", "--why-en", "x"), "is a draft"),
        (("request", "status", "bischheim/portal"), "nobody asked for bischheim/portal"),
        (("request", "upgrade", "schiltigheim/portal", "7.0.0"), "portal has no version 7.0.0"),
        (("gdpr", "register", "nowhere"), "there is no commune 'nowhere'"),
        (("specificity", "bischheim/portal"), "nobody asked for bischheim/portal"),
    ],
)
def test_wrong_words_are_one_error_with_a_next_command(agglo: Run, arguments: tuple[str, ...], message: str) -> None:
    code, out, err = agglo(*arguments)
    assert code == 2
    assert message in err
    assert "try:" in err
    assert out == ""


def test_the_register_needs_no_cloud(agglo: Run) -> None:
    code, out, _ = agglo("gdpr", "register", "schiltigheim")
    assert code == 0
    assert out.startswith("# Registre des activités de traitement")
    assert json.loads(agglo("gdpr", "register", "schiltigheim", "--json")[1])["services"] == []


def test_specificity_speaks_both_languages(agglo: Run, tree: Path) -> None:
    ask(tree, PLACE, "portal", version="1.0.0", values={"theme": {"accent": "#8a1538"}})
    assert "Of 24 values in 2 instances, 1 differ" in agglo("specificity")[1]
    assert "Sur 24 valeurs de 2 instance(s), 1 diffère(nt)" in agglo("specificity", "--lang", "fr")[1]
    assert (
        "67043-bischheim     1          12      1       0      91.7 %     theme.accent (1)" in agglo("specificity")[1]
    )
    data = json.loads(agglo("specificity", "bischheim", "--json")[1])
    assert data["instances"][0]["overrides"][0]["why"] is None
