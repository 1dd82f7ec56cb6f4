"""Nova: API, conductor, scheduler and one nova-compute per compute host, with placement, in one process."""

from __future__ import annotations

import os
import sys
import uuid
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from agglo_devcloud import compute
from agglo_devcloud.openstack import web
from agglo_devcloud.openstack.cloud import Cloud
from agglo_devcloud.openstack.services import placement

_running: list[Any] = []  # services, kept from the garbage collector


def start(cloud: Cloud) -> None:
    """Start placement first (conductor asks it at once), then nova's workers and API, then the compute hosts."""
    placement.start(cloud)
    _configure(cloud)
    from nova.api.openstack import wsgi_app
    from nova.conductor import rpcapi as conductor
    from nova.scheduler import rpcapi as scheduler

    _run(binary="nova-conductor", topic=conductor.RPC_TOPIC)
    _run(binary="nova-scheduler", topic=scheduler.RPC_TOPIC)
    application = wsgi_app.init_application("osapi_compute", "nova-api-os-compute")
    web.serve(cloud, "nova", application, threads=12)
    _start_compute_hosts(cloud)


def _configure(cloud: Cloud) -> None:
    path = cloud.config("nova/nova.conf")
    os.environ["OS_NOVA_CONFIG_DIR"] = str(cloud.layout.etc / "nova")
    os.environ["OS_NOVA_DISABLE_EVENTLET_PATCHING"] = "1"
    from nova import config, objects  # noqa: F401  # registers options
    from nova.api.openstack import wsgi_app

    objects.register_all()
    sys.argv = ["nova", "--config-file", path]
    wsgi_app.init_global_data([path], "osapi_compute", "nova")
    import os_brick
    import os_vif
    from nova.conf import CONF
    from oslo_privsep import priv_context

    priv_context.init(root_helper=["env"])
    os_brick.setup(CONF)
    os_vif.initialize()


def _run(**service_arguments: Any) -> Any:
    from nova import service

    made = service.Service.create(**service_arguments)
    made.start()
    _running.append(made)
    return made


def _start_compute_hosts(cloud: Cloud) -> None:
    from nova import context
    from nova.compute import rpcapi
    from nova.objects import host_mapping
    from nova.virt import block_device, node

    from agglo_devcloud.openstack.virt import base, driver

    names = [host.name for host in compute.hosts(cloud.layout)]
    base.bind(cloud)
    block_device.CONF = _AllHosts(block_device.CONF, names)
    sys.modules["nova.virt.agglo"] = driver  # nova loads drivers only from below nova.virt
    # one process holds several hosts: none may take the machine's own identity, the driver gives one per host
    node.read_local_node_uuid = lambda: str(uuid.uuid5(uuid.NAMESPACE_DNS, cloud.layout.cloud_name))
    node.write_local_node_uuid = lambda node_uuid: None

    def run_host(name: str) -> Any:
        return _run(host=name, binary="nova-compute", topic=rpcapi.RPC_TOPIC, topic_alt=rpcapi.RPC_TOPIC_ALT)

    with ThreadPoolExecutor(len(names)) as pool:
        made = dict(zip(names, pool.map(run_host, names), strict=True))
    admin = context.get_admin_context()
    for new in host_mapping.discover_hosts(admin):  # side by side they may miss placement, and try again in two minutes
        made[new.host].manager.update_available_resource(admin)


class _AllHosts:
    """Nova's configuration for code that asks whether a server is on "this" host: here, every compute host is.

    Nova takes a volume from a guest only then, as one process has one host.
    """

    def __init__(self, configuration: Any, names: Iterable[str]) -> None:
        self._configuration = configuration
        self.host = _AnyOf(names)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._configuration, name)


class _AnyOf(frozenset[str]):
    """Equal to each of its names."""

    def __eq__(self, other: object) -> bool:
        return other in self

    __hash__ = frozenset.__hash__
