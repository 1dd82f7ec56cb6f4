"""The whole path on an embedded cloud of its own: up, apply, verify, faults, destroy, reset. Nothing here is a fake."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import requests

from agglo.adapters.connection import connect, read_env_file
from agglo.adapters.vault import HvacVault
from agglo_devcloud import install, processes, vault
from tests.integration.conftest import NAME, Cloud, leftovers

pytestmark = pytest.mark.integration
PORTAL = "schiltigheim/portal"


def test_the_portal_is_served_through_the_edge_with_a_trusted_certificate(cloud: Cloud) -> None:
    (row,) = json.loads(cloud.done("status", "--json"))["instances"]
    assert (row["service"], row["version"]) == ("portal", "1.0.0")
    assert row["verified"].startswith("yes")
    assert row["url"] == f"https://portail.schiltigheim.agglo.localhost:{cloud.layout.port('edge')}"
    assert "Bienvenue à Schiltigheim" in cloud.page()


def test_a_second_apply_does_nothing_and_says_so(cloud: Cloud) -> None:
    before = {p: p.stat().st_mtime_ns for p in cloud.state.rglob("*") if p.is_file() and "locks" not in p.parts}
    assert cloud.done("apply", "schiltigheim", "--yes").startswith("Nothing to do")
    after = {p: p.stat().st_mtime_ns for p in cloud.state.rglob("*") if p.is_file() and "locks" not in p.parts}
    assert before == after
    assert cloud.agglo("plan", "schiltigheim", "--detailed-exitcode").returncode == 0


def test_forced_engine_and_playbooks_change_nothing(cloud: Cloud) -> None:
    cloud.done("apply", "schiltigheim", "--yes", "--force")
    records = [json.loads(p.read_text()) for p in (cloud.state / "records").glob("*/*.json")]
    assert {r["stack"]: r["engine"]["changes"] for r in records} == {r["stack"]: {} for r in records}
    changed = {name: guest["changed"] for r in records for name, guest in r.get("guests", {}).items()}
    assert changed == {"bastion": 0, "edge-1": 0, "edge-2": 0, "ops": 0, "schiltigheim-portal": 0}


def test_no_secret_is_written_anywhere(cloud: Cloud) -> None:
    """The secrets of this very apply are the canaries: searched in state, runs, guests' files and the process table."""
    environment = read_env_file(cloud.layout.connection_env)
    token = Path(environment["AGGLO_VAULT_TOKEN_FILE"]).read_text().strip()
    canaries = [token]
    for path in ("portal/admin_password", "cloud/credential"):
        data = _commune_secret(cloud, environment, path)
        canaries += [value for key, value in data.items() if key in ("value", "secret")]
    assert len(canaries) == 3
    assert all(len(canary) >= 20 for canary in canaries)
    places = [cloud.state, cloud.root, cloud.layout.log, *(cloud.layout.run / "nova" / "instances").glob("*/upper")]
    found = [path for place in places for path in _files(place) if _holds(path, canaries)]
    assert found == []
    assert [pid for pid in Path("/proc").glob("[0-9]*") if _holds(pid / "cmdline", canaries)] == []


def test_a_changed_value_configures_one_guest_and_starts_no_engine(cloud: Cloud) -> None:
    request = cloud.root / "stacks/communes/67447-schiltigheim/portal.yaml"
    request.write_text("service: portal\nversion: 1.0.0\nvalues:\n  tagline: Bienvenue à Schilick.\n")
    planned = json.loads(cloud.done("plan", "schiltigheim", "--json"))
    pending = {c["title"]: (c["action"], c["guests"]) for c in planned["changes"] if c["action"] != "unchanged"}
    assert pending == {"67447-schiltigheim/portal": ("configure", ["schiltigheim-portal"])}
    history = cloud.state / "pulumi/.pulumi/history/instance/67447-portal"
    before = sorted(history.iterdir())
    cloud.done("apply", PORTAL, "--yes")
    assert sorted(history.iterdir()) == before
    assert "Bienvenue à Schilick." in cloud.page()


def test_a_cloud_that_points_nowhere_is_one_error(cloud: Cloud, tmp_path: Path) -> None:
    clouds = cloud.layout.clouds_yaml.read_text().replace(f":{cloud.layout.port('keystone')}", ":1")
    (tmp_path / "clouds.yaml").write_text(clouds)
    environment = {
        **read_env_file(cloud.layout.connection_env),
        "OS_CLIENT_CONFIG_FILE": str(tmp_path / "clouds.yaml"),
        "AGGLO_STATE": str(tmp_path / "state"),
    }
    result = cloud.agglo("apply", "metro", "--yes", environment=environment)
    assert result.returncode == 1
    assert "the cloud does not answer" in result.stderr
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "state" / "records").exists()


def test_a_sealed_vault_is_one_error_and_up_unseals_it(cloud: Cloud) -> None:
    _seal(cloud)
    result = cloud.agglo("apply", "schiltigheim", "--yes")
    assert result.returncode == 1
    assert "sealed" in result.stderr
    assert "agglo dev up" in result.stderr
    cloud.done("dev", "up", "--name", NAME)
    assert cloud.done("apply", "schiltigheim", "--yes").startswith("Nothing to do")


def test_a_guest_that_fails_its_checks_is_told(cloud: Cloud) -> None:
    portal = cloud.inside(cloud.record("instance/67447-portal")["outputs"]["server"])
    portal.run("systemctl", "stop", "nginx")
    result = cloud.agglo("verify", "schiltigheim")
    assert result.returncode == 5
    assert "test_nginx_runs_and_is_enabled" in result.stderr
    portal.run("systemctl", "start", "nginx")
    cloud.done("verify", "schiltigheim")


def test_the_cloud_comes_back_with_its_servers(cloud: Cloud) -> None:
    cloud.done("dev", "down", "--name", NAME)
    assert leftovers(cloud.layout) == []
    cloud.done("dev", "up", "--name", NAME)
    cloud.done("verify", "schiltigheim")


def _commune_secret(cloud: Cloud, environment: dict[str, str], path: str) -> dict[str, str]:
    """A secret as only the test reads it: with a token of the commune's own."""
    token = HvacVault(connect(environment, cloud.state)).commune_token("67447")
    answer = requests.get(
        f"{environment['VAULT_ADDR']}/v1/kv/data/communes/67447/{path}",
        headers={"X-Vault-Token": token}, verify=environment["VAULT_CACERT"], timeout=10,
    )  # fmt: skip
    answer.raise_for_status()
    data: dict[str, str] = answer.json()["data"]["data"]
    return data


def _files(place: Path) -> list[Path]:
    return [p for p in place.rglob("*") if p.is_file() and not p.is_symlink()]


def _holds(path: Path, canaries: list[str]) -> bool:
    try:
        content = path.read_bytes()
    except OSError:
        return False
    return any(canary.encode() in content for canary in canaries)


def _seal(cloud: Cloud) -> None:
    """Start the Vault again without its key: it comes up sealed."""
    parts = install.installed()
    assert parts
    vault.stop(cloud.layout)
    command = [parts.bao, "server", f"-config={cloud.layout.vault_dir / 'openbao.json'}"]
    started = processes.spawn(cloud.layout, vault.NAME, command, netns=cloud.layout.external_netns)
    health = f"{cloud.layout.vault_address}/v1/sys/health"

    def sealed() -> bool:
        return requests.get(health, verify=str(cloud.layout.vault_dir / "ca.pem"), timeout=5).status_code == 503

    processes.wait_for(sealed, "a sealed Vault", timeout=30, process=started)
