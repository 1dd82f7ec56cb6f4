"""Communes are apart: no packet and no call of one reaches what is another's. Real guests, real services."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from agglo.adapters.connection import connect, read_env_file
from agglo.adapters.vault import HvacVault
from tests.integration.conftest import Cloud, Inside

if TYPE_CHECKING:
    from openstack.connection import Connection

pytestmark = [pytest.mark.integration, pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")]

# Tries to connect to each port of each address at once; a refusal is an answer too: the packet got there.
_KNOCK = """
import asyncio, json, sys
targets, source = json.loads(sys.argv[1])
async def knock(host, port, free):
    async with free:
        try:
            opened = asyncio.open_connection(host, port, local_addr=(source, 0) if source else None)
            _, writer = await asyncio.wait_for(opened, 1.5)
            writer.close()
        except (ConnectionRefusedError, ConnectionResetError):
            pass
        except (OSError, asyncio.TimeoutError):
            return None
        return [host, port]
async def main():
    free = asyncio.Semaphore(400)
    found = await asyncio.gather(*(knock(h, p, free) for h, ports in targets for p in ports))
    print(json.dumps([f for f in found if f]))
asyncio.run(main())
"""

# Prints the sources of all TCP packets that arrive while somebody tries.
_LISTEN = """
import json, socket, sys, time
link, seen, end = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800)), set(), time.time() + 6
link.settimeout(0.5)
print("listening", flush=True)
while time.time() < end:
    try:
        data, (_, _, kind, *_) = link.recvfrom(200)
    except TimeoutError:
        continue
    if kind == socket.PACKET_HOST and data[9] == socket.IPPROTO_TCP:
        seen.add(socket.inet_ntoa(data[12:16]))
print(json.dumps(sorted(seen)))
"""
_LOW = list(range(1, 1025))


@dataclass(frozen=True)
class Tenant:
    """A tenant with a guest: its instance's record, its landing zone's outputs, and the way into the guest."""

    slug: str
    code: str
    zone: dict[str, Any]
    instance: dict[str, Any]
    inside: Inside

    @property
    def addresses(self) -> tuple[str, str]:
        """The guest's address in its own network, and the one on transit."""
        return self.instance["fixed_address"], self.instance["address"]

    @property
    def listening(self) -> list[int]:
        """TCP ports on which its guest accepts connections, from anywhere that packets may come from."""
        lines = self.inside.run("ss", "-Hltn").splitlines()
        return sorted(
            {int(line.split()[3].rpartition(":")[2]) for line in lines if not line.split()[3].startswith("127.")}
        )


@pytest.fixture(scope="module")
def tenants(cloud: Cloud) -> list[Tenant]:
    """All tenants that have a guest; Schiltigheim and Ostwald are among them."""
    if not (cloud.root / "stacks/communes/67365-ostwald/portal.yaml").exists():
        cloud.done("request", "new", "ostwald", "portal", "--tenancy", "dedicated", "--set", "tagline=Ostwald")
    cloud.done("apply", "ostwald/portal", "--yes")
    records = [json.loads(path.read_text()) for path in sorted((cloud.state / "records" / "instance").glob("*.json"))]
    found = [_tenant(cloud, record) for record in records if "server" in record["outputs"]]
    assert {"67447", "67365"} <= {tenant.code for tenant in found}
    return sorted(found, key=lambda tenant: tenant.code != "67447")


def _tenant(cloud: Cloud, record: dict[str, Any]) -> Tenant:
    key, outputs = record["title"].partition("/")[0], record["outputs"]
    code, _, slug = key.partition("-")
    return Tenant(slug, code, cloud.record(f"commune/{code}")["outputs"], outputs, cloud.inside(outputs["server"]))


def knock(inside: Inside, targets: list[tuple[str, list[int]]], source: str = "") -> set[tuple[str, int]]:
    """Where a connection got an answer of any kind."""
    answer = inside.run("python3", "-c", _KNOCK, json.dumps([targets, source]))
    return {(host, port) for host, port in json.loads(answer)}


def test_no_guest_reaches_a_port_of_another_commune_s(cloud: Cloud, tenants: list[Tenant]) -> None:
    """All ordered pairs: by the address in its own network and by the one on transit."""
    for one in tenants:
        for other in tenants:
            if one is other:
                continue
            mine, theirs = set(one.addresses), [a for a in other.addresses if a not in one.addresses]
            ports = sorted({*_LOW, *other.listening})
            assert {22, 80} <= set(ports)
            reached = knock(one.inside, [(address, ports) for address in theirs])
            assert reached == set(), f"{one.slug} ({mine}) reaches {other.slug}"


