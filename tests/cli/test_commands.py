"""The command line on fakes: answers, exit codes, errors; and its help, which the docs must name."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from agglo.adapters.connection import Connection
from agglo.adapters.files import Reading
from agglo.project import Project
from agglo.stack import Kind, StackId
from agglo.testing import Fakes, make_fakes
from agglo_cli import main as cli_main
from agglo_cli.reference import commands, generated
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
    monkeypatch.setattr(Session, "world", lambda self, selector=None, workers=None: fakes.world)
    monkeypatch.setattr(Session, "records", fakes.records)
    monkeypatch.setattr(Session, "connection", connection)
    monkeypatch.setenv("AGGLO_ROOT", str(root))
    monkeypatch.setenv("AGGLO_EDGE_ACCESS", "127.0.0.1:8443")

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


@pytest.fixture
def wide(agglo: Run, fakes: Fakes, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bastion is open to the world."""
    metro = fakes.world.project.metro
    anywhere = metro.public.ssh_from[0].model_copy(update={"cidr": IPv4Network("0.0.0.0/0")})
    public = metro.public.model_copy(update={"ssh_from": (anywhere,)})
    project = replace(fakes.world.project, metro=metro.model_copy(update={"public": public}))
    monkeypatch.setattr(Session, "world", lambda self, selector=None, workers=None: fakes.with_project(project).world)


REFUSED = "refused: metro: bastion, port 22 from 0.0.0.0/0: wider than /16 is nobody's network"


@pytest.mark.usefixtures("wide")
def test_a_plan_tells_what_a_policy_refuses(agglo: Run) -> None:
    code, out, _ = agglo("plan", "schiltigheim")
    assert code == 0
    assert REFUSED in out
    assert agglo("plan", "schiltigheim", "--detailed-exitcode")[0] == 4
    (found,) = json.loads(agglo("plan", "schiltigheim", "--json")[1])["findings"]
    assert (found["policy"], found["where"], found["result"]) == ("no-port-open-to-the-world", "metro", "refused")


def test_what_a_policy_refuses_is_told_also_when_nothing_changes(agglo: Run, request: pytest.FixtureRequest) -> None:
    agglo("apply", "schiltigheim", "--yes")
    assert agglo("plan", "schiltigheim")[1] == "Nothing to change.\n"
    request.getfixturevalue("wide")
    assert REFUSED in agglo("plan", "schiltigheim")[1]


@pytest.mark.usefixtures("wide")
def test_apply_of_what_a_policy_refuses_has_an_exit_code_of_its_own(agglo: Run, fakes: Fakes) -> None:
    code, out, err = agglo("apply", "schiltigheim", "--yes")
    assert (code, out) == (4, "")
    assert "[no-port-open-to-the-world]" in err
    assert "agglo policy show no-port-open-to-the-world" in err
    assert fakes.engine.runs == []


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
    assert out.startswith("33 communes, 0 with a landing zone; 517386 inhabitants, 0 served.\n")
    assert "67447  Schiltigheim            L      none yet      1.0.0 asked" in out
    assert "1.0.0 (asked)" in agglo("status", "schiltigheim")[1]


def test_status_shows_what_nobody_asks_for_any_more(agglo: Run, fakes: Fakes, monkeypatch: pytest.MonkeyPatch) -> None:
    agglo("apply", "schiltigheim", "--yes")
    monkeypatch.setattr(Session, "reading", Reading(replace(fakes.world.project, requests={})))
    assert "1.0.0 no longer asked for" in agglo("status")[1]
    assert "1.0.0 (no longer asked for)" in agglo("status", "schiltigheim")[1]


def test_the_metropolis_at_a_glance(agglo: Run, tmp_path: Path) -> None:
    agglo("apply", "schiltigheim", "--yes")
    _, out, _ = agglo("status")
    assert out.splitlines()[:4] == [
        "33 communes, 1 with a landing zone; 517386 inhabitants, 34382 served.",
        "portal: 1 at 1.0.0",
        "Requests and services: 1 in service.",
        "The oldest verification is of 2026-01-01 01:00 CET.",
    ]
    assert "67447  Schiltigheim            L      ready         1.0.0 in service" in out
    answer = json.loads(agglo("status", "--json")[1])
    assert (answer["totals"]["landing_zones"], answer["totals"]["served"]) == (1, 34382)
    (row,) = (row for row in answer["communes"] if row["code"] == "67447")
    assert row["services"]["portal"]["url"] == "https://portail.schiltigheim.agglo.localhost:8443"
    assert [i["instance"] for i in answer["instances"]] == ["67447-schiltigheim/portal"]
    page = tmp_path / "status.html"
    code, out, err = agglo("status", "--html", str(page))
    assert (code, out, err) == (0, "", f"Written: {page}\n")
    assert page.read_text().startswith("<!DOCTYPE html>")
    assert agglo("status", "schiltigheim", "--html", str(page))[0] == 2


