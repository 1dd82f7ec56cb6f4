"""Rescue: a server boots from another image, with its own root at ``/mnt``."""

from __future__ import annotations

from typing import Any

from agglo_devcloud import disks, guests
from agglo_devcloud.openstack.virt import base, images, seed


class Rescue(base.Base):
    """The part of the driver that rescues servers; Nova has shut them down before."""

    def rescue(
        self,
        context: Any,
        instance: Any,
        network_info: Any,
        image_meta: Any,
        rescue_password: str,
        block_device_info: Any,
        share_info: Any,
    ) -> None:
        """Boot the rescue image; cloud-init gets the server's metadata and keys."""
        guest = self._guest(instance)
        own = images.ensure(self._layout, context, instance.image_ref)
        guests.begin_rescue(guest, images.ensure(self._layout, context, image_meta.id))
        guests.mount(guest, self._host.name, own)
        seed.write(guest.root, instance, [], rescue_password, network_info)
        self.power_on(context, instance, network_info, block_device_info)

    def unrescue(self, context: Any, instance: Any) -> None:
        """Boot the server's own root again; what was written outside of it during the rescue is gone."""
        guest = self._guest(instance)
        self.power_off(instance)
        guests.end_rescue(guest)
        self._boot(context, instance, instance.get_network_info(), disks.known(guest))
