"""What all parts of the driver know: whose guests these are, and which guest is which server."""

from __future__ import annotations

from typing import Any

from nova.virt import driver

from agglo_devcloud.compute import ComputeHost
from agglo_devcloud.guests import Guest
from agglo_devcloud.openstack.cloud import Cloud

_cloud: Cloud | None = None


def bind(cloud: Cloud) -> None:
    """Say whose guests these are; before Nova makes the first driver."""
    global _cloud  # noqa: PLW0603  # Nova constructs the driver and passes nothing of ours
    _cloud = cloud


class Base(driver.ComputeDriver):
    """A compute host of the cloud; ``init_host`` says which."""

    _host: ComputeHost

    def __init__(self, virtapi: Any, read_only: bool = False) -> None:
        super().__init__(virtapi)
        if _cloud is None:
            raise RuntimeError("bind() comes first")
        self._layout = _cloud.layout

    def _guest(self, instance: Any) -> Guest:
        return Guest(self._layout, instance.uuid)
