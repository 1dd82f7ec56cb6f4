"""Communes join and leave: what is written, what is refused, what goes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agglo import workflow
from agglo.adapters.files import load_project
from agglo.adapters.protocols import Content
from agglo.commune import propose_slug
from agglo.plan import Action
from agglo.project import Project
from agglo.stack import Kind, StackId, commune_target, make_spec
from agglo.testing import Fakes, make_fakes
from agglo.world import World
from agglo_cli import main as cli_main
from agglo_cli.session import Session
from tests.trees import metropolis, write

Run = Callable[..., tuple[int, str, str]]
BRUMATH = (
    "commune", "add", "Brumath", "--insee", "67067", "--siren", "216700674", "--postal-code", "67170",
    "--population", "10214",
)  # fmt: skip
FILE = "stacks/communes/67067-brumath/commune.yaml"
ZONE = StackId(Kind.COMMUNE, "67447")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return metropolis(tmp_path)


@pytest.fixture
def fakes(tree: Path) -> Fakes:
    return make_fakes(load_project(tree))


@pytest.fixture
def agglo(tree: Path, fakes: Fakes, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command line in this process, on the files as they are: exit code, stdout, stderr."""

    def world(session: Session, selector: str | None = None, workers: int | None = None) -> World:
        return replace(fakes.world, project=session.project)

    monkeypatch.setattr(Session, "world", world)
    monkeypatch.setattr(Session, "records", fakes.records)
    monkeypatch.setenv("AGGLO_ROOT", str(tree))

    def run(*arguments: str) -> tuple[int, str, str]:
        code = cli_main.run(arguments)
        out, err = capsys.readouterr()
        return code, out, err

    return run


def test_a_slug_is_made_from_a_name_as_all_communes_have_it(project: Project) -> None:
    assert {propose_slug(c.name): c.slug for c in project.communes.values()} == {
        c.slug: c.slug for c in project.communes.values()
    }
    assert propose_slug("L’Haÿ-les-Roses") == "l-hay-les-roses"
    assert propose_slug("Œting & Straße") == "oeting-strasse"


def test_a_commune_joins_by_options(agglo: Run, tree: Path) -> None:
    code, out, _ = agglo(*BRUMATH, "--vintage", "2022", "--cog", "2025")
    assert code == 0
    assert out.splitlines()[0] == f"Written: {FILE} (class M)"
    assert "agglo plan brumath" in out
    assert (tree / FILE).read_text() == (
        'insee: "67067"\nslug: brumath\nname: Brumath\nsiren: "216700674"\npostal_codes: ["67170"]\n'
        "population: {count: 10214, kind: municipale, vintage: 2022}\ncog: 2025\nvalues: {}\n"
    )
    assert load_project(tree).communes["67067"].population.vintage == 2022
    assert "Brumath" in agglo("commune", "list")[1]


def test_a_name_that_yaml_would_read_otherwise_is_quoted(agglo: Run, tree: Path) -> None:
    assert agglo("commune", "add", "On: #1", "--slug", "no", *BRUMATH[3:])[0] == 0
    commune = load_project(tree).communes["67067"]
    assert (commune.name, commune.slug) == ("On: #1", "no")


def test_questions_are_asked_for_what_no_option_says(agglo: Run, tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def prompt(text: str, default: str | None = None, **_: Any) -> str:
        asked.append(text)
        return {"SIREN": "216700674", "Inhabitants": "10214"}.get(text, default or "")

    monkeypatch.setattr("agglo_cli.join.is_terminal", lambda: True)
    monkeypatch.setattr("click.prompt", prompt)
    assert agglo("commune", "add", "Brumath", "--insee", "67067", "--postal-code", "67170")[0] == 0
    assert [text.split(" (")[0] for text in asked] == [
        "SIREN", "Inhabitants", "Which of INSEE's populations that is", "The year of that figure",
        "The year of the Code officiel géographique", "Its name in addresses",
    ]  # fmt: skip
    assert load_project(tree).communes["67067"].slug == "brumath"


def test_all_that_is_wrong_is_said_at_once_and_nothing_is_written(agglo: Run, tree: Path) -> None:
    code, _, err = agglo(
        "commune", "add", "Strasbourg", "--insee", "67447", "--siren", "123456789", "--population", "many", "--cog", "7"
    )
    assert code == 2
    for words in (
        "siren: '123456789' is not a SIREN", "postal_codes: is missing", "population.count: ", "cog: ",
        "insee: 67447 is Schiltigheim's already", "slug: strasbourg is Strasbourg's already",
    ):  # fmt: skip
        assert words in err
    assert "nothing was written" in err
    assert not list(tree.glob("stacks/communes/67447-strasbourg"))
    code, _, err = agglo("commune", "add")
    assert (code, err.count("is missing")) == (2, 6)


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--siren", "246700488", "siren: 246700488 is Eurométropole de Strasbourg's already"),
        ("--slug", "eurometropole", "slug: eurometropole is Eurométropole de Strasbourg's already"),
        ("--siren", "216704478", "siren: 216704478 is Schiltigheim's already"),
        ("--insee", "67170", "insee 67170 does not go with siren 216700674"),
        ("--slug", "../x", "slug: '../x' is not a slug"),
    ],
)
def test_a_commune_is_refused_that_is_another(agglo: Run, option: str, value: str, message: str) -> None:
    code, _, err = agglo(*BRUMATH, option, value)
    assert code == 2
    assert message in err


