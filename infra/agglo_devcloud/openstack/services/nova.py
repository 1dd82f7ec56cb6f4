"""Nova: API, conductor, scheduler and one nova-compute per compute host, with placement, in one process."""

from __future__ import annotations

import os
import sys
import uuid
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


def _run(**service_arguments: Any) -> None:
    from nova import service

    made = service.Service.create(**service_arguments)
    made.start()
    _running.append(made)


def _start_compute_hosts(cloud: Cloud) -> None:
    from nova import context
    from nova.compute import rpcapi
    from nova.objects import host_mapping
    from nova.virt import node

    from agglo_devcloud.openstack.virt import driver

    driver.bind(cloud)
    sys.modules["nova.virt.agglo"] = driver  # nova loads drivers only from below nova.virt
    # one process holds several hosts: none may take the machine's own identity, the driver gives one per host
    node.read_local_node_uuid = lambda: str(uuid.uuid5(uuid.NAMESPACE_DNS, cloud.layout.cloud_name))
    node.write_local_node_uuid = lambda node_uuid: None

    def run_host(name: str) -> None:
        _run(host=name, binary="nova-compute", topic=rpcapi.RPC_TOPIC, topic_alt=rpcapi.RPC_TOPIC_ALT)

    names = [host.name for host in compute.hosts(cloud.layout)]
    with ThreadPoolExecutor(len(names)) as pool:
        list(pool.map(run_host, names))
    host_mapping.discover_hosts(context.get_admin_context())
