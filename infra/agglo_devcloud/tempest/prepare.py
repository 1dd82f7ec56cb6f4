"""What Tempest needs of a cloud, made through the API: flavors, images, and an outside for every project."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from agglo_devcloud import bootstrap
from agglo_devcloud.layout import Layout

if TYPE_CHECKING:
    from openstack.connection import Connection
    from openstack.image.v2._proxy import Proxy as Images

_IMAGES = ("tempest-1", "tempest-2")
_POOL = "tempest"
_FLAVORS = {"tempest-small": (256, 1), "tempest-large": (512, 2)}  # MiB of memory, GiB of disk


@dataclass(frozen=True)
class Prepared:
    """Ids of what was made (``other`` ones are for rebuild and resize), and what the services say that they can."""

    image: str
    other_image: str
    flavor: str
    other_flavor: str
    network: str
    network_extensions: tuple[str, ...]
    object_features: tuple[str, ...]


def prepare(layout: Layout, image: Path) -> Prepared:
    """Make what is missing; ``image`` is the guests' golden image."""
    cloud = bootstrap.connect(layout)
    network = cloud.network.find_network(bootstrap.PUBLIC_NETWORK, ignore_missing=False)
    _open(cloud, network.id)
    _describe(cloud)
    first, second = (_image(cloud, name, image) for name in _IMAGES)
    small, large = (_flavor(cloud, name, *size) for name, size in _FLAVORS.items())
    return Prepared(
        image=first,
        other_image=second,
        flavor=small,
        other_flavor=large,
        network=network.id,
        network_extensions=tuple(sorted(extension.alias for extension in cloud.network.extensions())),
        object_features=tuple(sorted(cloud.session.get(layout.url("swift", "/info")).json())),
    )


def _open(cloud: Connection, network: str) -> None:
    """Let every project take addresses on the external network: Tempest makes its projects as it goes.

    It is also the default one, and there are addresses for networks that Neutron allocates on its own.
    """
    access = {"object_type": "network", "object_id": network, "action": "access_as_external"}
    if not any(policy.target_project_id == "*" for policy in cloud.network.rbac_policies(**access)):
        cloud.network.create_rbac_policy(**access, target_tenant="*")
    cloud.network.update_network(network, is_default=True)
    if not cloud.network.find_subnet_pool(_POOL):
        cloud.network.create_subnet_pool(
            name=_POOL, prefixes=["10.250.0.0/16"], default_prefix_length=26, is_shared=True, is_default=True
        )


def _describe(cloud: Connection) -> None:
    """Give Glance a type of resource: a test of its metadata definitions takes the first one."""
    images = cast("Images", cloud.image)
    if not list(images.metadef_resource_types()):
        space = images.create_metadef_namespace(namespace="tempest")
        images.create_metadef_resource_type_association(space, name="OS::Nova::Server")


def _image(cloud: Connection, name: str, file: Path) -> str:
    found = cloud.image.find_image(name) or cloud.image.create_image(
        name, filename=str(file), disk_format="raw", container_format="bare", visibility="public", wait=True
    )
    return str(found.id)


def _flavor(cloud: Connection, name: str, memory: int, disk: int) -> str:
    found = cloud.compute.find_flavor(name) or cloud.compute.create_flavor(name=name, vcpus=1, ram=memory, disk=disk)
    return str(found.id)
