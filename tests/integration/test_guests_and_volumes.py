"""Volumes and servers as on any OpenStack: what is written stays, through every action that Nova and Cinder know."""

from __future__ import annotations

import base64
import json
import os
import signal
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from openstack.exceptions import ResourceFailure

from agglo_devcloud import cgroups, guests, loops, processes
from agglo_devcloud.commands import run
from agglo_devcloud.guests import Guest
from tests.integration.conftest import NAME, Cloud, Inside

if TYPE_CHECKING:
    from openstack.connection import Connection

pytestmark = [pytest.mark.integration, pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")]
GIB = 1024**3
SMALL, BIG = 256, 384  # MiB


def _soon(check: Callable[[], Any], seconds: float = 90) -> Any:
    """What ``check`` answers as soon as it is true; an assertion that fails inside counts as "not yet"."""
    end = time.monotonic() + seconds
    while True:
        try:
            if found := check():
                return found
        except AssertionError:
            pass
        assert time.monotonic() < end, "not in time"
        time.sleep(0.3)


@dataclass(frozen=True)
class Lab:
    """Servers and volumes of these tests: two networks of their own, an image of the metropolis."""

    cloud: Cloud
    operator: Connection
    image: str
    networks: tuple[str, ...]
    flavors: dict[int, str]

    def boot(self, name: str, *, networks: int = 1, user_data: str = "", **options: Any) -> Any:
        """A new server, once it is ACTIVE."""
        data = {"user_data": base64.b64encode(user_data.encode()).decode()} if user_data else {}
        made = self.operator.compute.create_server(
            name=name,
            flavor_id=self.flavors[SMALL],
            networks=[{"uuid": network} for network in self.networks[:networks]],
            **{"image_id": self.image, **data, **options},
        )
        return self.operator.compute.wait_for_server(made, wait=120)

    def inside(self, server: Any) -> Inside:
        """The way into a server that has booted."""

        def booted() -> Inside | None:
            way = self.cloud.inside(server.id)
            state = way.run("sh", "-c", "systemctl is-system-running || true").strip()
            return way if state in ("running", "degraded") else None

        return _soon(booted)

    def again(self, server: Any, act: Callable[[], object]) -> Inside:
        """The way into the server after ``act``, which has it boot again."""
        guest = Guest(self.cloud.layout, server.id)
        before = guests.leader(guest)
        act()
        _soon(lambda: guests.leader(guest) not in (None, before))
        self.until(server, "ACTIVE")
        return self.inside(server)

    def until(self, server: Any, status: str) -> None:
        """Wait until the server has this status and nothing is under way."""

        def there() -> bool:
            now = self.operator.compute.get_server(server.id)
            assert now.status != "ERROR" or status == "ERROR", now.fault
            return now.status == status and now.task_state is None

        _soon(there)

    def volume(self, name: str, **source: Any) -> Any:
        """A new volume of 1 GiB."""
        made = self.operator.block_storage.create_volume(name=name, **{"size": 1, **source})
        return self.settle(made)

    def settle(self, volume: Any, status: str = "available", seconds: int = 120) -> Any:
        """The volume, backup or snapshot, once it has this status."""
        failures = ["error", "error_restoring", "error_extending"]
        volume.fetch(self.operator.block_storage)  # or its status of last time would do
        return self.operator.block_storage.wait_for_status(volume, status, failures, 0.3, seconds)

    def attach(self, server: Any, volume: Any) -> str:
        """The device in the guest."""
        self.operator.compute.create_volume_attachment(server, volume_id=volume.id)
        self.settle(volume, "in-use")
        return device(volume)

    def detach(self, server: Any, volume: Any) -> None:
        """Wait until it is available."""
        self.operator.compute.delete_volume_attachment(server, volume.id)
        self.settle(volume)

    def delete(self, *servers: Any) -> None:
        """Wait until they are gone."""
        for server in servers:
            self.operator.compute.delete_server(server)
        for server in servers:
            self.operator.compute.wait_for_delete(server, interval=0.3, wait=60)

    def crash(self, meanwhile: Callable[[], object]) -> None:
        """Kill Nova and do something, also kill Cinder, and start both again."""
        for name in ("nova", "cinder"):
            process = processes.find(self.cloud.layout, name)
            assert process
            os.kill(process.pid, signal.SIGKILL)
            _soon(lambda process=process: not process.alive())
            if name == "nova":
                meanwhile()
        self.cloud.done("dev", "up", "--name", NAME)

    def ports(self, server: Any) -> dict[str, Any]:
        """Its ports with their addresses."""
        return {port.id: port.fixed_ips for port in self.operator.network.ports(device_id=server.id)}


def device(volume: Any) -> str:
    """Where playbooks find a volume, on any KVM cloud and here."""
    return f"/dev/disk/by-id/virtio-{volume.id[:20]}"


@pytest.fixture(scope="module")
def lab(cloud: Cloud, operator: Connection) -> Iterator[Lab]:
    """Nothing of it is left at the end, whatever happened, nor of a run before on a cloud that stays."""
    images = cloud.record("metro/RegionOne")["outputs"]["images"]
    flavors = {ram: f"lab-{ram}" for ram in (SMALL, BIG)}
    _remove_all(operator, list(flavors.values()))
    try:
        made = [operator.compute.create_flavor(name=n, ram=ram, vcpus=1, disk=5) for ram, n in flavors.items()]
        networks = [operator.network.create_network(name=f"lab{number}") for number in (1, 2)]
        for number, network in enumerate(networks):
            cidr = f"10.77.{number}.0/24"
            operator.network.create_subnet(name=network.name, network_id=network.id, ip_version=4, cidr=cidr)
        identities = tuple(network.id for network in networks)
        image = next(iter(images.values()))["id"]
        yield Lab(cloud, operator, image, identities, {flavor.ram: flavor.id for flavor in made})
    finally:
        with warnings.catch_warnings():  # pytest may tear down when the last test, and its mark, is gone
            warnings.simplefilter("ignore", PendingDeprecationWarning)
            _remove_all(operator, list(flavors.values()))


def _remove_all(operator: Connection, flavors: list[str]) -> None:
    storage, compute = operator.block_storage, operator.compute
    servers = [server for server in compute.servers() if server.name.startswith("lab-")]
    for server in servers:
        compute.delete_server(server)
    for server in servers:
        compute.wait_for_delete(server, wait=60)
    for kind in ("backup", "snapshot", "volume"):
        found = [made for made in getattr(storage, f"{kind}s")() if made.name.startswith("lab-")]
        for made in found:
            _soon(
                lambda made=made, kind=kind: getattr(storage, f"get_{kind}")(made.id).status in ("available", "error")
            )
            getattr(storage, f"delete_{kind}")(made)
        for made in found:
            storage.wait_for_delete(made, interval=0.3, wait=60)
    for image in list(operator.image.images(name="lab-image")):
        operator.image.delete_image(image)
    for group in [group for group in compute.server_groups() if group.name == "lab-apart"]:
        compute.delete_server_group(group)
    for name in ("lab1", "lab2"):
        if network := operator.network.find_network(name):
            operator.network.delete_network(network)
    for name in flavors:
        if flavor := compute.find_flavor(name):
            compute.delete_flavor(flavor)


@pytest.fixture(scope="module")
def pair(lab: Lab) -> tuple[Any, Any]:
    """Two servers; the first is on both networks, and writes a file as it boots for the first time."""
    with ThreadPoolExecutor() as pool:
        first = pool.submit(lab.boot, "lab-first", networks=2, user_data=_user_data("one"))
        second = pool.submit(lab.boot, "lab-second")
        return first.result(), second.result()


def _user_data(text: str) -> str:
    return f"#cloud-config\nwrite_files: [{{path: /etc/lab, content: {text}}}]\n"


@pytest.fixture(scope="module")
def data(lab: Lab, pair: tuple[Any, Any]) -> Any:
    """A volume with a file system and a file, attached to the first server, in its fstab and mounted."""
    volume = lab.volume("lab-data")
    where = lab.attach(pair[0], volume)
    script = f"""
        mkfs.ext4 -q {where}
        mkdir /srv/data
        echo '{where} /srv/data ext4 defaults,nofail 0 2' >> /etc/fstab
        mount /srv/data
        echo kept > /srv/data/file
    """
    lab.inside(pair[0]).run("sh", "-ec", script)
    return volume


def test_a_volume_is_mounted_again_after_each_kind_of_reboot(lab: Lab, pair: tuple[Any, Any], data: Any) -> None:
    first, _ = pair
    reboots: list[Callable[[], object]] = [
        lambda: lab.operator.compute.reboot_server(first, "SOFT"),
        lambda: lab.inside(first).run("systemctl", "--no-block", "reboot"),
    ]
    for reboot in reboots:
        inside = lab.again(first, reboot)
        assert inside.run("cat", "/srv/data/file") == "kept\n"
        assert inside.run("findmnt", "--noheadings", "--output", "FSTYPE", "/srv/data") == "ext4\n"
    assert "file systems of volumes" in lab.operator.compute.get_server_console_output(first)["output"]


def test_a_guest_reaches_its_own_devices_only(lab: Lab, pair: tuple[Any, Any], data: Any) -> None:
    mine = loops.find(lab.cloud.layout.run / "cinder" / "volumes" / f"volume-{data.id}")
    assert mine
    major, minor = loops.number(mine)
    look = f"cd /root; mknod other b {major} {minor + 1} && head -c1 other"
    for server, allowed in zip(pair, (True, False), strict=True):
        inside = lab.inside(server)
        # as a service: what nsenter starts is in none of the guest's control groups
        within = ["systemd-run", "--quiet", "--wait", "--pipe", "sh", "-c"]
        assert "refused" in inside.run(*within, f"({look}) 2>/dev/null || echo refused")
        own = f"mknod /root/own b {major} {minor} && head -c1 /root/own >/dev/null && echo read || echo refused"
        assert inside.run(*within, own) == ("read\n" if allowed else "refused\n")


def test_a_mounted_volume_is_not_detached_and_grows_in_place(lab: Lab, pair: tuple[Any, Any], data: Any) -> None:
    first, second = pair
    inside, where = lab.inside(first), device(data)
    lab.operator.compute.delete_volume_attachment(first, data.id)
    lab.settle(data, "in-use")
    assert inside.run("cat", "/srv/data/file") == "kept\n"
    lab.operator.block_storage.extend_volume(data, 2)
    lab.settle(data, "in-use")
    _soon(lambda: inside.run("blockdev", "--getsize64", where) == f"{2 * GIB}\n")
    # not by resize2fs while it is mounted: for ext4 that needs a capability that some machines keep from their root
    inside.run("sh", "-ec", f"umount /srv/data; e2fsck -fp {where}; resize2fs {where}")
    lab.detach(first, data)
    assert inside.run("sh", "-c", "ls /dev/vd* /dev/disk/by-id/* 2>/dev/null || true") == ""
    where = lab.attach(second, data)
    there = lab.inside(second)
    assert there.run("sh", "-ec", f"mount {where} /mnt; cat /mnt/file; echo of second > /mnt/second") == "kept\n"
    assert int(there.run("findmnt", "-nbo", "SIZE", "/mnt")) > 1.8 * GIB


def test_snapshots_clones_and_backups_hold_what_a_busy_volume_held(lab: Lab, pair: tuple[Any, Any], data: Any) -> None:
    first, _ = pair
    storage = lab.operator.block_storage
    snapshot = lab.settle(storage.create_snapshot(name="lab-snapshot", volume_id=data.id, is_forced=True))
    backup = lab.settle(storage.create_backup(name="lab-backup", volume_id=data.id, force=True), seconds=240)
    assert lab.operator.object_store.get_container_metadata("volumebackups")
    restored = storage.restore_backup(backup, name="lab-restored")
    copies = [lab.volume("lab-from-snapshot", snapshot_id=snapshot.id, size=2)]
    copies.append(lab.settle(storage.get_volume(restored.volume_id), seconds=240))
    inside = lab.inside(first)
    for copy in copies:
        where = lab.attach(first, copy)
        assert inside.run("sh", "-ec", f"mount {where} /mnt; cat /mnt/second; umount /mnt") == "of second\n"
        lab.detach(first, copy)


def test_data_outlive_their_server(lab: Lab, pair: tuple[Any, Any], data: Any) -> None:
    first, second = pair
    lab.delete(second)
    lab.settle(data)
    where = lab.attach(first, data)
    assert lab.inside(first).run("sh", "-ec", f"mount {where} /mnt; cat /mnt/file; umount /mnt") == "kept\n"


def test_an_image_of_a_server_rebuilds_it_with_its_volume_and_ports(lab: Lab, pair: tuple[Any, Any], data: Any) -> None:
    first, _ = pair
    inside, ports = lab.inside(first), lab.ports(first)
    assert len(ports) == 2
    assert inside.run("cat", "/etc/lab") == "one"
    inside.run("sh", "-ec", "echo written > /root/written; cloud-init clean; sync")  # as for any image of a server
    image = lab.operator.compute.create_server_image(first, "lab-image", wait=True, timeout=180)
    rebuild = {"image": image.id, "user_data": base64.b64encode(_user_data("two").encode()).decode()}
    inside = lab.again(first, lambda: lab.operator.compute.rebuild_server(first, **rebuild))
    assert inside.run("cat", "/root/written", "/etc/lab", "/srv/data/file") == "written\ntwokept\n"
    assert lab.ports(first) == ports
    addresses = {fixed["ip_address"] for fixed_ips in ports.values() for fixed in fixed_ips}
    _soon(lambda: all(address in inside.run("ip", "-brief", "address") for address in addresses))


def test_a_server_is_resized_and_goes_back(lab: Lab, pair: tuple[Any, Any], data: Any) -> None:
    first, _ = pair
    compute, guest, ports = lab.operator.compute, Guest(lab.cloud.layout, first.id), lab.ports(first)
    for finish, memory in (("revert_server_resize", SMALL), ("confirm_server_resize", BIG)):
        compute.resize_server(first, lab.flavors[BIG])
        lab.until(first, "VERIFY_RESIZE")
        assert _memory_limit(guest) == BIG
        getattr(compute, finish)(first)
        lab.until(first, "ACTIVE")
        assert _memory_limit(guest) == memory
    assert lab.inside(first).run("cat", "/root/written", "/srv/data/file") == "written\nkept\n"
    assert lab.ports(first) == ports


def _memory_limit(guest: Guest) -> int:
    """MiB, as the kernel knows it."""
    files = [hierarchy.limit_file(hierarchy.group(guest.layout, guest.machine)) for hierarchy in cgroups.mounted()]
    return next(int(file.read_text()) // 1024**2 for file in files if file and file.exists())


def test_a_server_is_rescued_from_another_image(lab: Lab, pair: tuple[Any, Any], data: Any) -> None:
    first, _ = pair
    lab.operator.compute.rescue_server(first, image_ref=lab.image)
    lab.until(first, "RESCUE")
    inside = lab.inside(first)
    assert inside.run("sh", "-ec", "cat /mnt/root/written; ls /root; echo mended > /mnt/root/mended") == "written\n"
    assert inside.run("stat", "--format=%F", "/dev/vdb") == "block special file\n"
    inside = lab.again(first, lambda: lab.operator.compute.unrescue_server(first))
    assert inside.run("cat", "/root/mended", "/srv/data/file") == "mended\nkept\n"


def test_a_guest_asks_the_metadata_service_who_it_is(lab: Lab, pair: tuple[Any, Any]) -> None:
    first, _ = pair
    inside = lab.inside(first)
    ask = ("curl", "--silent", "--show-error", "--fail", "--max-time", "10")
    answer = json.loads(inside.run(*ask, "http://169.254.169.254/openstack/latest/meta_data.json"))
    assert (answer["uuid"], answer["name"]) == (first.id, "lab-first")
    assert inside.run(*ask, "http://169.254.169.254/openstack/latest/user_data") == _user_data("two")


def test_servers_of_a_group_are_apart(lab: Lab) -> None:
    compute = lab.operator.compute
    group = compute.create_server_group(name="lab-apart", policy="anti-affinity")
    servers = [lab.boot(f"lab-apart-{n}", scheduler_hints={"group": group.id}) for n in (1, 2)]
    assert {compute.get_server(server.id).compute_host for server in servers} == {"compute-1", "compute-2"}
    with pytest.raises(ResourceFailure):
        lab.boot("lab-apart-3", scheduler_hints={"group": group.id})
    lab.delete(*servers)


def test_a_root_on_a_volume_is_refused_in_words(lab: Lab) -> None:
    root = {
        "boot_index": 0,
        "uuid": lab.image,
        "source_type": "image",
        "destination_type": "volume",
        "volume_size": 2,
        "delete_on_termination": True,
    }
    with pytest.raises(ResourceFailure):
        lab.boot("lab-root", block_device_mapping=[root])
    (server,) = lab.operator.compute.servers(name="lab-root")
    assert "boot from an image only: attach the volume as a further disk" in server.fault["message"]
    lab.delete(server)


def test_a_volume_named_at_boot_is_there_after_a_crash_and_after_down_and_up(
    lab: Lab, pair: tuple[Any, Any], data: Any
) -> None:
    first, _ = pair
    lab.inside(first).run("umount", "/srv/data")
    lab.detach(first, data)
    local = {"boot_index": 0, "uuid": lab.image, "source_type": "image", "destination_type": "local"}
    volume = {"boot_index": -1, "uuid": data.id, "source_type": "volume", "destination_type": "volume"}
    third = lab.boot("lab-third", block_device_mapping=[local, volume])
    where, layout = device(data), lab.cloud.layout
    look = ("sh", "-ec", f"mount {where} /mnt; cat /mnt/file; umount /mnt")
    assert lab.inside(third).run(*look) == "kept\n"
    # Nova and Cinder are killed while they detach one volume and attach another: neither has happened
    other = lab.volume("lab-other")
    lab.attach(third, other)
    forget = f"update block_device_mapping set connection_info = null where volume_id = '{other.id}' and deleted = 0"
    database = ["mariadb", "--socket", layout.mysql_socket, "nova", "--execute"]

    def interrupt() -> None:
        lab.operator.block_storage.reset_volume_status(data, status="detaching")
        run([*database, forget])

    lab.crash(interrupt)
    lab.settle(data, "in-use")
    lab.settle(other)
    inside = lab.inside(third)
    assert inside.run(*look) == "kept\n"
    assert inside.run("sh", "-c", "ls /dev/disk/by-id") == f"{Path(where).name}\n"
    lab.cloud.done("dev", "down", "--name", NAME)
    assert loops.below(layout.run) == []
    lab.cloud.done("dev", "up", "--name", NAME)
    lab.until(third, "ACTIVE")
    assert lab.inside(third).run(*look) == "kept\n"
