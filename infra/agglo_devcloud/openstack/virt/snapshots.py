"""Images of servers: what a guest has written over its image, and the image, as a new one in Glance."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nova.compute import task_states
from nova.image import glance

from agglo_devcloud import disks, guests
from agglo_devcloud.commands import run
from agglo_devcloud.openstack.virt import base, images, seed

_SECONDS = 600.0


class Snapshots(base.Base):
    """The part of the driver that makes images of servers, running or not; their volumes are no part of it."""

    def snapshot(self, context: Any, instance: Any, image_id: str, update_task_state: Any) -> None:
        """Pack the guest's root as it is and upload it."""
        guest, service = self._guest(instance), glance.API()
        guests.mount(guest, self._host.name, images.ensure(self._layout, context, instance.image_ref))
        packed = guest.directory / f"{image_id}.squashfs"
        update_task_state(task_state=task_states.IMAGE_PENDING_UPLOAD)
        try:
            _pack(guest.root, packed)
            update_task_state(task_state=task_states.IMAGE_UPLOADING, expected_state=task_states.IMAGE_PENDING_UPLOAD)
            metadata = {
                "name": service.get(context, image_id)["name"],
                "disk_format": "raw",
                "container_format": "bare",
                "is_public": False,
                "properties": {},
            }
            with packed.open("rb") as data:
                service.update(context, image_id, metadata, data, purge_props=False)
        finally:
            packed.unlink(missing_ok=True)


def _pack(root: Path, target: Path) -> None:
    """As the golden image is packed, faster; without what this driver wrote for this very server."""
    command: list[str | Path] = ["mksquashfs", root, target, "-noappend", "-quiet", "-no-progress"]
    command += ["-comp", "zstd", "-Xcompression-level", "1", "-e", seed.PATH, disks.TMPFILES]
    run(command, timeout=_SECONDS)
