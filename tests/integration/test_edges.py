"""The edges on the embedded cloud: one fails and another takes over, runs side by side, communes' own names."""

from __future__ import annotations

import json
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from agglo_devcloud import processes
from tests.integration.conftest import Cloud, wait_until
from tests.integration.edges import Visits, holders, visiting

pytestmark = [
    pytest.mark.integration,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::PendingDeprecationWarning"),
]
VIP = "100.64.0.20"
HOST = "portail.schiltigheim.agglo.localhost"
REQUEST = "stacks/communes/67447-schiltigheim/portal.yaml"


@pytest.fixture(scope="module")
def servers(cloud: Cloud) -> dict[str, str]:
    """Ids of the edges' servers by name."""
    found: dict[str, str] = cloud.record("metro/RegionOne")["outputs"]["edge_servers"]
    return found


def holder(cloud: Cloud, servers: dict[str, str]) -> str:
    (name,) = holders(cloud.layout, servers, VIP)
    return name


def others_take_over(cloud: Cloud, servers: dict[str, str], before: str) -> bool:
    return holders(cloud.layout, servers, VIP) not in ([], [before])


def report(what: str, visits: Visits) -> None:
    print(f"{what}: {visits}")


def test_edges_stand_on_different_hosts(servers: dict[str, str], operator: Any) -> None:
    hosts = {operator.compute.get_server(server).hypervisor_hostname for server in servers.values()}
    assert len(hosts) == 2


def test_another_edge_takes_over_when_haproxy_stops(cloud: Cloud, servers: dict[str, str]) -> None:
    name = holder(cloud, servers)
    with visiting(cloud.layout, HOST) as visits:
        wait_until(lambda: visits.recovered)
        cloud.inside(servers[name]).run("systemctl", "stop", "haproxy")
        wait_until(lambda: others_take_over(cloud, servers, name) and visits.recovered)
    report("HAProxy stopped", visits)
    with visiting(cloud.layout, HOST) as back:
        cloud.inside(servers[name]).run("systemctl", "start", "haproxy")
        time.sleep(5)
    report("HAProxy started again", back)
    assert back.lost == 0
    assert holder(cloud, servers) != name


def test_another_edge_takes_over_when_a_server_is_stopped(cloud: Cloud, servers: dict[str, str], operator: Any) -> None:
    name = holder(cloud, servers)
    with visiting(cloud.layout, HOST) as visits:
        wait_until(lambda: visits.recovered)
        operator.compute.stop_server(servers[name])
        wait_until(lambda: operator.compute.get_server(servers[name]).status == "SHUTOFF")
        wait_until(lambda: others_take_over(cloud, servers, name) and visits.recovered)
    report("server stopped through Nova", visits)
    with visiting(cloud.layout, HOST) as back:
        operator.compute.start_server(servers[name])
        wait_until(lambda: operator.compute.get_server(servers[name]).status == "ACTIVE")
        time.sleep(5)
    report("server started again", back)
    assert back.lost == 0


def test_another_edge_takes_over_when_a_host_dies(cloud: Cloud, servers: dict[str, str], operator: Any) -> None:
    """All of its processes are killed at once: nobody says goodbye."""
    name = holder(cloud, servers)
    guest = processes.find(cloud.layout, f"guest-{servers[name]}")
    assert guest
    children = Path(f"/proc/{guest.pid}/task/{guest.pid}/children").read_text().split()
    with visiting(cloud.layout, HOST) as visits:
        wait_until(lambda: visits.recovered)
        os.kill(int(children[-1]), signal.SIGKILL)
        wait_until(lambda: others_take_over(cloud, servers, name) and visits.recovered)
    report("server killed", visits)
    wait_until(lambda: operator.compute.get_server(servers[name]).status == "SHUTOFF", seconds=120)
    operator.compute.start_server(servers[name])
    wait_until(lambda: processes.find(cloud.layout, f"guest-{servers[name]}"))
    time.sleep(5)
    cloud.done("verify", "metro")


