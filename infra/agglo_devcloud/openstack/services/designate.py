"""Designate: API, central, worker, mini DNS and producer, with BIND as its pool."""

from __future__ import annotations

import os
from typing import Any

from agglo_devcloud.openstack import web
from agglo_devcloud.openstack.cloud import Cloud

_running: list[Any] = []  # services, kept from the garbage collector


def start(cloud: Cloud) -> None:
    """Start the workers, serve the API, and load the pool."""
    os.environ["OS_DESIGNATE_CONFIG_DIR"] = str(cloud.layout.etc / "designate")
    from designate.api import wsgi

    application = wsgi.init_application()
    from designate.central import service as central
    from designate.mdns import service as mdns
    from designate.producer import service as producer
    from designate.worker import service as worker

    for module in (central, worker, mdns, producer):
        made = module.Service()
        made.start()
        _running.append(made)
    web.serve(cloud, "designate", application, threads=6)
    _load_pool(cloud)


def _load_pool(cloud: Cloud) -> None:
    """What ``designate-manage pool update`` does; in this process, since the message bus is."""
    from designate.context import DesignateContext
    from designate.manage import pool

    commands = pool.PoolCommands()
    commands.context = DesignateContext.get_admin_context(request_id="agglo-pool", all_tenants=True)
    commands.update(cloud.config("designate/pools.yaml"), False, skip_verify_drivers=True)
