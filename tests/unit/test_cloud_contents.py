"""What a project holds, asked of a cloud that answers over HTTP as OpenStack does."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from agglo.adapters.cloud import OpenStackCloud
from agglo.adapters.connection import Connection
from agglo.adapters.protocols import Content, Credential
from agglo.errors import NotConnected

pytestmark = [  # what the SDK says of its own insides
    pytest.mark.filterwarnings("ignore::openstack.warnings.RemovedInSDK50Warning"),
    pytest.mark.filterwarnings("ignore::openstack.warnings.RemovedInSDK60Warning"),
]
PROJECT = "11111111111111111111111111111111"
_TYPES = {"compute": "/compute/v2.1", "network": "/network", "block-storage": "/volume/v3", "object-store": "/swift/v1"}


class _Handler(BaseHTTPRequestHandler):
    """One small cloud; what it holds and was asked is the server's."""

    server: Cloud

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        self.server.asked.append((url.path, {k: v[0] for k, v in parse_qs(url.query).items()}))
        self._answer(200, self.server.get(url.path))

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if "application_credential" in body["auth"]["identity"] and self.server.refuses:
            self._answer(401, {"error": {"message": "no", "code": 401}})
            return
        self._answer(201, {"token": self.server.token()}, {"X-Subject-Token": "token"})

    def do_DELETE(self) -> None:
        self.server.deleted.append(self.path)
        self.server.forget(self.path.rpartition("/")[2])
        self._answer(204, None)

    def _answer(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        found = status if body is not None or status == 204 else 404
        content = json.dumps(body).encode() if body is not None else b""
        self.send_response(found)
        for name, value in {
            "Content-Type": "application/json",
            "Content-Length": len(content),
            **(headers or {}),
        }.items():
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""


class Cloud(ThreadingHTTPServer):
    """Answers as Keystone, Nova, Neutron, Cinder and Swift do; ``types`` are the services of its catalogue."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.types = dict(_TYPES)
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.deleted: list[str] = []
        self.refuses = False
        self.servers = [{"id": "s1", "name": "stray"}]
        self.ports = [
            {"id": "p1", "name": "", "device_owner": "network:router_interface"},
            {"id": "p2", "name": "", "device_owner": "network:distributed"},
            {"id": "p3", "name": "", "device_owner": "compute:nova"},
        ]
        self.ips = [{"id": "f1", "floating_ip_address": "100.64.1.9"}]

    def token(self) -> dict[str, Any]:
        endpoints = {"identity": "/v3", **self.types}
        catalog = [
            {"type": kind, "name": kind, "id": kind, "endpoints": [self._endpoint(kind, path)]}
            for kind, path in endpoints.items()
        ]
        return {
            "methods": ["password"], "expires_at": "2099-01-01T00:00:00Z", "issued_at": "2026-01-01T00:00:00Z",
            "user": {"id": "u", "name": "u", "domain": {"id": "default", "name": "Default"}}, "catalog": catalog,
            "project": {"id": PROJECT, "name": "p", "domain": {"id": "default", "name": "Default"}},
            "roles": [{"id": "r", "name": "admin"}],
        }  # fmt: skip

    def _endpoint(self, kind: str, path: str) -> dict[str, str]:
        return {"id": kind, "interface": "public", "region": "R", "region_id": "R", "url": self.url + path}

    def get(self, path: str) -> Any:
        versions = {"/v3": "v3.14", "/compute/v2.1": "v2.1", "/volume/v3": "v3.0"}
        if path.rstrip("/") in versions:
            link = [{"rel": "self", "href": self.url + path}]
            return {"version": {"id": versions[path.rstrip("/")], "status": "CURRENT", "links": link}}
        if path.rstrip("/") == "/network":
            return {
                "versions": [
                    {"id": "v2.0", "status": "CURRENT", "links": [{"rel": "self", "href": f"{self.url}/network/v2.0"}]}
                ]
            }
        return {
            "/compute/v2.1/servers/detail": {"servers": self.servers},
            "/network/v2.0/ports": {"ports": self.ports},
            "/network/v2.0/floatingips": {"floatingips": self.ips},
            "/volume/v3/volumes/detail": {"volumes": [{"id": "v1", "name": "accounts"}]},
            "/swift/v1": [{"name": "archives", "count": 3, "bytes": 9}],
            "/swift/v1/": [{"name": "archives", "count": 3, "bytes": 9}],
        }.get(path)

    def forget(self, name: str) -> None:
        self.servers = [server for server in self.servers if server["id"] != name]


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with Cloud() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def adapter(cloud: Cloud, tmp_path: Path) -> OpenStackCloud:
    clouds = tmp_path / "clouds.yaml"
    clouds.write_text(
        f"clouds: {{fake: {{region_name: R, auth: {{auth_url: '{cloud.url}/v3', username: a, password: b,"
        " project_name: p, user_domain_name: Default, project_domain_name: Default}}}}}}\n".replace("}}", "}")
    )
    return OpenStackCloud(
        Connection(
            cloud="fake", clouds_yaml=clouds, vault="", vault_ca=None, vault_token_file=None, image=None,
            acme_directory="", ca=None, state=tmp_path, edge="",
        )
    )  # fmt: skip


def test_what_the_landing_zone_did_not_make_is_found(adapter: OpenStackCloud, cloud: Cloud) -> None:
    assert list(adapter.contents(PROJECT, Credential("id", "secret"))) == [
        Content("server", "stray"),
        Content("port", "p3"),
        Content("floating IP", "100.64.1.9"),
        Content("volume", "accounts", data=True),
        Content("container", "archives", data=True),
    ]
    asked = dict(cloud.asked)
    assert asked["/compute/v2.1/servers/detail"] == {"all_tenants": "True", "project_id": PROJECT}
    assert asked["/volume/v3/volumes/detail"] == {"all_tenants": "True", "project_id": PROJECT}
    assert asked["/network/v2.0/ports"] == {"project_id": PROJECT}


def test_a_cloud_without_volumes_and_containers_is_a_cloud(adapter: OpenStackCloud, cloud: Cloud) -> None:
    del cloud.types["block-storage"], cloud.types["object-store"]
    assert {item.kind for item in adapter.contents(PROJECT, Credential("id", "secret"))} == {
        "server",
        "port",
        "floating IP",
    }


def test_containers_that_cannot_be_seen_are_not_taken_for_none(adapter: OpenStackCloud, cloud: Cloud) -> None:
    cloud.refuses = True
    with pytest.raises(NotConnected):
        adapter.contents(PROJECT, Credential("id", "secret"))


def test_clearing_leaves_data_and_the_network_itself(adapter: OpenStackCloud, cloud: Cloud) -> None:
    adapter.clear(PROJECT)
    assert cloud.deleted == [
        "/network/v2.0/floatingips/f1", "/compute/v2.1/servers/s1", "/network/v2.0/ports/p3",
    ]  # fmt: skip
