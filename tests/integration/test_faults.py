"""Faults on demand, on a real cloud: each breaks what it says, is listed, and is healed with its data."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import requests
from openstack.connection import Connection

from agglo_devcloud import network, processes, vault
from agglo_devcloud.commands import succeeds
from agglo_devcloud.layout import EDGE_ADDRESS
from tests.integration.conftest import NAME, Cloud, wait_until

pytestmark = [pytest.mark.integration, pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")]


@pytest.fixture(autouse=True)
def healed(cloud: Cloud) -> Iterator[None]:
    """Nothing is broken before and after each test."""
    assert faults(cloud) == []
    yield
    cloud.done("dev", "fault", "heal", "--name", NAME)
    assert json.loads(cloud.done("dev", "status", "--name", NAME, "--json"))["up"] is True
    wait_until(lambda: reachable(cloud))


def fault(cloud: Cloud, *words: str) -> str:
    return cloud.done("dev", "fault", *words, "--name", NAME)


def faults(cloud: Cloud) -> list[str]:
    return [found["name"] for found in json.loads(fault(cloud, "list", "--json"))]


def states(cloud: Cloud) -> dict[str, str]:
    """State by service."""
    found = json.loads(cloud.agglo("dev", "status", "--name", NAME, "--json").stdout)
    return {service["name"]: service["state"] for service in found["services"]}


def asked(cloud: Cloud, service: str, seconds: float = 5) -> float:
    """How long a service takes to answer. Raises requests.Timeout."""
    start = time.monotonic()
    requests.get(cloud.layout.url(service), timeout=seconds)
    return time.monotonic() - start


@contextmanager
def container(cloud: Cloud, operator: Connection) -> Iterator[Callable[[str, bytes], int]]:
    """Puts objects into a container that is deleted at the end; the HTTP status."""
    at = f"{operator.object_store.get_endpoint()}/faults"
    token = {"X-Auth-Token": operator.session.get_token()}
    assert requests.put(at, headers=token, timeout=30).ok
    try:
        yield lambda name, body: requests.put(f"{at}/{name}", data=body, headers=token, timeout=30).status_code
    finally:
        for name in requests.get(at, headers=token, timeout=30).text.split():
            requests.delete(f"{at}/{name}", headers=token, timeout=30)
        requests.delete(at, headers=token, timeout=30)


def test_a_frozen_service_answers_nothing_and_goes_on_where_it_was(cloud: Cloud) -> None:
    before = processes.find(cloud.layout, "glance")
    fault(cloud, "stop", "glance")
    assert states(cloud)["glance"] == "stopped"
    with pytest.raises(requests.Timeout):
        asked(cloud, "glance", 1)
    assert faults(cloud) == ["stop-glance"]
    fault(cloud, "heal", "stop-glance")
    assert asked(cloud, "glance") < 2
    assert processes.find(cloud.layout, "glance") == before


def test_a_slow_service_answers_late(cloud: Cloud) -> None:
    fault(cloud, "slow", "glance", "--delay", "2")
    assert max(asked(cloud, "glance", 30) for _ in range(3)) > 1
    fault(cloud, "heal")
    assert asked(cloud, "glance") < 1


def test_the_database_may_die_under_all_services(cloud: Cloud, operator: Connection) -> None:
    fault(cloud, "kill", "mariadb")
    assert states(cloud)["mariadb"] == "dead"
    fault(cloud, "heal", "kill-mariadb")
    wait_until(lambda: list(operator.network.networks(name="public")))
    wait_until(lambda: list(operator.compute.servers(all_projects=True)))


def test_a_sealed_vault_gives_nothing_until_it_is_healed(cloud: Cloud) -> None:
    fault(cloud, "seal")
    assert states(cloud)["vault"] == "sealed"
    assert not vault.healthy(cloud.layout)
    fault(cloud, "heal")
    assert vault.healthy(cloud.layout)


def test_a_full_disk_refuses_objects_and_keeps_those_of_before_and_after(cloud: Cloud, operator: Connection) -> None:
    with container(cloud, operator) as put:
        assert put("before", b"x" * 1000) == 201
        fault(cloud, "fill", "objects", "--left", "1")
        assert put("large", bytes(4 * 1024 * 1024)) >= 500
        wait_until(lambda: put("small", b"y" * 1000) == 201)  # Swift leaves a disk alone for a second
        again = cloud.agglo("dev", "fault", "fill", "objects", "--name", NAME)
        assert again.returncode == 1
        assert "full already" in again.stderr
        fault(cloud, "heal")
        wait_until(lambda: put("large", bytes(4 * 1024 * 1024)) == 201)
        for name, size in (("before", 1000), ("small", 1000), ("large", 4 * 1024 * 1024)):
            assert operator.object_store.get_object_metadata(name, container="faults").content_length == size


def test_a_full_disk_refuses_images(cloud: Cloud, operator: Connection) -> None:
    fault(cloud, "fill", "images", "--left", "1")
    image = operator.image.create_image(name="faults", container_format="bare", disk_format="raw")
    at = f"{cloud.layout.url('glance')}/v2/images/{image.id}/file"
    headers = {"X-Auth-Token": operator.session.get_token(), "Content-Type": "application/octet-stream"}
    try:
        assert requests.put(at, data=bytes(8 * 1024 * 1024), headers=headers, timeout=60).status_code in (413, 500, 503)
        fault(cloud, "heal")
        answer = requests.put(at, data=bytes(8 * 1024 * 1024), headers=headers, timeout=60)
        assert answer.status_code == 204
    finally:
        operator.image.delete_image(image)


def reachable(cloud: Cloud) -> bool:
    """True when the edges' address answers the outside."""
    connect = f"exec 3<>/dev/tcp/{EDGE_ADDRESS}/443"
    return succeeds(network.enter(cloud.layout.external_netns, "timeout", "2", "bash", "-c", connect))


def test_a_cut_outside_reaches_no_floating_address(cloud: Cloud) -> None:
    wait_until(lambda: reachable(cloud))
    fault(cloud, "cut", "public")
    assert not reachable(cloud)
    assert faults(cloud) == ["cut-public"]
    fault(cloud, "heal", "cut-public")
    wait_until(lambda: reachable(cloud))


def test_a_cut_compute_host_is_parted_from_the_other(cloud: Cloud) -> None:
    other = network.enter(cloud.layout.netns("c1"), "ping", "-c", "1", "-W", "1", "172.31.255.2")
    wait_until(lambda: succeeds(other))
    fault(cloud, "cut", "compute-2-underlay")
    assert not succeeds(other)
    fault(cloud, "heal")
    wait_until(lambda: succeeds(other))


def test_up_makes_the_cloud_whole_whatever_is_broken(cloud: Cloud) -> None:
    for words in (("stop", "mariadb"), ("kill", "zygote"), ("cut", "compute-1"), ("seal",), ("fill", "volumes")):
        fault(cloud, *words)
    assert len(faults(cloud)) == 5
    cloud.done("dev", "up", "--name", NAME)
    assert faults(cloud) == []
    assert cloud.done("dev", "up", "--name", NAME).startswith(f"The embedded cloud '{NAME}' was up already")
    assert set(states(cloud).values()) == {"up"}