def test_an_apply_tells_what_became_of_each_stack(agglo: Run, fakes: Fakes) -> None:
    agglo("apply", "metro", "--yes")
    fakes.engine.fail_on = StackId(Kind.COMMUNE, "67043")
    code, out, err = agglo("apply", "all", "--yes")
    assert code == 1
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert any(re.fullmatch(r"67043-bischheim failed \d+ 0 commune/67043: quota exceeded", line) for line in lines)
    assert any(re.fullmatch(r"67447-schiltigheim/portal created \d+ 1 yes, 3 checks", line) for line in lines)
    assert any(line.startswith("35 stacks: 33 created, 1 configured, 1 failed; ") for line in lines)
    assert "1 stack not done; what was reached is recorded." in err
    assert "quota exceeded" not in err
    fakes.engine.fail_on = None
    answer = json.loads(agglo("apply", "all", "--yes", "--json")[1])
    happened = {r["title"]: r["happened"] for r in answer["results"]}
    assert (happened["67043-bischheim"], happened["67447-schiltigheim"]) == ("updated", "unchanged")
    assert answer["seconds"] > 0


def test_destroy_tells_what_became_of_each_stack(agglo: Run, fakes: Fakes) -> None:
    agglo("apply", "schiltigheim", "--yes")
    fakes.engine.fail_on = StackId(Kind.INSTANCE, "67447-portal")
    code, out, err = agglo("destroy", "--all", "--yes")
    assert code == 1
    assert "3 stacks: 3 failed" in out
    assert "try:   free it" in err
    fakes.engine.fail_on = None
    code, out, _ = agglo("destroy", "--all", "--yes", "--json")
    assert (code, [r["happened"] for r in json.loads(out)["results"]]) == (0, ["destroyed"] * 3)
    assert agglo("destroy", "--all", "--yes")[:2] == (0, "Nothing to destroy.\n")


def test_communes_are_listed(agglo: Run) -> None:
    _, out, _ = agglo("commune", "list", "--json")
    assert len(json.loads(out)) == 33
    assert "34382 inhabitants" in agglo("commune", "show", "67447")[1]


def test_the_catalogue_speaks_french_and_english(agglo: Run) -> None:
    assert "Le portail de la commune" in agglo("catalog", "list")[1]
    assert "The commune's portal" in agglo("catalog", "list", "--lang", "en")[1]
    assert "Phrase d’accueil" in agglo("catalog", "show", "portal")[1]


@pytest.mark.parametrize("command", [path for path, _ in commands(cli_main.cli)])
def test_every_command_has_help(agglo: Run, command: str) -> None:
    code, out, _ = agglo(*command.split()[1:], "--help")
    assert code == 0
    assert len(out.splitlines()) > 4


def test_what_is_generated_in_the_docs_is_up_to_date(root: Path) -> None:
    made = generated()
    assert len(made) > 5
    assert [name for name, text in made.items() if (root / "docs" / name).read_text("utf-8") != text] == [], "make docs"


def test_doctor_examines_the_cloud_and_ends_with_1_when_something_is_missing(agglo: Run, fakes: Fakes) -> None:
    _, out, _ = agglo("doctor")
    assert "--parallel" in out
    assert "may create domains for communes" in out
    fakes.cloud.able = fakes.cloud.able.model_copy(update={"rbac_external": False})
    code, out, _ = agglo("doctor", "--json")
    assert code == 1
    missing = [finding for finding in json.loads(out) if finding["what"] == "capabilities"]
    assert [(m["level"], m["good"]) for m in missing] == [("missing", False)]
    assert missing[0]["hint"].endswith("agglo doctor")


def test_a_plan_says_what_is_skipped_and_which_names_are_needed(agglo: Run, fakes: Fakes) -> None:
    services = {kind: service for kind, service in fakes.cloud.able.services.items() if kind != "dns"}
    fakes.cloud.able = fakes.cloud.able.model_copy(update={"services": services})
    code, out, _ = agglo("plan", "schiltigheim")
    assert code == 0
    assert "skipped: DNS zones, names and quotas: the cloud has no dns service (designate)" in out
    assert "to make by hand: portail.schiltigheim.agglo.localhost. A 198.51.100.20" in out


def test_a_cloud_that_lacks_what_is_needed_is_one_error(agglo: Run, fakes: Fakes) -> None:
    fakes.cloud.able = fakes.cloud.able.model_copy(update={"external_networks": ("ext",)})
    code, out, err = agglo("apply", "schiltigheim", "--yes")
    assert (code, out) == (1, "")
    assert "external network public: external networks are ext" in err
    assert fakes.engine.runs == []