def test_the_bastion_and_the_edge_reach_what_they_are_for(cloud: Cloud, tenants: list[Tenant]) -> None:
    """The probe can tell: from where it is meant, it does get there."""
    metro = cloud.record("metro/RegionOne")["outputs"]
    for tenant in tenants:
        address = tenant.addresses[1]
        ports = sorted({*_LOW, *tenant.listening})
        assert knock(cloud.inside(metro["bastion_server"]), [(address, ports)]) == {(address, 22)}
        for edge in metro["edge_servers"].values():
            assert knock(cloud.inside(edge), [(address, ports)]) == {(address, 80)}
        assert knock(cloud.inside(metro["ops_server"]), [(address, [*ports, 9100])]) == {(address, 9100)}


def test_a_forged_source_gets_nowhere(cloud: Cloud, tenants: list[Tenant]) -> None:
    """A guest that gives itself the bastion's address: nothing that it sends from there arrives."""
    one, other = tenants[0], tenants[1]
    bastion = cloud.record("metro/RegionOne")["outputs"]["bastion_server"]
    forged = "100.64.0.10"
    link = one.inside.run("ip", "-o", "route", "get", other.addresses[1]).split(" dev ")[1].split()[0]
    one.inside.run("ip", "address", "add", f"{forged}/32", "dev", link)
    try:
        with listening(other.inside) as seen:
            assert knock(one.inside, [(other.addresses[1], [22])], forged) == set()
        assert forged not in seen
        with listening(other.inside) as seen:
            knock(cloud.inside(bastion), [(other.addresses[1], [22])])
        assert forged in seen
    finally:
        one.inside.run("ip", "address", "del", f"{forged}/32", "dev", link)


def test_the_metropolis_s_guests_answer_communes_only_where_they_should(cloud: Cloud, tenants: list[Tenant]) -> None:
    """The edges' pages; ops's mail, logs and way out; nothing of the bastion by either address."""
    edges, ops = ("100.64.0.20", "100.64.0.21", "100.64.0.22"), "100.64.0.30"
    ports = [*_LOW, 3128, 8402, 8405, 9090, 9093, 9100, 9115]
    meant = {(edge, port) for edge in edges for port in (80, 443)} | {(ops, port) for port in (25, 514, 3128)}
    assert knock(tenants[0].inside, [(host, ports) for host in ("100.64.0.10", *edges, ops)]) == meant
    assert knock(tenants[0].inside, [("198.51.100.10", ports)]) == set()


def test_the_metadata_service_tells_a_guest_of_itself_alone(tenants: list[Tenant]) -> None:
    """Whatever a guest claims to be in the headers that OpenStack's own proxies trust."""
    one, other = tenants[0], tenants[1]
    claims = {
        "X-Instance-ID": other.instance["server"],
        "X-Tenant-ID": other.zone["project"],
        "X-Forwarded-For": other.addresses[0],
    }
    headers = [word for name, value in claims.items() for word in ("-H", f"{name}: {value}")]
    url = "http://169.254.169.254/openstack/latest/meta_data.json"
    for extra in ([], headers):
        told = json.loads(one.inside.run("curl", "-sS", "--max-time", "20", *extra, url))
        assert told["uuid"] == one.instance["server"]
        assert told["project_id"] == one.zone["project"]


@contextmanager
def listening(inside: Inside) -> Iterator[list[str]]:
    """Sources of the TCP packets that reach a guest while the block runs, filled in at its end."""
    seen: list[str] = []
    process = inside.start("python3", "-c", _LISTEN)
    assert process.stdout and process.stdout.readline() == "listening\n"
    yield seen
    seen += json.loads(process.communicate(timeout=20)[0])


def _as_commune(cloud: Cloud, operator: Connection, code: str) -> Connection:
    import openstack  # noqa: PLC0415  half a second

    environment = read_env_file(cloud.layout.connection_env)
    credential = HvacVault(connect(environment, cloud.state)).credential(code)
    assert credential
    return openstack.connect(
        auth_type="v3applicationcredential",
        auth={
            "auth_url": operator.config.auth["auth_url"],
            "application_credential_id": credential.id,
            "application_credential_secret": credential.secret,
        },
        region_name=operator.config.region_name,
        load_yaml_config=False,
        load_envvars=False,
    )


