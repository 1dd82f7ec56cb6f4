"""Volumes of a server: what Nova says of them, as a guest's disks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nova import exception
from nova.virt import driver

from agglo_devcloud import disks, loops
from agglo_devcloud.disks import Disk
from agglo_devcloud.errors import DevCloudError
from agglo_devcloud.openstack.virt import base

ROOT = "/dev/vda"  # what Nova calls the root disk; no such device is in the guest


def wanted(instance: Any, block_device_info: Any) -> list[Disk]:
    """The disks of Nova's mapping. Raises BuildAbortException for a root on a volume, which no guest can boot from."""
    mapping = driver.block_device_info_get_mapping(block_device_info)
    found = [_disk(entry["connection_info"], entry["mount_device"]) for entry in mapping]
    if any(disk.name == Path(instance.root_device_name or ROOT).name for disk in found):
        reason = "the embedded cloud's guests boot from an image only: attach the volume as a further disk"
        raise exception.BuildAbortException(instance_uuid=instance.uuid, reason=reason)
    return found


def _disk(connection: Any, mountpoint: str) -> Disk:
    return Disk(Path(mountpoint).name, connection["serial"], Path(connection["data"]["device_path"]))


class Volumes(base.Base):
    """The part of the driver that attaches volumes; state is the guest's and the kernel's."""

    def default_root_device_name(self, instance: Any, image_meta: Any, root_bdm: Any) -> str:
        """As with KVM, so that the first volume is ``/dev/vdb``."""
        return ROOT

    def attach_volume(
        self,
        context: Any,
        connection_info: Any,
        instance: Any,
        mountpoint: str,
        disk_bus: Any = None,
        device_type: Any = None,
        encryption: Any = None,
    ) -> None:
        """Give the guest a disk."""
        disks.attach(self._guest(instance), _disk(connection_info, mountpoint))

    def detach_volume(
        self, context: Any, connection_info: Any, instance: Any, mountpoint: str, encryption: Any = None
    ) -> None:
        """Take it away; a guest that has it mounted keeps it, and Nova says so."""
        guest, volume = self._guest(instance), connection_info["serial"]
        if not guest.directory.is_dir():
            return
        if guest.process() and disks.in_use(guest, volume):
            raise exception.DeviceDetachFailed(device=mountpoint, reason="the guest has it mounted: unmount it first")
        try:
            disks.detach(guest, volume)
        except DevCloudError as error:
            raise exception.DeviceDetachFailed(device=mountpoint, reason=error.message) from error

    def get_volume_connector(self, instance: Any) -> dict[str, Any]:
        """Who attaches: Cinder keeps it with the attachment."""
        return {"ip": "127.0.0.1", "initiator": "agglo", "host": self._host.name}

    def extend_volume(self, context: Any, connection_info: Any, instance: Any, requested_size: int) -> None:
        """Show the guest its volume's new size."""
        loops.refresh(Path(connection_info["data"]["device_path"]))
