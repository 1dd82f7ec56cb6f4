"""The metropolis's own services: monitoring, logs, the way out, mail."""

import json
from typing import Any

import pytest

SERVICES = (
    *("prometheus", "prometheus-alertmanager", "prometheus-blackbox-exporter"),
    *("rsyslog", "squid", "postfix", "opendkim"),
)


def query(host: Any, expression: str) -> list[dict[str, Any]]:
    """What Prometheus answers."""
    answer = host.check_output("promtool query instant -o json http://127.0.0.1:9090 %s", expression)
    return list(json.loads(answer))


@pytest.mark.parametrize("name", SERVICES)
def test_the_service_runs_and_is_enabled(host: Any, name: str) -> None:
    service = host.service(name)
    assert service.is_running
    assert service.is_enabled


def test_only_what_guests_use_can_be_reached(host: Any) -> None:
    addresses = {line.split()[3] for line in host.check_output("ss -Hltn").splitlines()}
    outside = {address for address in addresses if not address.startswith(("127.", "[::1]"))}
    assert {address.rpartition(":")[2] for address in outside} == {"22", "25", "514", "3128", "9100"}


def test_prometheus_knows_every_guest(host: Any, context: dict[str, Any]) -> None:
    with host.sudo():
        targets = json.loads(host.file("/etc/prometheus/agglo-guests.json").content_string)
    assert len(targets) == context["guests"]


def test_the_rules_of_alerts_are_loaded(host: Any) -> None:
    answer = json.loads(host.check_output("curl -s http://127.0.0.1:9090/api/v1/rules"))
    assert {group["name"] for group in answer["data"]["groups"]} >= {"services", "guests"}


def test_configurations_are_valid(host: Any) -> None:
    with host.sudo():
        assert host.run("promtool check config /etc/prometheus/prometheus.yml").rc == 0
        assert host.run("amtool check-config /etc/prometheus/alertmanager.yml").rc == 0
        assert host.run("squid -k parse").rc == 0
        assert host.run("rsyslogd -N1").rc == 0
        assert host.run("postfix check").rc == 0


def test_logs_are_for_administrators_only(host: Any) -> None:
    with host.sudo():
        folder = host.file("/var/log/agglo")
        assert (folder.user, folder.group, folder.mode) == ("root", "adm", 0o750)
        assert host.check_output("find /var/log/agglo -perm /007") == ""


def test_the_way_out_refuses_what_is_not_allowed(host: Any) -> None:
    proxy = f"http://{host.check_output('hostname -I').split()[0]}:3128"
    asked = "curl -s -o /dev/null -m 10 -w %%{http_code} -x %s %s"
    assert host.check_output(asked, proxy, "http://not-allowed.invalid/") == "403"


def test_mail_from_another_domain_is_refused(host: Any) -> None:
    script = (
        "import smtplib; s = smtplib.SMTP('127.0.0.1', timeout=10); s.ehlo('x');"
        "s.mail('a@elsewhere.invalid'); print(s.rcpt('b@elsewhere.invalid')[0])"
    )
    assert host.check_output("python3 -c %s", script) == "554"