@pytest.fixture(scope="module")
def theirs(cloud: Cloud, operator: Connection, tenants: list[Tenant]) -> Iterator[dict[str, str]]:
    """What another commune has, made with its own credential where its stacks have none: names to ids."""
    other = tenants[1]
    owner = _as_commune(cloud, operator, other.code)
    image = owner.image.create_image(
        name="theirs", data=b"theirs", disk_format="raw", container_format="bare", visibility="private"
    )
    volume = owner.block_storage.create_volume(name="theirs", size=1)
    owner.block_storage.wait_for_status(volume, "available", wait=120)
    secret = owner.key_manager.create_secret(name="theirs", payload="not yours", payload_content_type="text/plain")
    owner.object_store.put("/theirs")
    owner.object_store.put("/theirs/object", data=b"not yours")
    server = owner.compute.get_server(other.instance["server"])
    port = next(iter(owner.network.ports(device_id=server.id)))
    known = {
        "project": other.zone["project"],
        "domain": other.zone["domain"],
        "user": other.zone["user"],
        "network": other.zone["network"],
        "subnet": other.zone["subnet"],
        "group": other.zone["security_group"],
        "zone": other.zone["zone"],
        "server": server.id,
        "port": port.id,
        "router": next(iter(owner.network.routers(project_id=other.zone["project"]))).id,
        "ip": next(iter(owner.network.ips(project_id=other.zone["project"]))).id,
        "image": image.id,
        "volume": volume.id,
        "secret": secret.id.rpartition("/")[2],
        "account": owner.object_store.get_endpoint().rpartition("/")[2],
    }
    yield known
    owner.object_store.delete("/theirs/object")
    owner.object_store.delete("/theirs")
    owner.key_manager.delete_secret(secret)
    owner.block_storage.delete_volume(volume)
    owner.block_storage.wait_for_delete(volume, wait=60)
    owner.image.delete_image(image)


READS = [
    ("identity", "/v3/projects/{project}"),
    ("identity", "/v3/domains/{domain}"),
    ("identity", "/v3/users/{user}"),
    ("identity", "/v3/users/{user}/application_credentials"),
    ("identity", "/v3/users?domain_id={domain}"),
    ("identity", "/v3/role_assignments?scope.project.id={project}"),
    ("compute", "/servers/{server}"),
    ("compute", "/servers/{server}/os-interface"),
    ("compute", "/os-quota-sets/{project}/detail"),
    ("network", "/v2.0/networks/{network}"),
    ("network", "/v2.0/subnets/{subnet}"),
    ("network", "/v2.0/ports/{port}"),
    ("network", "/v2.0/security-groups/{group}"),
    ("network", "/v2.0/routers/{router}"),
    ("network", "/v2.0/floatingips/{ip}"),
    ("image", "/v2/images/{image}"),
    ("image", "/v2/images/{image}/file"),
    ("block-storage", "/volumes/{volume}"),
    ("dns", "/v2/zones/{zone}"),
    ("dns", "/v2/zones/{zone}/recordsets"),
    ("key-manager", "/v1/secrets/{secret}"),
    ("key-manager", "/v1/secrets/{secret}/payload"),
    ("object-store", "/v1/{account}"),
    ("object-store", "/v1/{account}/theirs"),
    ("object-store", "/v1/{account}/theirs/object"),
]
RULE = {"direction": "ingress", "ethertype": "IPv4", "protocol": "tcp", "security_group_id": "{group}"}
CHANGES: list[tuple[str, str, str, Any]] = [
    ("identity", "PATCH", "/v3/projects/{project}", {"project": {"description": "mine"}}),
    ("identity", "PATCH", "/v3/users/{user}", {"user": {"password": "mine"}}),
    ("identity", "DELETE", "/v3/users/{user}", None),
    ("identity", "POST", "/v3/users", {"user": {"name": "mine", "domain_id": "{domain}"}}),
    ("compute", "POST", "/servers/{server}/action", {"reboot": {"type": "HARD"}}),
    ("compute", "POST", "/servers/{server}/action", {"os-getConsoleOutput": {}}),
    ("compute", "POST", "/servers/{server}/action", {"createImage": {"name": "mine"}}),
    ("compute", "DELETE", "/servers/{server}", None),
    ("network", "PUT", "/v2.0/networks/{network}", {"network": {"name": "mine"}}),
    ("network", "PUT", "/v2.0/ports/{port}", {"port": {"port_security_enabled": False}}),
    ("network", "POST", "/v2.0/ports", {"port": {"network_id": "{network}"}}),
    ("network", "POST", "/v2.0/security-group-rules", {"security_group_rule": RULE}),
    ("network", "PUT", "/v2.0/routers/{router}/add_router_interface", {"subnet_id": "{subnet}"}),
    ("network", "PUT", "/v2.0/floatingips/{ip}", {"floatingip": {"port_id": None}}),
    ("network", "DELETE", "/v2.0/security-groups/{group}", None),
    ("image", "DELETE", "/v2/images/{image}", None),
    ("image", "POST", "/v2/images/{image}/members", {"member": "mine"}),
    ("block-storage", "PUT", "/volumes/{volume}", {"volume": {"name": "mine"}}),
    ("block-storage", "POST", "/volumes/{volume}/action", {"os-extend": {"new_size": 2}}),
    ("block-storage", "DELETE", "/volumes/{volume}", None),
    ("dns", "PATCH", "/v2/zones/{zone}", {"ttl": 60}),
    ("dns", "POST", "/v2/zones/{zone}/recordsets", {"name": "{name}", "type": "A", "records": ["192.0.2.1"]}),
    ("dns", "DELETE", "/v2/zones/{zone}", None),
    ("key-manager", "DELETE", "/v1/secrets/{secret}", None),
    ("object-store", "PUT", "/v1/{account}/mine", None),
    ("object-store", "PUT", "/v1/{account}/theirs/mine", None),
    ("object-store", "DELETE", "/v1/{account}/theirs/object", None),
]
REFUSED = {401, 403, 404}