def test_runs_for_two_communes_at_once_publish_both_and_their_own_names(cloud: Cloud, operator: Any) -> None:
    """One name leads to the edges, one does not: that one has no certificate, and stops nothing."""
    zone = operator.dns.create_zone(name="schiltigheim.example.", email="hostmaster@schiltigheim.example", ttl=60)
    operator.dns.create_recordset(
        zone, name="www.schiltigheim.example.", type="CNAME", ttl=60, records=[f"{HOST}."]
    )  # fmt: skip
    operator.dns.create_recordset(
        zone, name="vieux.schiltigheim.example.", type="A", ttl=60, records=["192.0.2.7"]
    )  # fmt: skip
    (cloud.root / REQUEST).write_text(
        "service: portal\nversion: 1.0.0\ndomains: [www.schiltigheim.example, vieux.schiltigheim.example]\nvalues: {}\n"
    )
    bischheim = cloud.root / "stacks/communes/67043-bischheim/portal.yaml"
    bischheim.write_text("service: portal\nversion: 1.0.0\nvalues: {}\n")
    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(cloud.done, "apply", f"{slug}/portal", "--yes") for slug in ("bischheim", "schiltigheim")]
        said = [run.result() for run in runs]
    assert "is published as vieux.schiltigheim.example; is published as www.schiltigheim.example" in said[1]
    assert "vieux.schiltigheim.example leads to 192.0.2.7, not to 198.51.100.20" in said[1]
    assert "Bischheim" in cloud.page("portail.bischheim.agglo.localhost")
    assert "Bienvenue à Schiltigheim" in cloud.page()
    assert "Bienvenue à Schiltigheim" in cloud.page("www.schiltigheim.example")
    assert cloud.agglo("plan", "*/portal", "--detailed-exitcode").returncode == 0
    checked = cloud.agglo("domain", "check", "schiltigheim")
    assert checked.returncode == 3
    assert "certificat jusqu’au" in checked.stdout
    assert f"    vieux.schiltigheim.example. 3600 IN CNAME {HOST}." in checked.stdout
    rows = json.loads(cloud.agglo("domain", "check", "schiltigheim", "--json").stdout)["domains"]
    assert {row["name"]: (row["leads_here"], bool(row["certificate_until"])) for row in rows} == {
        "www.schiltigheim.example": (True, True),
        "vieux.schiltigheim.example": (False, False),
    }
    cloud.done("verify", "schiltigheim/portal")


def test_every_edge_has_every_certificate(cloud: Cloud, servers: dict[str, str]) -> None:
    for server in servers.values():
        found = cloud.inside(server).run("ls", "/etc/haproxy/certs").split()
        assert found == [
            f"{n}.pem" for n in ("portail.bischheim.agglo.localhost", HOST, "www.schiltigheim.example")
        ]  # fmt: skip


def test_a_service_in_maintenance_says_so_and_comes_back(cloud: Cloud) -> None:
    (cloud.root / REQUEST).write_text(
        "service: portal\nversion: 1.0.0\nmaintenance: Le portail revient mardi à 8 h.\nvalues: {}\n"
    )
    planned = cloud.done("plan", "schiltigheim/portal")
    assert "is put into maintenance; is no longer published as vieux" in planned
    assert "note: 67447-schiltigheim/portal is in maintenance" in planned
    cloud.done("apply", "schiltigheim/portal", "--yes")
    answer = cloud.answer(HOST, retries=False)
    assert (answer.status, answer.headers["Retry-After"]) == (503, "600")
    assert "Le portail revient mardi à 8 h." in answer.data.decode()
    assert "in maintenance" in cloud.done("status", "schiltigheim/portal")
    assert "Bischheim" in cloud.page("portail.bischheim.agglo.localhost")
    (cloud.root / REQUEST).write_text("service: portal\nversion: 1.0.0\nvalues: {}\n")
    cloud.done("apply", "schiltigheim/portal", "--yes")
    assert "Bienvenue à Schiltigheim" in cloud.page()


def test_a_commune_leaves_without_touching_the_others(cloud: Cloud) -> None:
    cloud.done("destroy", "bischheim", "--yes")
    (cloud.root / "stacks/communes/67043-bischheim/portal.yaml").unlink()
    assert "Bienvenue à Schiltigheim" in cloud.page()
    assert cloud.done("apply", "schiltigheim", "--yes").startswith("Nothing to do")