def test_the_reader_refuses_the_same_slug_twice(agglo: Run, tree: Path) -> None:
    agglo(*BRUMATH)
    text = (tree / FILE).read_text().replace("67067", "67068").replace("216700674", "216700682")
    write(tree, {"stacks/communes/67068-brumath/commune.yaml": text})
    code, _, err = agglo("commune", "list")
    assert code == 2
    assert "commune.yaml:2: slug: brumath is Brumath's already" in err


def test_a_class_of_its_own_needs_a_reason_and_is_shown_everywhere(agglo: Run, tree: Path) -> None:
    path = tree / "stacks/communes/67001-achenheim/commune.yaml"
    text = path.read_text()
    path.write_text(f"{text}quota_class: {{class: L}}\n")
    assert "quota_class.why: is missing" in agglo("commune", "list")[2]
    path.write_text(f"{text}quota_class: {{class: Q, why: Médiathèque}}\n")
    assert "quota_class.class: 'Q' is not one of S, M, L, XL" in agglo("commune", "list")[2]
    path.write_text(f"{text}quota_class: {{class: L, why: Médiathèque du canton}}\n")
    assert "L (instead of S)" in agglo("commune", "list")[1]
    assert "class L (instead of S): Médiathèque du canton" in agglo("commune", "show", "achenheim")[1]
    assert '"class": "L"' in agglo("commune", "show", "achenheim", "--json")[1]
    assert "is not there yet; class L instead of S: Médiathèque du canton" in agglo("plan", "achenheim")[1]


def test_what_is_known_of_a_commune_is_on_its_project(project: Project, fakes: Fakes) -> None:
    known = project.communes["67447"]
    dated = known.model_copy(update={"cog": 2025, "population": known.population.model_copy(update={"vintage": 2022})})
    outputs = {StackId(Kind.METRO, "RegionOne"): {"domain": "d", "transit_network": "x"}}
    tags = [
        make_spec(project, fakes.world.site(), commune_target(commune), outputs).inputs["tags"]
        for commune in (known, dated)
    ]
    assert tags == [
        ["insee=67447", "siren=216704478", "population=34382"],
        ["insee=67447", "cog=2025", "siren=216704478", "population=34382", "population_vintage=2022"],
    ]


def applied(fakes: Fakes, *, portal: bool = False) -> None:
    """Schiltigheim's landing zone, with its portal or without."""
    workflow.apply(fakes.world, "schiltigheim", lambda _: True)
    if not portal:
        workflow.destroy(fakes.world, "schiltigheim/portal", lambda _: True)
        (fakes.world.project.root / "stacks/communes/67447-schiltigheim/portal.yaml").unlink()


def inside(fakes: Fakes, *contents: Content) -> None:
    fakes.cloud.inside["project-67447"] = list(contents)


def test_a_commune_leaves_with_its_files(agglo: Run, fakes: Fakes, tree: Path) -> None:
    applied(fakes)
    code, out, _ = agglo("commune", "remove", "schiltigheim", "--yes")
    assert code == 0
    assert "67447-schiltigheim  destroyed" in out
    assert "git rm -r stacks/communes/67447-schiltigheim" in out
    assert ZONE not in fakes.records.kept
    assert "67447" not in fakes.vault.zones
    code, out, _ = agglo("commune", "remove", "schiltigheim", "--yes", "--delete-files")
    assert (code, out.splitlines()[-1]) == (0, "Deleted: stacks/communes/67447-schiltigheim; commit that.")
    assert len(load_project(tree).communes) == 32


