"""The metropolis's own services on the embedded cloud: what they see, keep, let out and send."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import HTTPServer, SimpleHTTPRequestHandler
from pathlib import Path
from socketserver import BaseServer, StreamRequestHandler, TCPServer
from typing import Any

import pytest

from agglo_devcloud.bootstrap import connect
from agglo_devcloud.layout import PUBLIC_GATEWAY
from agglo_devcloud.relay import make_socket
from tests.integration.conftest import Cloud, changed_metro
from tests.integration.watching import eventually, on_guest, values

pytestmark = [
    pytest.mark.integration,
    pytest.mark.filterwarnings("ignore::PendingDeprecationWarning"),
]
HERE = Path(__file__).parent
PORTAL = "portail.schiltigheim.agglo.localhost"
MIRROR = "miroir.example"
SINK = 2525


def test_the_rules_of_alerts_fire_when_they_should(cloud: Cloud, root: Path) -> None:
    rules = root / "playbooks/roles/monitoring/files/rules.yml"
    for source in (rules, HERE / "ops/rules_test.yml"):
        on_guest(cloud, "ops", f"mkdir -p /tmp/rules && cat > /tmp/rules/{source.name}", source.read_text())
    assert "SUCCESS" in on_guest(cloud, "ops", "cd /tmp/rules && promtool test rules rules_test.yml")


def test_every_guest_and_route_is_watched(cloud: Cloud) -> None:
    eventually(lambda: values(cloud, 'up{job="guests"}', "guest") == {
        "bastion": 1, "edge-1": 1, "edge-2": 1, "ops": 1, "schiltigheim-portal": 1,
    })  # fmt: skip
    eventually(lambda: values(cloud, "probe_success", "host") == {PORTAL: 1})
    assert values(cloud, 'up{job="edges"}', "job") == {"edges": 1}
    assert values(cloud, "probe_ssl_earliest_cert_expiry - time()", "host")[PORTAL] > 30 * 86400
    assert values(cloud, "agglo_failed_checks", "stack")["67447-schiltigheim/portal"] == 0
    assert values(cloud, "time() - agglo_last_verified_timestamp_seconds", "stack")["metro"] < 3600


def test_a_journal_is_kept_under_its_commune_and_guest(cloud: Cloud) -> None:
    on_guest(cloud, "portal", "logger --id -t essai 'une ligne du portail'")
    found = "grep -rl 'une ligne du portail' /var/log/agglo || true"
    eventually(lambda: on_guest(cloud, "ops", found) != "")
    path = on_guest(cloud, "ops", found).split()[0]
    assert path.startswith("/var/log/agglo/67447-schiltigheim/schiltigheim-portal/")
    assert on_guest(cloud, "ops", f"stat -c '%U:%G %a' {path}").strip() == "root:adm 640"


def test_a_guest_keeps_its_logs_while_the_collector_is_away(cloud: Cloud) -> None:
    on_guest(cloud, "ops", "systemctl stop rsyslog.service syslog.socket")
    on_guest(cloud, "portal", "logger -t essai 'pendant la panne'")
    time.sleep(3)
    on_guest(cloud, "ops", "systemctl start rsyslog.service")
    eventually(lambda: on_guest(cloud, "ops", "grep -rh 'pendant la panne' /var/log/agglo || true") != "")


def test_old_logs_are_removed(cloud: Cloud) -> None:
    old = "/var/log/agglo/67447-schiltigheim/schiltigheim-portal/2020-01-01.log"
    on_guest(cloud, "ops", f"touch -d '200 days ago' {old} && systemd-tmpfiles --clean && test ! -e {old}")
    assert on_guest(cloud, "ops", "find /var/log/agglo -name '*.log'") != ""


@pytest.fixture(scope="module")
def outside(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outside]:
    """A mirror and a mail server outside of the cloud; the metropolis allows the one and relays to the other."""

    def change(settings: Any) -> None:
        settings["egress"]["allowed"].append(MIRROR)
        settings["mail"]["relayhost"] = f"{PUBLIC_GATEWAY}:{SINK}"

    folder = tmp_path_factory.mktemp("mirror")
    (folder / "x.deb").write_text("a package")
    there = Outside(folder)
    mirror, sink = served(cloud, 80, there.mirror), served(cloud, SINK, there.sink)
    with changed_metro(cloud, change), mirror, sink, name_of_the_mirror(cloud):
        cloud.done("apply", "metro", "--yes")
        yield there
    cloud.done("apply", "metro", "--yes")


def test_guests_get_out_by_the_proxy_and_to_allowed_names_only(cloud: Cloud, outside: Outside) -> None:
    def asked(url: str, proxy: str = "-x http://100.64.0.30:3128") -> str:
        return on_guest(cloud, "portal", f"curl -s -o /dev/null -m 8 -w '%{{http_code}}' {proxy} {url} || true")

    assert asked(f"http://{MIRROR}/x.deb") == "200"
    assert asked(f"http://{MIRROR}/x.deb") == "200"
    assert outside.asked == ["/x.deb"]  # the second came from the proxy
    assert asked(f"http://autre.{MIRROR}/") == "403"
    assert asked("http://example.org/") == "403"
    assert asked(f"https://{MIRROR}:8200/") == "000"  # refused before any TLS
    assert asked(f"http://{PUBLIC_GATEWAY}/x.deb", "") == "000"
    assert asked(f"https://{PUBLIC_GATEWAY}:8200/v1/sys/health", "-k") == "000"


def test_mail_goes_out_signed_from_the_metropolis_s_domains_only(cloud: Cloud, outside: Outside) -> None:
    text = "From: portail@agglo.localhost\nTo: a@example.org\nSubject: essai\n\nBonjour.\n"
    on_guest(cloud, "portal", "msmtp -f portail@agglo.localhost -t", text)
    eventually(lambda: any("Subject: essai" in mail for mail in outside.mails))
    mail = next(mail for mail in outside.mails if "Subject: essai" in mail)
    assert "DKIM-Signature: v=1;" in mail
    assert "d=agglo.localhost" in mail
    refused = on_guest(cloud, "portal", "msmtp -f x@elsewhere.example -t 2>&1 || true", text)
    assert "Sender address rejected" in refused
    said = {"agglo.localhost": b"v=spf1 ip4:198.51.100.1 -all", "_dmarc.agglo.localhost": b"v=DMARC1"}
    for name, text in {**said, "agglo._domainkey.agglo.localhost": b"v=DKIM1; k=rsa; p=MII"}.items():
        assert text in answer(cloud, name, 16)


def test_a_portal_that_stops_becomes_a_mail(cloud: Cloud, outside: Outside) -> None:
    outside.mails.clear()
    on_guest(cloud, "portal", "systemctl stop nginx")
    try:
        eventually(lambda: any("[FIRING] ServiceDown" in mail for mail in outside.mails), seconds=300)
    finally:
        on_guest(cloud, "portal", "systemctl start nginx")
    mail = next(mail for mail in outside.mails if "ServiceDown" in mail)
    assert "To: exploitation@agglo.localhost" in mail
    eventually(lambda: values(cloud, "probe_success", "host") == {PORTAL: 1})


class Outside:
    """What is asked of the mirror, and what the mail server gets."""

    def __init__(self, folder: Path) -> None:
        self._folder = str(folder)
        self.asked: list[str] = []
        self.mails: list[str] = []

    def mirror(self, *arguments: Any) -> SimpleHTTPRequestHandler:
        """Serve the folder."""
        asked, folder = self.asked, self._folder

        class Handler(SimpleHTTPRequestHandler):
            def log_message(self, *_: Any) -> None:
                asked.append(self.path)

        return Handler(*arguments, directory=folder)

    def sink(self, *arguments: Any) -> StreamRequestHandler:
        """Take every mail."""
        mails = self.mails

        class Handler(StreamRequestHandler):
            def handle(self) -> None:
                self.wfile.write(b"220 sink\r\n")
                for line in iter(self.rfile.readline, b""):
                    verb = line[:4].upper()
                    if verb == b"DATA":
                        self.wfile.write(b"354 go on\r\n")
                        mails.append("".join(part.decode() for part in iter(self.rfile.readline, b".\r\n")))
                    self.wfile.write(b"221 bye\r\n" if verb == b"QUIT" else b"250 good\r\n")
                    if verb == b"QUIT":
                        return

        return Handler(*arguments)


@contextmanager
def served(cloud: Cloud, port: int, handler: Callable[..., Any]) -> Iterator[BaseServer]:
    """A server on the outside's own address."""
    kind = HTTPServer if port == 80 else TCPServer
    server = kind((PUBLIC_GATEWAY, port), handler, bind_and_activate=False)
    server.socket.close()
    server.socket = make_socket(cloud.layout.external_netns, socket.SOCK_STREAM)
    server.socket.setblocking(True)
    server.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.socket.bind((PUBLIC_GATEWAY, port))
    server.socket.listen(8)
    server.server_name, server.server_port = MIRROR, port  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def name_of_the_mirror(cloud: Cloud) -> Iterator[None]:
    """A zone in the cloud's own DNS that leads to the outside."""
    with connect(cloud.layout) as connection:
        zone = connection.dns.create_zone(name=f"{MIRROR}.", email=f"hostmaster@{MIRROR}")
        try:
            connection.dns.create_recordset(zone, name=zone.name, type="A", records=[PUBLIC_GATEWAY])
            eventually(lambda: socket.inet_aton(PUBLIC_GATEWAY) in answer(cloud, MIRROR, 1))
            yield
        finally:
            connection.dns.delete_zone(zone)


def answer(cloud: Cloud, name: str, kind: int) -> bytes:
    """What the cloud's DNS answers (16: TXT, 1: A), as it comes."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    query = struct.pack(">6H", 1, 0x100, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">2H", kind, 1)
    with socket.create_connection(("127.0.0.1", cloud.layout.port("dns")), timeout=10) as asked:
        asked.sendall(struct.pack(">H", len(query)) + query)
        return asked.makefile("rb").read(struct.unpack(">H", asked.recv(2, socket.MSG_WAITALL))[0])[len(query) :]
