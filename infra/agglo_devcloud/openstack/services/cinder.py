"""Cinder: API, scheduler and the one volume service, on files."""

from __future__ import annotations

import sys
from typing import Any

from agglo_devcloud.openstack import web
from agglo_devcloud.openstack.cloud import Cloud

_running: list[Any] = []  # services, kept from the garbage collector


def start(cloud: Cloud) -> None:
    """Start the workers and serve the API."""
    sys.argv = ["cinder", "--config-file", cloud.config("cinder/cinder.conf")]
    from cinder.wsgi import wsgi

    application = wsgi.initialize_application()
    _prepare()
    from cinder import service

    _running.append(service.Service.create(binary="cinder-scheduler"))
    _running.extend(_volume_services())
    for made in _running:
        made.start()
    web.serve(cloud, "cinder", application, threads=6)


def _prepare() -> None:
    import os_brick
    from cinder.image import image_utils
    from oslo_config import cfg
    from oslo_privsep import priv_context

    priv_context.init(root_helper=["env"])
    os_brick.setup(cfg.CONF)
    # eventlet's thread pool answers only the native thread that used it first
    image_utils.tpool = _DirectCalls()


class _DirectCalls:
    """Stands for ``eventlet.tpool`` where threads are native."""

    @staticmethod
    def execute(function: Any, *args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    @staticmethod
    def Proxy(target: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N802  # eventlet's name
        return target


def _volume_services() -> list[Any]:
    from cinder import service
    from cinder.common import constants
    from oslo_config import cfg

    made = []
    for backend in cfg.CONF.enabled_backends:
        # cinder.cmd registers it, but importing cinder.cmd switches the process to eventlet
        cfg.CONF.register_opt(cfg.StrOpt("backend_host"), group=backend)
        made.append(
            service.Service.create(
                host=f"{cfg.CONF.host}@{backend}",
                service_name=backend,
                binary=constants.VOLUME_BINARY,
                coordination=True,
                cluster=None,
            )
        )
    return made
