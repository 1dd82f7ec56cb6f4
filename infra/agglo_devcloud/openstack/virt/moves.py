"""Resize and cold migration: guests' files are where every compute host of the cloud finds them."""

from __future__ import annotations

from typing import Any

from nova import exception

from agglo_devcloud import guests
from agglo_devcloud.openstack.virt import base, images, networks


class Moves(base.Base):
    """The part of the driver that gives a server another flavor, on this compute host or another."""

    def migrate_disk_and_power_off(
        self,
        context: Any,
        instance: Any,
        dest: str,
        flavor: Any,
        network_info: Any,
        block_device_info: Any = None,
        timeout: int = 0,
        retry_interval: int = 0,
    ) -> str:
        """Stop the guest and leave it to the other host. A smaller disk is refused, as by KVM's driver."""
        if flavor.root_gb < instance.flavor.root_gb:
            reason = f"the disk would shrink from {instance.flavor.root_gb} to {flavor.root_gb} GB"
            raise exception.InstanceFaultRollback(exception.ResizeError(reason=reason))
        self.power_off(instance)
        self.unplug_vifs(instance, network_info)
        guests.unmount(self._guest(instance))
        return ""

    def finish_migration(
        self,
        context: Any,
        migration: Any,
        instance: Any,
        disk_info: str,
        network_info: Any,
        image_meta: Any,
        resize_instance: bool,
        allocations: Any,
        block_device_info: Any = None,
        power_on: bool = True,
        share_info: Any = None,
    ) -> None:
        """Take the guest over and boot it, if it ran."""
        self._take_over(context, instance, network_info, block_device_info, power_on)

    def confirm_migration(self, context: Any, migration: Any, instance: Any, network_info: Any) -> None:
        """Nothing is left on the old host."""

    def finish_revert_migration(
        self,
        context: Any,
        instance: Any,
        network_info: Any,
        migration: Any,
        block_device_info: Any = None,
        power_on: bool = True,
        share_info: Any = None,
    ) -> None:
        """Take the guest back; Nova has destroyed it on the other host, but for its files."""
        self._take_over(context, instance, network_info, block_device_info, power_on)

    def _take_over(
        self, context: Any, instance: Any, network_info: Any, block_device_info: Any, power_on: bool
    ) -> None:
        if power_on:
            self.power_on(context, instance, network_info, block_device_info)
            return
        guest = self._guest(instance)
        networks.plug(self._host, guest, network_info or [])
        guests.mount(guest, self._host.name, images.ensure(self._layout, context, instance.image_ref))

    def check_instance_shared_storage_local(self, context: Any, instance: Any) -> dict[str, str]:
        """What the other host is asked about."""
        return {"directory": str(self._guest(instance).directory)}

    def check_instance_shared_storage_remote(self, context: Any, data: dict[str, str]) -> bool:
        """All compute hosts of the cloud share guests' files."""
        return True

    def check_instance_shared_storage_cleanup(self, context: Any, data: dict[str, str]) -> None:
        """Nothing was made to find out."""
