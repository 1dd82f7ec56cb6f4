"""The command line on fakes: answers, exit codes, errors; and its help, which the docs must name."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import click
import pytest

from agglo.adapters.connection import Connection
from agglo.project import Project
from agglo.stack import Kind, StackId
from agglo.testing import Fakes, make_fakes
from agglo_cli import main as cli_main
from agglo_cli.session import Session

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def fakes(project: Project) -> Fakes:
    return make_fakes(project)


@pytest.fixture
def agglo(
    fakes: Fakes, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    """Run the command line in this process: exit code, stdout, stderr."""
    connection = Connection(
        cloud="fake", clouds_yaml=None, vault="https://vault.example", vault_ca=None, vault_token_file=None,
        image=None, acme_directory="", ca=None, state=tmp_path, edge="127.0.0.1:8443",
    )  # fmt: skip
    monkeypatch.setattr(Session, "world", lambda self: fakes.world)
    monkeypatch.setattr(Session, "records", fakes.records)
    monkeypatch.setattr(Session, "connection", connection)
    monkeypatch.setenv("AGGLO_ROOT", str(root))

    def run(*arguments: str) -> tuple[int, str, str]:
        code = cli_main.run(arguments)
        out, err = capsys.readouterr()
        return code, out, err

    return run


def test_apply_ends_with_the_table(agglo: Run) -> None:
    code, out, _ = agglo("apply", "schiltigheim", "--yes")
    assert code == 0
    assert "https://portail.schiltigheim.agglo.localhost:8443" in out
    assert "yes, 3 checks" in out


def test_a_second_apply_says_that_there_is_nothing_to_do(agglo: Run) -> None:
    agglo("apply", "schiltigheim", "--yes")
    code, out, _ = agglo("apply", "schiltigheim", "--yes")
    assert code == 0
    assert out.startswith("Nothing to do")


def test_apply_without_a_terminal_needs_yes(agglo: Run, fakes: Fakes) -> None:
    code, _, err = agglo("apply", "schiltigheim")
    assert code == 2
    assert "agglo apply … --yes" in err
    assert fakes.engine.runs == []


def test_plan_tells_pending_changes_by_its_exit_code(agglo: Run) -> None:
    assert agglo("plan", "schiltigheim", "--detailed-exitcode")[0] == 3
    agglo("apply", "schiltigheim", "--yes")
    assert agglo("plan", "schiltigheim", "--detailed-exitcode")[0] == 0


def test_plan_as_json_is_sorted_and_saved(agglo: Run, tmp_path: Path) -> None:
    saved = tmp_path / "plan.json"
    _, out, _ = agglo("plan", "schiltigheim", "--json", "-o", str(saved))
    assert json.loads(out) == json.loads(saved.read_text())
    assert [c["title"] for c in json.loads(out)["changes"]] == [
        "metro", "67447-schiltigheim", "67447-schiltigheim/portal",
    ]  # fmt: skip


def test_what_is_not_verified_has_an_exit_code_of_its_own(agglo: Run, fakes: Fakes) -> None:
    fakes.checks.failing.add(StackId(Kind.INSTANCE, "67447-portal"))
    code, _, err = agglo("apply", "schiltigheim", "--yes")
    assert code == 5
    assert "nginx: is down" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("apply", "schiltigeim"), "did you mean 'schiltigheim'?"),
        (("apply", "schiltigheim/portail"), "did you mean 'portal'?"),
        (("apply", "bischheim/portal"), "nobody asked for bischheim/portal"),
        (("destroy",), "say what to destroy"),
        (("explain", "schiltigheim/portal", "nothing"), "has no value 'nothing'"),
        (("catalog", "show", "portal", "9.0.0"), "portal has no version 9.0.0"),
        (("frobnicate",), "No such command"),
        (("--root", "/nowhere", "status"), "no stacks/metro.yaml"),
    ],
)
def test_a_wrong_word_is_one_error_with_a_next_command(agglo: Run, arguments: tuple[str, ...], message: str) -> None:
    code, out, err = agglo(*arguments)
    assert code == 2
    assert message in err
    assert "try:" in err
    assert out == ""


def test_an_interrupted_run_says_what_to_do(agglo: Run, fakes: Fakes, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(fakes.engine, "up", interrupt)
    code, _, err = agglo("apply", "schiltigheim", "--yes")
    assert code == 130
    assert "run the same command again" in err


def test_explain_names_the_line(agglo: Run) -> None:
    code, out, _ = agglo("explain", "schiltigheim/portal", "theme.accent", "--json")
    assert code == 0
    (value,) = json.loads(out).values()
    assert value["set_by"].startswith("stacks/defaults.yaml:")


def test_status_before_anything_is_applied(agglo: Run) -> None:
    code, out, _ = agglo("status")
    assert code == 0
    assert "1.0.0 (asked)" in out


def test_status_shows_what_nobody_asks_for_any_more(agglo: Run, fakes: Fakes, monkeypatch: pytest.MonkeyPatch) -> None:
    agglo("apply", "schiltigheim", "--yes")
    monkeypatch.setattr(Session, "project", replace(fakes.world.project, requests={}))
    assert "1.0.0 (no longer asked for)" in agglo("status")[1]


def test_communes_are_listed(agglo: Run) -> None:
    _, out, _ = agglo("commune", "list", "--json")
    assert len(json.loads(out)) == 33
    assert "34382 inhabitants" in agglo("commune", "show", "67447")[1]


def test_the_catalogue_speaks_french_and_english(agglo: Run) -> None:
    assert "Le portail de la commune" in agglo("catalog", "list")[1]
    assert "The commune's portal" in agglo("catalog", "list", "--lang", "en")[1]
    assert "Phrase d’accueil" in agglo("catalog", "show", "portal")[1]


def commands(group: click.Group, prefix: str = "agglo") -> list[str]:
    found = []
    for name, command in group.commands.items():
        full = f"{prefix} {name}"
        found += commands(command, full) if isinstance(command, click.Group) else [full]
    return found


@pytest.mark.parametrize("command", commands(cli_main.cli))
def test_every_command_has_help(agglo: Run, command: str) -> None:
    code, out, _ = agglo(*command.split()[1:], "--help")
    assert code == 0
    assert len(out.splitlines()) > 4


def test_every_command_is_in_the_reference(root: Path) -> None:
    text = (root / "docs" / "cli.md").read_text()
    assert [c for c in commands(cli_main.cli) if f"## `{c}`" not in text] == []
