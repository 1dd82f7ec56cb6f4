"""Volumes that a crash left half attached or half detached, put right as Nova starts.

Requests of before are lost then: messages between Nova's parts are in the memory of the process that ended. So a
mapping without a connection was never attached; nor is a volume that is "available"; one that is "detaching" still is.
"""

from __future__ import annotations

import contextlib
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cinderclient.exceptions import ClientException
from keystoneauth1.exceptions import ClientException as AccessError
from nova import context, exception, objects
from nova.volume import cinder
from oslo_concurrency import lockutils
from oslo_log import log as logging
from oslo_serialization import jsonutils

from agglo_devcloud import disks
from agglo_devcloud.compute import ComputeHost
from agglo_devcloud.disks import Disk
from agglo_devcloud.errors import DevCloudError
from agglo_devcloud.guests import Guest
from agglo_devcloud.layout import Layout

LOG = logging.getLogger(__name__)
_STARTED = datetime.now(UTC)
_PAUSE = 1.0  # seconds between two tries: Cinder starts side by side with Nova
_TRIES = 120


def in_background(layout: Layout, host: ComputeHost) -> None:
    """Look at every server of the host, in a thread."""
    threading.Thread(target=_mend_host, args=(layout, host), daemon=True, name=f"mend-{host.name}").start()


def _mend_host(layout: Layout, host: ComputeHost) -> None:
    admin = context.get_admin_context()
    for instance in objects.InstanceList.get_by_host(admin, host.name):
        for _ in range(_TRIES):
            try:
                with lockutils.lock(instance.uuid, lock_file_prefix="nova-"):  # as Nova's manager
                    _mend(admin, Guest(layout, instance.uuid))
                break
            except (ClientException, AccessError, exception.CinderConnectionFailed):
                time.sleep(_PAUSE)
            except (exception.NovaException, DevCloudError, OSError):
                LOG.exception("volumes of server %s could not be put right", instance.uuid)
                break


def _mend(admin: Any, guest: Guest) -> None:
    if not guest.directory.is_dir():
        return
    mappings = objects.BlockDeviceMappingList.get_by_instance_uuid(admin, guest.uuid)
    volumes = cinder.API()
    kept = set()
    for mapping in (mapping for mapping in mappings if mapping.is_volume):
        if mapping.created_at > _STARTED:  # a request of now
            kept.add(mapping.volume_id)
            continue
        status = volumes.get(admin, mapping.volume_id)["status"]
        if mapping.connection_info in (None, "null") or status == "available":
            _forget(admin, volumes, guest, mapping)
            continue
        kept.add(mapping.volume_id)
        if status == "detaching":
            _keep(admin, volumes, guest, mapping)
    for disk in disks.known(guest):
        if disk.volume not in kept and not disks.in_use(guest, disk.volume):
            disks.detach(guest, disk.volume)


def _forget(admin: Any, volumes: Any, guest: Guest, mapping: Any) -> None:
    """The volume was to be attached and never was, or is not any more."""
    disks.detach(guest, mapping.volume_id)
    if mapping.attachment_id:
        with contextlib.suppress(exception.VolumeAttachmentNotFound):
            volumes.attachment_delete(admin, mapping.attachment_id)
    mapping.destroy()
    LOG.warning("volume %s is not attached to server %s after all", mapping.volume_id, guest.uuid)


def _keep(admin: Any, volumes: Any, guest: Guest, mapping: Any) -> None:
    """The volume was to be detached, and never was; the guest may have lost it already."""
    file = Path(jsonutils.loads(mapping.connection_info)["data"]["device_path"])
    disks.attach(guest, Disk(Path(mapping.device_name).name, mapping.volume_id, file))
    volumes.roll_detaching(admin, mapping.volume_id)
    LOG.warning("volume %s was half detached from server %s: attached", mapping.volume_id, guest.uuid)
