"""An edge: HAProxy with certificates for its routes, keepalived with or without the virtual address."""

from typing import Any


def status(host: Any, url: str, name: str) -> int:
    """HTTP status of ``url`` on the edge itself, asked for as ``name``; agglo checks certificates from outside."""
    return int(host.check_output("curl -sk -o /dev/null -m 10 -w %%{http_code} -H Host:%s %s", name, url))


def test_haproxy_runs_and_is_enabled(host: Any) -> None:
    haproxy = host.service("haproxy")
    assert haproxy.is_running
    assert haproxy.is_enabled


def test_its_configuration_is_valid(host: Any) -> None:
    with host.sudo():
        assert host.run("haproxy -c -q -f /etc/haproxy/haproxy.cfg").rc == 0


def test_it_listens_for_citizens(host: Any) -> None:
    assert host.socket("tcp://0.0.0.0:80").is_listening
    assert host.socket("tcp://0.0.0.0:443").is_listening


def test_http_leads_to_https(host: Any) -> None:
    assert status(host, "http://127.0.0.1/", "quelconque.invalid") == 308


def test_an_unknown_name_is_not_found(host: Any) -> None:
    assert status(host, "https://127.0.0.1/", "inconnu.invalid") == 404


def test_challenges_of_every_edge_are_answered(host: Any, context: dict[str, Any]) -> None:
    assert host.service("agglo-acme-http").is_running
    assert host.socket(f"tcp://{context['edge_address']}:8402").is_listening
    assert not host.socket("tcp://0.0.0.0:8402").is_listening
    for address in context["edge_addresses"]:
        assert status(host, f"http://{address}:8402/", address) == 200, address


def test_keepalived_runs_and_is_enabled(host: Any) -> None:
    keepalived = host.service("keepalived")
    assert keepalived.is_running
    assert keepalived.is_enabled


def test_its_interface_is_watched(host: Any) -> None:
    watch = host.service("agglo-vip-watch")
    assert watch.is_running
    assert watch.is_enabled


def test_the_virtual_address_is_with_one_edge_and_answers(host: Any, context: dict[str, Any]) -> None:
    own = f"{context['edge_vip']}/32" in host.check_output("ip -4 -brief address")
    states = host.check_output("journalctl -q -u keepalived -o cat --grep 'Entering [A-Z]+ STATE'").splitlines()
    assert ("MASTER" if own else "BACKUP") in states[-1]
    assert status(host, f"https://{context['edge_vip']}/", "inconnu.invalid") == 404


def test_certificates_are_renewed(host: Any) -> None:
    timer = host.service("agglo-certificates.timer")
    assert timer.is_running
    assert timer.is_enabled


def test_each_route_has_a_certificate(host: Any, context: dict[str, Any]) -> None:
    with host.sudo():
        for route in context["edge_routes"]:
            certificate = host.file(f"/etc/haproxy/certs/{route['host']}.pem")
            assert (certificate.user, certificate.mode) == ("root", 0o600)


def test_keys_are_readable_by_root_only(host: Any) -> None:
    with host.sudo():
        found = host.check_output("find /etc/haproxy /var/lib/dehydrated -type f -name '*.pem*' -perm /044")
        readable = [path for path in found.splitlines() if "PRIVATE KEY" in host.file(path).content_string]
    assert readable == []
