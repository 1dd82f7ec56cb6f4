"""What the metropolis's own services know: a function of settings and records."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from agglo import ops, workflow
from agglo.guest import lighten, ops_guest
from agglo.metro import Egress, Mail
from agglo.project import Project
from agglo.records import GuestResult, Looked, Record, Route, Verified
from agglo.stack import Site
from agglo.testing import make_fakes

SITE = Site("0" * 64, "ca", "https://198.51.100.1:8200/v1/pki/acme/directory", "PEM")
NOW = datetime(2026, 1, 1, tzinfo=UTC)
OUTPUTS = {"ops_server": "o"}
ROUTE = Route(host="portail.x.y", address="100.64.1.7", port=80, instance="67447-schiltigheim/portal", health="/sante")
PORTAL = Record(
    stack="instance/67447-portal",
    title="67447-schiltigheim/portal",
    outputs={"server": "s", "address": "100.64.1.7"},
    route=ROUTE,
    verified=Verified(at=NOW, passed=3, failed=2),
)
MEMBER = Record(
    stack="instance/67001-portal",
    title="67001-achenheim/portal",
    outputs={"address": "100.64.1.9"},
    route=ROUTE.model_copy(update={"host": "portail.a.y", "instance": "67001-achenheim/portal"}),
)
ZONE = Record(stack="commune/67447", title="67447-schiltigheim", outputs={"network": "n"})


def test_every_guest_is_known_and_a_membership_has_none(project: Project) -> None:
    known = ops.known_guests(project.metro, [PORTAL, MEMBER, ZONE])
    assert [(g.tenant, g.name, g.address) for g in known] == [
        ("metro", "bastion", "100.64.0.10"),
        ("metro", "edge-1", "100.64.0.21"),
        ("metro", "edge-2", "100.64.0.22"),
        ("metro", "ops", "100.64.0.30"),
        ("67447-schiltigheim", "schiltigheim-portal", "100.64.1.7"),
    ]


def test_each_route_is_asked_of_the_edge_under_its_own_name(project: Project) -> None:
    made = ops.targets(project.metro, [], [ROUTE])
    assert made["routes.json"] == [
        {
            "targets": ["https://100.64.0.20/sante"],
            "labels": {"host": "portail.x.y", "tenant": "67447-schiltigheim"},
        }
    ]


def test_logs_go_where_their_source_belongs(project: Project) -> None:
    table = ops.log_sources(ops.known_guests(project.metro, [PORTAL]))["table"]
    assert {"index": "100.64.1.7", "value": "67447-schiltigheim/schiltigheim-portal"} in table  # type: ignore[operator]


def test_metrics_say_what_records_know() -> None:
    looked = Looked(at=NOW, differs=("server x is gone",), unmanaged=("rule y",), volumes={'the "old" one': NOW})
    text = ops.metrics([PORTAL, ZONE.model_copy(update={"looked": looked})], 26)
    assert f'agglo_last_verified_timestamp_seconds{{stack="67447-schiltigheim/portal"}} {NOW.timestamp():.0f}\n' in text
    assert 'agglo_failed_checks{stack="67447-schiltigheim/portal"} 2\n' in text
    assert 'timestamp_seconds{stack="67447-schiltigheim"}' in text
    assert 'agglo_drifted_resources{stack="67447-schiltigheim"} 2\n' in text
    assert r'{stack="67447-schiltigheim",volume="the \"old\" one"}' in text
    assert "agglo_backup_max_age_seconds 93600\n" in text


def test_the_way_out_is_open_to_what_is_allowed_and_to_the_certificates_authority(project: Project) -> None:
    assert ops.allowed(project.metro, SITE.acme_directory) == {
        "egress_allowed": [".debian.org", "198.51.100.1"],
        "egress_http_ports": [80],
        "egress_tls_ports": [443, 8200],
    }
    relayed = project.metro.model_copy(update={"mail": Mail(senders=("x.fr",), relayhost="smtp.x.fr:587")})
    assert [rule["port"] for rule in ops.egress_of_proxy(relayed, SITE.acme_directory)] == [80, 443, 587, 8200]  # type: ignore[index,call-overload]


def test_new_guests_and_routes_are_synced_alone(project: Project) -> None:
    before, after = (ops_guest(project, SITE, OUTPUTS, records, {}, "p") for records in ([], [PORTAL, MEMBER]))
    assert before.digest != after.digest
    done = Record(stack="m", title="m", guests={"ops": GuestResult(digest=before.digest, setup=before.setup, at=NOW)})
    assert lighten(after, done).groups == ("ops_sync",)
    assert lighten(ops_guest(project, SITE, OUTPUTS, [], {}, "q"), done).groups == before.groups
    assert lighten(ops_guest(project, SITE, OUTPUTS, [], {ops.MAIL_KEY: 2}, "p"), done).groups == before.groups


def test_metrics_are_put_on_the_guest_after_each_verification(project: Project) -> None:
    fakes = make_fakes(project)
    workflow.apply(fakes.world, "schiltigheim", lambda _: True)
    text = fakes.configurator.files["ops", ops.METRICS]
    assert 'agglo_failed_checks{stack="67447-schiltigheim/portal"} 0' in text
    fakes.configurator.files.clear()
    workflow.verify(fakes.world, "schiltigheim")
    assert fakes.configurator.files["ops", ops.METRICS]


@pytest.mark.parametrize("name", ["http://miroir.example", "*.debian.org", "Debian.org", "a b", ""])
def test_only_host_names_are_allowed(name: str) -> None:
    with pytest.raises(ValidationError):
        Egress(allowed=(name,))


@pytest.mark.parametrize("relayhost", ["smtp.x.fr:", "[smtp.x.fr]", "smtp x"])
def test_a_relayhost_is_a_host_with_or_without_a_port(relayhost: str) -> None:
    with pytest.raises(ValidationError):
        Mail(senders=("x.fr",), relayhost=relayhost)


def test_records_of_mail_are_made_for_domains_of_the_metropolis_s_own_zone(project: Project) -> None:
    mail = Mail(senders=("agglo.localhost", "courrier.agglo.localhost", "elsewhere.fr"), relayhost="smtp.x.fr:587")
    made = ops.mail_names(project.metro.model_copy(update={"mail": mail}), "MII")
    assert made["senders"] == ["agglo.localhost", "courrier.agglo.localhost"]
    assert (made["path"], made["key"]) == ("a:smtp.x.fr", "MII")
    mail = mail.model_copy(update={"relayhost": "198.51.100.1:2525"})
    assert ops.mail_names(project.metro.model_copy(update={"mail": mail}), "")["path"] == "ip4:198.51.100.1"


def test_what_goes_to_the_guest_is_plain_json(project: Project) -> None:
    guest = ops_guest(project, SITE, OUTPUTS, [PORTAL], {}, "p")
    assert json.loads(json.dumps(dict(guest.variables)))["logs_retention_days"] == 180
