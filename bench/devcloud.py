"""The embedded cloud alone: starts, thirty guests, memory. As root: .venv/bin/python bench/devcloud.py [--guests N]

Everything is measured in one run, on a cloud of its own. Processor time says what a start costs whatever else the
machine does meanwhile.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from agglo_devcloud import bootstrap, install, processes, slots
from agglo_devcloud.layout import Layout

if TYPE_CHECKING:
    from openstack.connection import Connection

NAME = "bench"
AGGLO = Path(sys.executable).parent / "agglo"
MIB = 1024 * 1024
TICK = os.sysconf("SC_CLK_TCK")
Figure = tuple[str, float, str]


def dev(*words: str) -> str:
    """Run a command on the cloud; its stdout."""
    command: list[str | Path] = [AGGLO, "dev", *words, "--name", NAME]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout


def seconds(*words: str) -> float:
    """Wall time of one command."""
    start = time.monotonic()
    dev(*words)
    return time.monotonic() - start


def processor(layout: Layout) -> float:
    """Seconds of a processor that the cloud's processes took since each began."""
    found = [processes.find(layout, name) for name in processes.names(layout)]
    fields = [Path(f"/proc/{p.pid}/stat").read_text().rpartition(")")[2].split() for p in found if p]
    return sum(int(user) + int(system) for user, system in (line[11:13] for line in fields)) / TICK


def memory() -> float:
    """MiB of all processes and guests, as `agglo dev status` says."""
    return float(json.loads(dev("status", "--json"))["memory"]) / MIB


def available() -> float:
    """MiB that the whole machine could still give."""
    lines = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    return int(lines["MemAvailable"].split()[0]) / 1024


def starts() -> Iterator[Figure]:
    """A new cloud, and the same after a stop."""
    yield "dev up, a new cloud", seconds("up"), "s"
    layout = slots.propose(NAME)
    yield "processor time of its services", processor(layout), "s"
    yield "dev up, nothing to do", seconds("up"), "s"
    yield "memory, new", memory(), "MiB"
    yield "dev down", seconds("down"), "s"
    yield "dev up, with data", seconds("up"), "s"
    yield "processor time of its services", processor(layout), "s"


def guests(count: int) -> Iterator[Figure]:
    """Many small guests on one network."""
    cloud = bootstrap.connect(slots.propose(NAME))
    image, flavor, network = prepared(cloud, count)
    first = served(cloud, image, flavor, network, 1)
    yield "first server of an image, ACTIVE", first, "s"
    memory_before, available_before = memory(), available()
    yield f"{count} servers more, all ACTIVE", served(cloud, image, flavor, network, count), "s"
    yield f"{count} servers more, all booted", booted(slots.propose(NAME), count + 1, 1), "s after"
    yield f"memory of {count} guests, services included", memory() - memory_before, "MiB"
    yield "what the machine has less of, its page cache aside", available_before - available(), "MiB"
    yield "memory, all", memory(), "MiB"
    yield "dev down, with guests", seconds("down"), "s"
    yield "dev up, guests come back", seconds("up"), "s"
    yield f"{count + 1} guests, all booted again", booted(slots.propose(NAME), count + 1, 2), "s after"


def prepared(cloud: Connection, count: int) -> tuple[str, str, str]:
    """An image, a flavor and a network, and quotas for ``count`` servers; their ids."""
    project = str(cloud.current_project_id)
    cloud.compute.update_quota_set(project, instances=count + 5, cores=count + 5, ram=(count + 5) * 512)
    cloud.network.update_quota(project, ports=count + 50)
    content = install.places().image.read_bytes()
    image = cloud.image.create_image(name="bench", container_format="bare", disk_format="raw", data=content)
    flavor = cloud.compute.create_flavor(name="bench", ram=256, vcpus=1, disk=5)
    network = cloud.network.create_network(name="bench")
    cloud.network.create_subnet(network_id=network.id, ip_version=4, cidr="10.9.0.0/24")
    return image.id, flavor.id, network.id


def served(cloud: Connection, image: str, flavor: str, network: str, count: int) -> float:
    """Seconds until ``count`` servers more are ACTIVE."""
    start = time.monotonic()
    wanted = len(list(cloud.compute.servers())) + count
    cloud.compute.create_server(
        name="bench", image_id=image, flavor_id=flavor, networks=[{"uuid": network}], min_count=count, max_count=count
    )
    while True:
        states = [server.status for server in cloud.compute.servers()]
        if "ERROR" in states:
            raise SystemExit("a server is in ERROR: see agglo dev logs nova --name bench")
        if states.count("ACTIVE") == wanted:
            return time.monotonic() - start
        time.sleep(0.5)


def booted(layout: Layout, count: int, boots: int) -> float:
    """Seconds until ``count`` consoles have asked for a login at each of ``boots`` boots, since now."""
    start = time.monotonic()
    while True:
        consoles = (layout.run / "nova" / "instances").glob("*/console.log")
        asked = [console.read_text(errors="replace").count(" login:") >= boots for console in consoles]
        if sum(asked) >= count:
            return time.monotonic() - start
        time.sleep(0.5)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--guests", type=int, default=30)
    count = parser.parse_args().guests
    try:
        for figures in (starts(), guests(count)):
            for what, figure, unit in figures:
                print(f"{what:<55} {figure:8.1f} {unit}", flush=True)
    finally:
        dev("reset")


if __name__ == "__main__":
    main()
