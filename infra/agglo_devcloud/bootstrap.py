"""What every embedded cloud has from its first start: the external network and a volume type. Flavors and images are
the metro's business."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from keystoneauth1.exceptions import ClientException
from openstack.config import OpenStackConfig
from openstack.connection import Connection
from openstack.exceptions import SDKException

from agglo_devcloud.errors import StartError
from agglo_devcloud.layout import PUBLIC_CIDR, PUBLIC_GATEWAY, PUBLIC_POOL, Layout

PUBLIC_NETWORK = "public"
VOLUME_TYPE = "standard"


def connect(layout: Layout) -> Connection:
    """A client of this cloud as its admin, whatever the environment says."""
    clouds = OpenStackConfig(config_files=[str(layout.clouds_yaml)], load_envvars=False)
    return Connection(config=clouds.get_one(cloud=layout.cloud_name))


def network(layout: Layout) -> None:
    """Make the external network ``public``, once per cloud."""
    with _once(layout, "network") as needed:
        if needed:
            _make_network(connect(layout))


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
    with _once(layout, "volume-type") as needed:
        if needed:
            _make_volume_type(connect(layout))


def _make_volume_type(cloud: Connection) -> None:
    if not any(known.name == VOLUME_TYPE for known in cloud.block_storage.types()):
        cloud.block_storage.create_type(name=VOLUME_TYPE, extra_specs={"volume_backend_name": "files"})


@contextmanager
def _once(layout: Layout, what: str) -> Iterator[bool]:
    """True when ``what`` is still to be made; remembered when the block ends well. Raises StartError."""
    done = layout.run / "done" / what
    try:
        yield not done.exists()
    except (SDKException, ClientException) as error:
        raise StartError(f"making {what} failed: {error}", hint=f"see {layout.log}") from error
    done.parent.mkdir(exist_ok=True)
    done.touch()
