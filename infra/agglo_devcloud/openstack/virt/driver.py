"""NspawnDriver: Nova's view of guests. State is what runs on the machine; the driver remembers none of its own."""

from __future__ import annotations

import contextlib
import os
import select
import threading
import time
import uuid
from typing import Any

import os_resource_classes as orc
from nova import exception
from nova.compute import power_state, vm_states
from nova.objects import fields
from nova.virt import driver, event, hardware
from oslo_concurrency import lockutils
from oslo_log import log as logging
from oslo_serialization import jsonutils
from oslo_utils import versionutils

from agglo_devcloud import compute, disks, guests
from agglo_devcloud.openstack.virt import images, mend, moves, networks, rescue, seed, snapshots, switch, volumes
from agglo_devcloud.processes import Process

LOG = logging.getLogger(__name__)

# Generous: guests share this machine, and what they do not use costs nothing.
_VCPUS, _MEMORY_MIB, _DISK_GIB = 64, 262_144, 10_000
_CONSOLE_TAIL = 102_400  # octets, as libvirt's driver returns


class NspawnDriver(volumes.Volumes, snapshots.Snapshots, moves.Moves, rescue.Rescue):
    """Boot, stop, reboot, delete guests and plug their networks; the rest is in the base classes."""

    capabilities = {  # noqa: RUF012  # Nova's own convention
        **driver.ComputeDriver.capabilities,
        "has_imagecache": True,
        "supports_attach_interface": True,
        "supports_extend_volume": True,
        "supports_image_type_raw": True,
    }

    # Host

    def init_host(self, host: str) -> None:
        """Take the compute host's name, keep its switch running, and put right what a crash left of attachments."""
        self._host = next(known for known in compute.hosts(self._layout) if known.name == host)
        switch.watch(self._layout, self._host)
        mend.in_background(self._layout, self._host)

    def cleanup_host(self, host: str) -> None:
        """Guests go on without Nova."""

    def get_host_ip_addr(self) -> str:
        """Nobody connects to it."""
        return "127.0.0.1"

    def get_host_uptime(self) -> str:
        """This machine's, in the words of ``uptime``."""
        up = int(time.clock_gettime(time.CLOCK_BOOTTIME))
        load = ", ".join(f"{average:.2f}" for average in os.getloadavg())
        return f"up {up // 86_400} days, {up // 3600 % 24:02}:{up // 60 % 60:02}, load average: {load}"

    def get_available_nodes(self, refresh: bool = False) -> list[str]:
        """One node per host."""
        return [self._host.name]

    def get_nodenames_by_uuid(self, refresh: bool = False) -> dict[str, str]:
        """The node's identity follows from cloud and host name."""
        return {self._node_uuid(): self._host.name}

    def _node_uuid(self) -> str:
        return str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{self._host.name}.{self._layout.cloud_name}"))

    def get_available_resource(self, nodename: str) -> dict[str, Any]:
        """What Nova's own tables show; placement decides on ``update_provider_tree``."""
        return {
            "uuid": self._node_uuid(),
            "hypervisor_hostname": nodename,
            "hypervisor_type": "nspawn",
            "hypervisor_version": versionutils.convert_version_to_int("1.0"),
            "vcpus": _VCPUS,
            "memory_mb": _MEMORY_MIB,
            "local_gb": _DISK_GIB,
            "vcpus_used": 0,
            "memory_mb_used": 0,
            "local_gb_used": 0,
            "disk_available_least": _DISK_GIB,
            "cpu_info": jsonutils.dumps({"arch": "x86_64"}),
            "supported_instances": [(fields.Architecture.X86_64, fields.HVType.FAKE, fields.VMMode.HVM)],
            "numa_topology": None,
        }

    def update_provider_tree(self, provider_tree: Any, nodename: str, allocations: Any = None) -> None:
        """What placement hands out."""
        ratios = self._get_allocation_ratios(provider_tree.data(nodename).inventory)
        totals = {orc.VCPU: _VCPUS, orc.MEMORY_MB: _MEMORY_MIB, orc.DISK_GB: _DISK_GIB}
        inventory = {name: _inventory(total, ratios[name]) for name, total in totals.items()}
        provider_tree.update_inventory(nodename, inventory)

    # Guests

    def list_instance_uuids(self) -> list[str]:
        """This host's guests."""
        return [guest.uuid for guest in guests.all_guests(self._layout) if guest.host == self._host.name]

    def list_instances(self) -> list[str]:
        """The same."""
        return self.list_instance_uuids()

    def instance_exists(self, instance: Any) -> bool:
        """True when it has files."""
        return bool(self._guest(instance).directory.is_dir())

    def instance_on_disk(self, instance: Any) -> bool:
        """The same."""
        return self.instance_exists(instance)

    def get_num_instances(self) -> int:
        """How many have files."""
        return len(self.list_instance_uuids())

    def get_info(self, instance: Any, use_cache: bool = True) -> Any:
        """Running or shut down, as the machine says."""
        running = self._guest(instance).process() is not None
        return hardware.InstanceInfo(state=power_state.RUNNING if running else power_state.SHUTDOWN)

    def spawn(
        self,
        context: Any,
        instance: Any,
        image_meta: Any,
        injected_files: Any,
        admin_password: str | None,
        allocations: Any,
        network_info: Any = None,
        block_device_info: Any = None,
        power_on: bool = True,
        accel_info: Any = None,
    ) -> None:
        """Boot a new guest on the image."""
        guest, wanted = self._guest(instance), volumes.wanted(instance, block_device_info)
        networks.plug(self._host, guest, network_info or [])
        guests.mount(guest, self._host.name, images.ensure(self._layout, context, instance.image_ref))
        seed.write(guest.root, instance, injected_files, admin_password, network_info)
        if power_on:
            self._start(instance, wanted)

    def _start(self, instance: Any, wanted: list[disks.Disk]) -> None:
        guest = self._guest(instance)
        process = guests.start(
            guest,
            hostname=instance.hostname or guest.machine,
            memory_mib=instance.flavor.memory_mb,
            disks=disks.prepare(guest, wanted),
        )
        self._watch(instance, process)

    def _watch(self, instance: Any, process: Process) -> None:
        """Look after a guest that ends by itself."""
        with contextlib.suppress(ProcessLookupError):
            ended = os.pidfd_open(process.pid)
            threading.Thread(target=self._after_end, args=(instance, process.pid, ended), daemon=True).start()

    def _after_end(self, instance: Any, pid: int, ended: int) -> None:
        """Boot again a guest that asked for it; tell Nova of one that powered itself off."""
        select.select([ended], [], [])
        os.close(ended)
        status = 0
        with contextlib.suppress(ChildProcessError):  # a guest from before Nova's restart is nobody's child
            status = os.waitstatus_to_exitcode(os.waitpid(pid, os.WNOHANG)[1])
        if status == guests.REBOOT:
            self._boot_again(instance)
        else:
            self.emit_event(event.LifecycleEvent(instance.uuid, event.EVENT_LIFECYCLE_STOPPED))

    def _boot_again(self, instance: Any) -> None:
        guest = self._guest(instance)
        # the lock is that of Nova's manager, which may just have stopped or deleted the server
        with lockutils.lock(instance.uuid, lock_file_prefix="nova-"), contextlib.suppress(exception.InstanceNotFound):
            instance.refresh()
            if instance.vm_state == vm_states.ACTIVE and guest.process() is None:
                self._start(instance, disks.known(guest))

    def power_off(self, instance: Any, timeout: int = 0, retry_interval: int = 0) -> None:
        """Shut it down."""
        guest = self._guest(instance)
        guests.stop(self._layout, [guest])
        disks.release(guest)

    def power_on(
        self,
        context: Any,
        instance: Any,
        network_info: Any,
        block_device_info: Any = None,
        accel_info: Any = None,
        share_info: Any = None,
    ) -> None:
        """Boot it from its own files; nothing when it runs."""
        self._boot(context, instance, network_info, volumes.wanted(instance, block_device_info))

    def _boot(self, context: Any, instance: Any, network_info: Any, wanted: list[disks.Disk]) -> None:
        guest = self._guest(instance)
        networks.plug(self._host, guest, network_info or [])
        guests.mount(guest, self._host.name, images.ensure(self._layout, context, instance.image_ref))
        if guest.process() is None:
            self._start(instance, wanted)

    def reboot(
        self,
        context: Any,
        instance: Any,
        network_info: Any,
        reboot_type: str,
        block_device_info: Any = None,
        bad_volumes_callback: Any = None,
        accel_info: Any = None,
        share_info: Any = None,
    ) -> None:
        """Shut down and boot."""
        self.power_off(instance)
        self.power_on(context, instance, network_info, block_device_info)

    def resume_state_on_host_boot(
        self,
        context: Any,
        instance: Any,
        network_info: Any,
        share_info: Any = None,
        block_device_info: Any = None,
    ) -> None:
        """Boot a guest that ran before the cloud went down."""
        self.power_on(context, instance, network_info, block_device_info)

    def destroy(
        self,
        context: Any,
        instance: Any,
        network_info: Any,
        block_device_info: Any = None,
        destroy_disks: bool = True,
        destroy_secrets: bool = True,
    ) -> None:
        """Stop it, unplug it, and delete its files if asked."""
        guest = self._guest(instance)
        guests.stop(self._layout, [guest])
        disks.release(guest)
        self.unplug_vifs(instance, network_info)
        if destroy_disks:
            guests.remove(guest)
        else:
            guests.unmount(guest)

    def cleanup(
        self,
        context: Any,
        instance: Any,
        network_info: Any,
        block_device_info: Any = None,
        destroy_disks: bool = True,
        migrate_data: Any = None,
        destroy_vifs: bool = True,
        destroy_secrets: bool = True,
    ) -> None:
        """After a failed boot."""
        self.destroy(context, instance, network_info, block_device_info, destroy_disks)

    def get_console_output(self, context: Any, instance: Any) -> bytes:
        """The end of what it wrote to its console."""
        with contextlib.suppress(FileNotFoundError):
            return bytes(self._guest(instance).console.read_bytes()[-_CONSOLE_TAIL:])
        return b""

    # Networks

    def plug_vifs(self, instance: Any, network_info: Any) -> None:
        """Plug again what a restarted switch lost; also watch the guest, since Nova calls it once as it starts."""
        guest = self._guest(instance)
        networks.plug(self._host, guest, network_info or [])
        process = guest.process()
        if process:
            self._watch(instance, process)

    def unplug_vifs(self, instance: Any, network_info: Any) -> None:
        """Unplug all."""
        networks.unplug(self._host, self._guest(instance), network_info or [])

    def attach_interface(self, context: Any, instance: Any, image_meta: Any, vif: Any) -> None:
        """Plug one more."""
        networks.plug(self._host, self._guest(instance), [vif])

    def detach_interface(self, context: Any, instance: Any, vif: Any) -> None:
        """Unplug one."""
        networks.unplug(self._host, self._guest(instance), [vif])

    # What Nova calls now and then

    def manage_image_cache(self, context: Any, all_instances: Any) -> None:
        """Unpacked images stay: a development cloud boots them again."""


def _inventory(total: int, ratio: float) -> dict[str, Any]:
    return {
        "total": total,
        "min_unit": 1,
        "max_unit": total,
        "step_size": 1,
        "allocation_ratio": ratio,
        "reserved": 0,
    }
