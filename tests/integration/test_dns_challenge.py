"""Certificates by DNS-01: edges answer challenges in the DNS, with a credential that is good for nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from agglo_devcloud.layout import DNS_API_PUBLIC_PORT, IDENTITY_PUBLIC_PORT, PUBLIC_GATEWAY
from tests.integration.conftest import Cloud, changed_metro

if TYPE_CHECKING:
    from openstack.connection import Connection

pytestmark = [pytest.mark.integration, pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")]
HOST = "portail.schiltigheim.agglo.localhost"
API = {
    "identity": f"http://{PUBLIC_GATEWAY}:{IDENTITY_PUBLIC_PORT}/v3",
    "dns": f"http://{PUBLIC_GATEWAY}:{DNS_API_PUBLIC_PORT}",
}


@pytest.fixture(scope="module")
def settings(cloud: Cloud) -> Iterator[dict[str, Any]]:
    """The metropolis answers challenges in the DNS; what an edge has for it. HTTP again afterwards."""
    with changed_metro(cloud, lambda metro: metro.update(acme={"challenge": "dns-01", "dns_api": API})):
        cloud.done("apply", "schiltigheim", "--yes")
        yield json.loads(_edge(cloud).run("cat", "/etc/dehydrated/dns.json"))
    cloud.done("apply", "schiltigheim", "--yes")


def test_a_certificate_is_had_without_answering_on_port_80(cloud: Cloud, settings: dict[str, Any]) -> None:
    edge = _edge(cloud)
    edge.run("systemctl", "stop", "agglo-acme-http")
    file = f"/var/lib/dehydrated/certs/{HOST}/cert.pem"
    before = edge.run("openssl", "x509", "-in", file, "-noout", "-serial")
    out = edge.run("dehydrated", "--cron", "--force", "--domain", HOST)
    edge.run("systemctl", "start", "agglo-acme-http")
    assert "Challenge is valid!" in out
    assert 'CHALLENGETYPE="dns-01"' in edge.run("cat", "/etc/dehydrated/conf.d/agglo.sh")
    assert edge.run("openssl", "x509", "-in", file, "-noout", "-serial") != before
    assert edge.run("/usr/local/sbin/agglo-certificates").strip() == f"deployed {HOST}"
    assert "Bienvenue à Schiltigheim" in cloud.page()


def test_the_answers_are_taken_away_again(settings: dict[str, Any], operator: Connection) -> None:
    sets = operator.dns.get(f"/zones/{settings['zone_id']}/recordsets", headers={"x-auth-all-projects": "true"}).json()
    assert {r["type"] for r in sets["recordsets"]} == {"SOA", "NS"}


def test_the_credential_is_good_for_nothing_else(cloud: Cloud, settings: dict[str, Any], operator: Connection) -> None:
    import openstack  # noqa: PLC0415

    edge = openstack.connect(
        auth_type="v3applicationcredential",
        auth={
            "auth_url": operator.config.auth["auth_url"],
            "application_credential_id": settings["id"],
            "application_credential_secret": settings["secret"],
        },
        region_name="RegionOne", load_yaml_config=False, load_envvars=False,
    )  # fmt: skip
    zones = {z.name: z.id for z in operator.dns.zones(all_projects=True)}
    assert edge.dns.get(f"/zones/{settings['zone_id']}/recordsets").status_code == 200
    other = zones["agglo.localhost."]
    assert edge.dns.get(f"/zones/{other}/recordsets").status_code == 401
    made = {"name": "intrus.agglo.localhost.", "type": "A", "records": ["192.0.2.1"]}
    assert edge.dns.post(f"/zones/{other}/recordsets", json=made).status_code == 401
    assert edge.dns.get("/zones").status_code == 401
    assert edge.compute.get("/servers").status_code == 401
    assert edge.network.get("/v2.0/networks").status_code == 401
    assert edge.image.get("/v2/images").status_code == 401
    secret = settings["secret"].encode()
    places = [p for p in cloud.state.rglob("*") if p.is_file()]
    assert [str(path) for path in places if secret in path.read_bytes()] == []


def test_the_file_is_for_root_only(cloud: Cloud, settings: dict[str, Any]) -> None:
    assert _edge(cloud).run("stat", "-c", "%U %a", "/etc/dehydrated/dns.json").strip() == "root 600"
    assert settings["challenges"] == "acme.agglo.localhost."


def _edge(cloud: Cloud) -> Any:
    outputs = cloud.record("metro/RegionOne")["outputs"]
    return cloud.inside(outputs["edge_servers"]["edge-1"])