def test_a_commune_that_has_anything_stays_and_all_of_it_is_said(agglo: Run, fakes: Fakes, tree: Path) -> None:
    applied(fakes, portal=True)
    write(tree, {"stacks/groups/north.yaml": "summary: North\nmembers: [schiltigheim]\n"})
    inside(fakes, Content("server", "stray"), Content("volume", "accounts", data=True))
    before = list(fakes.engine.runs)
    code, _, err = agglo("commune", "remove", "schiltigheim", "--yes", "--delete-files")
    assert code == 4
    for words in (
        "stacks/groups/north.yaml names it", "67447-schiltigheim/portal.yaml asks for a service",
        "67447-schiltigheim/portal is recorded", "its project is not empty: server stray",
        "no backup is recorded (agglo makes none yet): volume accounts", "openstack volume delete",
        "agglo destroy 67447-schiltigheim/portal",
    ):  # fmt: skip
        assert words in err
    assert fakes.engine.runs == before
    assert (tree / "stacks/communes/67447-schiltigheim/commune.yaml").is_file()


def test_purge_takes_instances_and_strays_when_the_name_is_said(agglo: Run, fakes: Fakes) -> None:
    applied(fakes, portal=True)
    inside(fakes, Content("server", "stray"))
    before = list(fakes.engine.runs)
    assert "there is no terminal to type the name on" in agglo("commune", "remove", "67447", "--purge", "--yes")[2]
    code, _, err = agglo("commune", "remove", "67447", "--purge", "--confirm", "Bischheim")
    assert (code, "not the commune's name" in err) == (2, True)
    assert fakes.engine.runs == before
    code, out, _ = agglo("commune", "remove", "67447", "--purge", "--confirm", "Schiltigheim", "--delete-files")
    assert code == 0
    assert "2 stacks: 2 destroyed" in out
    assert fakes.cloud.inside["project-67447"] == []
    assert [stack.kind for stack in fakes.records.kept] == [Kind.METRO]


def test_purge_stops_at_data(agglo: Run, fakes: Fakes) -> None:
    applied(fakes, portal=True)
    inside(fakes, Content("container", "archives", data=True))
    code, _, err = agglo("commune", "remove", "67447", "--purge", "--confirm", "Schiltigheim")
    assert code == 4
    assert "container archives" in err
    assert ZONE in fakes.records.kept


def test_data_that_come_while_the_question_is_asked_are_seen(
    agglo: Run, fakes: Fakes, monkeypatch: pytest.MonkeyPatch
) -> None:
    applied(fakes)

    def answer(*_: object, **__: object) -> str:
        inside(fakes, Content("volume", "late", data=True))
        return "Schiltigheim"

    monkeypatch.setattr("agglo_cli.join.is_terminal", lambda: True)
    monkeypatch.setattr("click.prompt", answer)
    assert agglo("commune", "remove", "67447", "--purge")[0] == 4
    assert ZONE in fakes.records.kept


def test_a_landing_zone_that_cannot_go_keeps_the_files(agglo: Run, fakes: Fakes, tree: Path) -> None:
    applied(fakes)
    fakes.engine.fail_on = ZONE
    code, out, _ = agglo("commune", "remove", "schiltigheim", "--yes", "--delete-files")
    assert code == 1
    assert "network is in use" in out
    assert (tree / "stacks/communes/67447-schiltigheim/commune.yaml").is_file()
    fakes.engine.fail_on = None
    assert agglo("commune", "remove", "schiltigheim", "--yes", "--delete-files")[0] == 0


def test_the_metropolis_does_not_leave(agglo: Run) -> None:
    assert "is the metropolis" in agglo("commune", "remove", "eurometropole", "--yes")[2]


def test_a_commune_that_joins_has_a_landing_zone_at_the_next_apply(agglo: Run, fakes: Fakes, tree: Path) -> None:
    agglo(*BRUMATH)
    planned = workflow.plan(replace(fakes.world, project=load_project(tree)), "brumath")
    assert [c.action for c in planned.changes if c.title == "67067-brumath"] == [Action.CREATE]
