"""Services on the embedded cloud: a version tried by one commune, migrated, released, and shared by others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.docs.guide import connected, copy_project, follow
from tests.integration.conftest import NAME, Cloud

pytestmark = pytest.mark.integration
SCHILTIGHEIM = "portail.schiltigheim.agglo.localhost"
ACHENHEIM = "portail.achenheim.agglo.localhost"
BISCHHEIM = "portail.bischheim.agglo.localhost"


def test_the_authors_guide_works_on_the_cloud(cloud: Cloud, root: Path, tmp_path: Path) -> None:
    """Every block of docs/authoring.md: a service is written, applied, released, changed, and its data migrated."""
    copy = copy_project(root, tmp_path)
    done = follow(root / "docs" / "authoring.md", copy, connected(copy, NAME), cloud=True)
    assert sum(step.cloud for step in done) >= 3
    record = cloud.record("instance/67447-annuaire")
    assert record["configured"] == "0.2.0"
    assert record["migrations"] == ["0.2.0/0001-contacts-csv"]
    Cloud(cloud.layout, copy).done("destroy", "schiltigheim/annuaire", "--yes")


def test_a_draft_is_tried_by_one_commune_and_its_migration_runs_once(cloud: Cloud) -> None:
    cloud.done("request", "upgrade", "schiltigheim/portal", "1.1.0")
    planned = json.loads(cloud.done("plan", "schiltigheim/portal", "--json"))
    (change,) = [c for c in planned["changes"] if c["action"] != "unchanged"]
    assert change["action"] == "configure"
    assert change["migrations"] == ["1.1.0/0001-sites"]
    cloud.done("apply", "schiltigheim/portal", "--yes")
    record = cloud.record("instance/67447-portal")
    assert (record["configured"], record["migrations"]) == ("1.1.0", ["1.1.0/0001-sites"])
    assert "Bienvenue à Schiltigheim" in cloud.page()
    assert "Agenda" in cloud.page(path="/agenda.html")
    assert cloud.done("apply", "schiltigheim/portal", "--yes").startswith("Nothing to do")
    assert "configurée en version 1.1.0" in cloud.done("request", "status", "schiltigheim/portal")


def test_a_downgrade_is_refused_with_the_command_to_use(cloud: Cloud) -> None:
    request = cloud.root / "stacks/communes/67447-schiltigheim/portal.yaml"
    before = request.read_text()
    request.write_text(before.replace("1.1.0", "1.0.0"))
    result = cloud.agglo("apply", "schiltigheim/portal", "--yes")
    assert result.returncode == 4
    assert "is at 1.1.0; 1.0.0 is older" in result.stderr
    assert "agglo request upgrade 67447-schiltigheim/portal 1.1.0" in result.stderr
    assert cloud.agglo("request", "upgrade", "schiltigheim/portal", "1.0.0").returncode == 4
    request.write_text(before)
    assert cloud.done("apply", "schiltigheim/portal", "--yes").startswith("Nothing to do")


def test_a_released_version_is_shared_by_communes_that_have_no_server(cloud: Cloud) -> None:
    cloud.done("catalog", "release", "portal", "1.1.0")
    cloud.done("request", "new", "eurometropole", "portal", "--tenancy", "shared", "--version", "1.1.0")
    cloud.done(
        "request", "new", "achenheim", "portal", "--set", "tagline=Bonjour d’Achenheim.", "--why", "tagline=Accueil"
    )
    cloud.done("request", "new", "bischheim", "portal", "--set", "tagline=Bonjour de Bischheim.")
    servers = _servers(cloud)
    cloud.done("apply", "achenheim/portal", "--yes")
    cloud.done("apply", "bischheim/portal", "--yes")
    assert _servers(cloud) == servers + 1
    assert "Bonjour d’Achenheim." in cloud.page(ACHENHEIM)
    assert "Bonjour de Bischheim." in cloud.page(BISCHHEIM)
    assert "Achenheim" not in cloud.page(BISCHHEIM)
    assert cloud.done("apply", "*/portal", "--yes").startswith("Nothing to do")
    register = cloud.done("gdpr", "register", "achenheim")
    assert "Responsable de traitement : Commune : Achenheim, SIREN 216700013" in register
    assert "## portal 1.1.0" in register


def test_one_member_changes_a_value_and_the_others_stay(cloud: Cloud) -> None:
    request = cloud.root / "stacks/communes/67001-achenheim/portal.yaml"
    data = YAML().load(request.read_text())
    data["values"]["tagline"] = "Achenheim a changé."
    with request.open("w") as file:
        YAML().dump(data, file)
    cloud.done("apply", "achenheim/portal", "--yes")
    assert "Achenheim a changé." in cloud.page(ACHENHEIM)
    assert "Bonjour de Bischheim." in cloud.page(BISCHHEIM)


def test_a_shared_instance_stays_while_communes_use_it(cloud: Cloud) -> None:
    result = cloud.agglo("destroy", "eurometropole/portal", "--yes")
    assert result.returncode == 2
    assert "67001-achenheim/portal, 67043-bischheim/portal need what would be destroyed" in result.stderr
    cloud.done("destroy", "bischheim/portal", "--yes")
    (cloud.root / "stacks/communes/67043-bischheim/portal.yaml").unlink()
    cloud.done("apply", "achenheim/portal", "--yes")
    assert "Achenheim a changé." in cloud.page(ACHENHEIM)


def _servers(cloud: Cloud) -> int:
    """Guests of the cloud."""
    return len(json.loads(cloud.done("dev", "status", "--name", NAME, "--json"))["guests"])