def test_nothing_of_another_commune_is_read_with_one_s_credential(
    cloud: Cloud, operator: Connection, tenants: list[Tenant], theirs: dict[str, str]
) -> None:
    """The same calls work for somebody (the owner, else the operator), so that they ask for what is there."""
    stranger, owner = (_as_commune(cloud, operator, tenant.code) for tenant in tenants[:2])
    for service, path in READS:
        assert _call(stranger, service, "GET", path, theirs) in REFUSED, f"{service} GET {path}"
        allowed = [_call(who, service, "GET", path, theirs) for who in (owner, operator)]
        assert any(status < 300 for status in allowed), f"{service} GET {path}: {allowed}"


def test_nothing_of_another_commune_is_changed_with_one_s_credential(
    cloud: Cloud, operator: Connection, tenants: list[Tenant], theirs: dict[str, str]
) -> None:
    stranger = _as_commune(cloud, operator, tenants[0].code)
    known = {**theirs, "name": f"mine.{tenants[1].slug}.agglo.localhost."}
    for service, method, path, body in CHANGES:
        assert _call(stranger, service, method, path, known, body) in REFUSED, f"{service} {method} {path}"


LISTS = [
    ("identity", "/v3/projects", "projects"),
    ("identity", "/v3/users", "users"),
    ("identity", "/v3/auth/projects", "projects"),
    ("compute", "/servers", "servers"),
    ("compute", "/servers?all_tenants=1", "servers"),
    ("network", "/v2.0/networks", "networks"),
    ("network", "/v2.0/ports", "ports"),
    ("network", "/v2.0/security-groups", "security_groups"),
    ("network", "/v2.0/routers", "routers"),
    ("network", "/v2.0/floatingips", "floatingips"),
    ("image", "/v2/images?visibility=all", "images"),
    ("block-storage", "/volumes", "volumes"),
    ("block-storage", "/volumes?all_tenants=1", "volumes"),
    ("dns", "/v2/zones", "zones"),
    ("key-manager", "/v1/secrets", "secrets"),
]


def test_nothing_of_another_commune_is_in_one_s_lists(
    cloud: Cloud, operator: Connection, tenants: list[Tenant], theirs: dict[str, str]
) -> None:
    stranger = _as_commune(cloud, operator, tenants[0].code)
    for service, path, key in LISTS:
        answer = _answer(stranger, service, "GET", path, {})
        text = json.dumps(answer.json().get(key)) if answer.status_code < 300 else ""
        assert answer.status_code < 300 or answer.status_code in REFUSED, f"{service} {path}: {answer.text}"
        found = [what for what, value in theirs.items() if value in text]
        assert found == [], f"{service} GET {path}"


