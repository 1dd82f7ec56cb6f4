"""Cinder's driver: a volume is a sparse raw file in the run directory (no device-mapper, no iSCSI needed)."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

from cinder import interface
from cinder.volume import driver
from oslo_config import cfg
from oslo_utils import units

from agglo_devcloud import loops

_CAPACITY_GIB = 10_000  # promised; files are sparse


@interface.volumedriver
class FileDriver(driver.VolumeDriver):
    """Volumes, snapshots, clones and images as files; a compute host attaches them by their path."""

    VERSION = "1.0"
    CI_WIKI_NAME = "none"

    def _path(self, name: str) -> Path:
        return Path(cfg.CONF.state_path) / "volumes" / name

    def _grow(self, name: str, gibibytes: int) -> None:
        with self._path(name).open("ab") as file:
            file.truncate(max(gibibytes * units.Gi, file.tell()))

    def _copy(self, source: str, target: str) -> None:
        """Copy a volume or snapshot as it is at one moment."""
        with loops.still(self._path(source)):
            subprocess.run(["cp", "--sparse=always", self._path(source), self._path(target)], check=True)

    def do_setup(self, context: Any) -> None:
        """Make the directory; guests' file systems that an earlier run left frozen go on."""
        self._path("").mkdir(parents=True, exist_ok=True)
        loops.thaw_below(self._path(""))

    def check_for_setup_error(self) -> None:
        """Nothing can be wrong."""

    def get_volume_stats(self, refresh: bool = False) -> dict[str, Any]:
        """What the scheduler asks."""
        self._stats = {
            "volume_backend_name": self.configuration.safe_get("volume_backend_name"),
            "vendor_name": "agglo",
            "driver_version": self.VERSION,
            "storage_protocol": "local",
            "total_capacity_gb": _CAPACITY_GIB,
            "free_capacity_gb": _CAPACITY_GIB,
            "provisioned_capacity_gb": 0,
            "reserved_percentage": 0,
            "thin_provisioning_support": True,
            "max_over_subscription_ratio": "20.0",
            "multiattach": False,
            "QoS_support": False,
        }
        return self._stats

    def create_volume(self, volume: Any) -> None:
        """An empty sparse file."""
        self._grow(volume.name, volume.size)

    def delete_volume(self, volume: Any) -> None:
        """Remove the file."""
        self._path(volume.name).unlink(missing_ok=True)

    def extend_volume(self, volume: Any, new_size: int) -> None:
        """Grow the file; Cinder tells Nova when it is attached."""
        self._grow(volume.name, new_size)

    def create_snapshot(self, snapshot: Any) -> None:
        """Copy the file."""
        self._copy(snapshot.volume_name, snapshot.name)

    def delete_snapshot(self, snapshot: Any) -> None:
        """Remove the copy."""
        self._path(snapshot.name).unlink(missing_ok=True)

    def create_volume_from_snapshot(self, volume: Any, snapshot: Any) -> None:
        """Copy the copy."""
        self._copy(snapshot.name, volume.name)
        self._grow(volume.name, volume.size)

    def create_cloned_volume(self, volume: Any, src_vref: Any) -> None:
        """Copy another volume."""
        self._copy(src_vref.name, volume.name)
        self._grow(volume.name, volume.size)

    def clone_image(
        self, context: Any, volume: Any, image_location: Any, image_meta: dict[str, Any], image_service: Any
    ) -> tuple[dict[str, Any], bool]:
        """Download the image into the file as it is: Cinder's own way wants qemu-img, for formats that are not here."""
        with self._path(volume.name).open("wb") as file:
            image_service.download(context, image_meta["id"], file)
        self._grow(volume.name, volume.size)
        return {}, True

    def copy_volume_to_image(self, context: Any, volume: Any, image_service: Any, image_meta: dict[str, Any]) -> None:
        """Upload the file as it is (raw, whatever format was asked for)."""
        with loops.still(self._path(volume.name)), self._path(volume.name).open("rb") as file:
            image_service.update(context, image_meta["id"], {}, file)

    def ensure_export(self, context: Any, volume: Any) -> None:
        """Files need no export."""

    def create_export(self, context: Any, volume: Any, connector: Any) -> None:
        """Files need no export."""

    def remove_export(self, context: Any, volume: Any) -> None:
        """Files need no export."""

    def initialize_connection(self, volume: Any, connector: Any) -> dict[str, Any]:
        """Where a compute host, or the backup service, finds the file.

        A restore opens it as it would a device, which ends it after the last octet that is not zero.
        """
        self._grow(volume.name, volume.size)
        data = {"device_path": str(self._path(volume.name)), "access_mode": "rw", "discard": True}
        return {"driver_volume_type": "local", "data": data}

    def terminate_connection(self, volume: Any, connector: Any, **ignored: Any) -> None:
        """Nothing to end."""
