"""What every embedded cloud has from its first start: the external network and a volume type. Flavors and images are
the metro's business."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from agglo_devcloud.errors import StartError
from agglo_devcloud.layout import PUBLIC_CIDR, PUBLIC_GATEWAY, PUBLIC_POOL, Layout

if TYPE_CHECKING:
    from openstack.connection import Connection

PUBLIC_NETWORK = "public"
VOLUME_TYPE = "standard"


def connect(layout: Layout) -> Connection:
    """A client of this cloud as its admin, whatever the environment says."""
    from openstack.config import OpenStackConfig  # noqa: PLC0415  a second of imports that a warm start does not need
    from openstack.connection import Connection  # noqa: PLC0415

    clouds = OpenStackConfig(config_files=[str(layout.clouds_yaml)], load_envvars=False)
    return Connection(config=clouds.get_one(cloud=layout.cloud_name))


def network(layout: Layout) -> None:
    """Make the external network ``public``, once per cloud."""
    _once(layout, "network", _make_network)


def _make_network(cloud: Connection) -> None:
    found = cloud.network.find_network(PUBLIC_NETWORK) or cloud.network.create_network(
        name=PUBLIC_NETWORK,
        is_router_external=True,
        provider_network_type="flat",
        provider_physical_network="public",
    )
    if found.subnet_ids:
        return
    start, end = PUBLIC_POOL
    cloud.network.create_subnet(
        name=PUBLIC_NETWORK,
        network_id=found.id,
        ip_version=4,
        cidr=PUBLIC_CIDR,
        gateway_ip=PUBLIC_GATEWAY,
        is_dhcp_enabled=False,
        allocation_pools=[{"start": start, "end": end}],
    )


def volume_type(layout: Layout) -> None:
    """Make the default volume type, once per cloud."""
    _once(layout, "volume-type", _make_volume_type)


def _make_volume_type(cloud: Connection) -> None:
    if not any(known.name == VOLUME_TYPE for known in cloud.block_storage.types()):
        cloud.block_storage.create_type(name=VOLUME_TYPE, extra_specs={"volume_backend_name": "files"})


def _once(layout: Layout, what: str, make: Callable[[Connection], None]) -> None:
    """Make ``what`` unless it is remembered that it was made. Raises StartError."""
    done = layout.run / "done" / what
    if done.exists():
        return
    from keystoneauth1.exceptions import ClientException  # noqa: PLC0415
    from openstack.exceptions import SDKException  # noqa: PLC0415

    try:
        make(connect(layout))
    except (SDKException, ClientException) as error:
        raise StartError(f"making {what} failed: {error}", hint=f"see {layout.log}") from error
    done.parent.mkdir(exist_ok=True)
    done.touch()