def test_no_commune_takes_an_address_outside(cloud: Cloud, operator: Connection, tenants: list[Tenant]) -> None:
    public = operator.network.find_network("public").id
    commune = _as_commune(cloud, operator, tenants[0].code)
    body = {"floatingip": {"floating_network_id": public}}
    assert _call(commune, "network", "POST", "/v2.0/floatingips", {}, body) in REFUSED
    router = {"router": {"name": "mine", "external_gateway_info": {"network_id": public}}}
    assert _call(commune, "network", "POST", "/v2.0/routers", {}, router) in REFUSED


def test_a_commune_s_people_read_and_its_managers_name_readers_only(
    cloud: Cloud, operator: Connection, tenants: list[Tenant], theirs: dict[str, str]
) -> None:
    """They see their servers; nobody among them widens a group, nor makes somebody who could."""
    zone, identity = tenants[0].zone, operator.identity
    groups = {g.name.rpartition("-")[2]: g for g in identity.groups(domain_id=zone["domain"])}
    people = {}
    for kind in ("managers", "agents"):
        user = identity.create_user(name=f"test-{kind}", password="Passw0rd!", domain_id=zone["domain"])
        identity.add_user_to_group(user, groups[kind])
        people[kind] = user
    agent = _as_person(operator, people["agents"].id, project_id=zone["project"])
    assert _call(agent, "compute", "GET", "/servers", {}) == 200
    assert (
        _call(
            agent,
            "network",
            "POST",
            "/v2.0/security-group-rules",
            {"group": zone["security_group"]},
            {"security_group_rule": RULE},
        )
        in REFUSED
    )
    manager = _as_person(operator, people["managers"].id, domain_id=zone["domain"])
    body = {"user": {"name": "test-new", "domain_id": zone["domain"], "password": "Passw0rd!"}}
    made = _answer(manager, "identity", "POST", "/v3/users", {}, body)
    assert made.status_code == 201
    roles = {role.name: role.id for role in identity.roles()}
    known = {"project": zone["project"], "new": made.json()["user"]["id"], "user": zone["user"]}
    grant = "/v3/projects/{project}/users/{new}/roles/"
    assert _call(manager, "identity", "PUT", grant + roles["reader"], known) == 204
    for role in ("member", "manager", "admin"):
        assert _call(manager, "identity", "PUT", grant + roles[role], known) in REFUSED, role
    assert (
        _call(manager, "identity", "PATCH", "/v3/users/{user}", known, {"user": {"password": "Passw0rd!"}}) in REFUSED
    )
    assert (
        _call(manager, "identity", "PATCH", "/v3/users/{user}", theirs, {"user": {"password": "Passw0rd!"}}) in REFUSED
    )
    seen = _answer(manager, "identity", "GET", "/v3/users?domain_id={domain}", theirs)
    assert seen.status_code in REFUSED or seen.json()["users"] == []
    for user in (*people.values(), known["new"]):
        identity.delete_user(user)


def _as_person(operator: Connection, user: str, **scope: str) -> Connection:
    import openstack  # noqa: PLC0415

    auth = {"auth_url": operator.config.auth["auth_url"], "user_id": user, "password": "Passw0rd!", **scope}
    return openstack.connect(
        auth_type="v3password",
        auth=auth,
        region_name=operator.config.region_name,
        load_yaml_config=False,
        load_envvars=False,
    )


def _call(who: Connection, service: str, method: str, path: str, known: dict[str, str], body: Any = None) -> int:
    return int(_answer(who, service, method, path, known, body).status_code)


def _answer(who: Connection, service: str, method: str, path: str, known: dict[str, str], body: Any = None) -> Any:
    """One call to a service's endpoint, with ``{names}`` filled in."""
    root = who.session.get_endpoint(service_type=service, interface="public", region_name=who.config.region_name)
    base = root.partition("/v")[0] if path.startswith("/v") and service != "block-storage" else root.rstrip("/")
    return who.session.request(base + path.format(**known), method, json=_filled(body, known), raise_exc=False)


def _filled(body: Any, known: dict[str, str]) -> Any:
    if isinstance(body, dict):
        return {key: _filled(value, known) for key, value in body.items()}
    return body.format(**known) if isinstance(body, str) else body
