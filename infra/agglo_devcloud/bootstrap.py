"""What every embedded cloud has from its first start: the external network and a volume type. Flavors and images are
the metro's business."""

from __future__ import annotations

import time
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

from agglo_devcloud.errors import StartError
from agglo_devcloud.layout import PUBLIC_CIDR, PUBLIC_GATEWAY, PUBLIC_POOL, Layout

if TYPE_CHECKING:
    from openstack.connection import Connection

PUBLIC_NETWORK = "public"
VOLUME_TYPE = "standard"
_PAUSES = (1, 2, 4, 8)  # seconds


def connect(layout: Layout) -> Connection:
    """A client of this cloud as its admin, whatever the environment says."""
    from openstack.config import OpenStackConfig  # noqa: PLC0415  a second of imports that a warm start does not need
    from openstack.connection import Connection  # noqa: PLC0415

    clouds = OpenStackConfig(config_files=[str(layout.clouds_yaml)], load_envvars=False)
    return Connection(config=clouds.get_one(cloud=layout.cloud_name))


def prepare(layout: Layout) -> None:
    """Import at a first start what it will need, while there is nothing to do but to wait."""
    if not _done(layout, "network").exists():
        connect(layout)


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
    _close(cloud, found.id)
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


def _close(cloud: Connection, network: str) -> None:
    """An external network is everybody's until it is told whose it is: then nobody else takes an address on it."""
    access = {"object_type": "network", "object_id": network, "action": "access_as_external"}
    known = list(cloud.network.rbac_policies(object_id=network, action="access_as_external"))
    project = cloud.current_project_id
    if not any(policy.target_project_id == project for policy in known):
        cloud.network.create_rbac_policy(**access, target_tenant=project)  # without any it would be external no more
    for policy in known:
        if policy.target_project_id == "*":
            cloud.network.delete_rbac_policy(policy)


def volume_type(layout: Layout) -> None:
    """Make the default volume type, once per cloud."""
    _once(layout, "volume-type", _make_volume_type)


def _make_volume_type(cloud: Connection) -> None:
    if not any(known.name == VOLUME_TYPE for known in cloud.block_storage.types()):
        cloud.block_storage.create_type(name=VOLUME_TYPE, extra_specs={"volume_backend_name": "files"})


def _patiently(make: Callable[[Connection], None], cloud: Connection) -> None:
    """Try again while the cloud says 503: a service may find Keystone too busy while all of them load."""
    from openstack.exceptions import HttpException  # noqa: PLC0415

    for pause in _PAUSES:
        try:
            return make(cloud)
        except HttpException as error:
            if error.status_code != HTTPStatus.SERVICE_UNAVAILABLE:
                raise
        time.sleep(pause)
    return make(cloud)


def _once(layout: Layout, what: str, make: Callable[[Connection], None]) -> None:
    """Make ``what`` unless it is remembered that it was made. Raises StartError."""
    done = _done(layout, what)
    if done.exists():
        return
    from keystoneauth1.exceptions import ClientException  # noqa: PLC0415
    from openstack.exceptions import SDKException  # noqa: PLC0415

    try:
        _patiently(make, connect(layout))
    except (SDKException, ClientException) as error:
        raise StartError(f"making {what} failed: {error}", hint=f"see {layout.log}") from error
    done.parent.mkdir(exist_ok=True)
    done.touch()


def _done(layout: Layout, what: str) -> Path:
    return layout.run / "done" / what
