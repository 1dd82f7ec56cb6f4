"""Cinder: API, scheduler, the one volume service, on files, and the one backup service, on Swift."""

from __future__ import annotations

import contextlib
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
    _running.append(_secondary_service(binary="cinder-scheduler"))
    _running.append(
        _secondary_service(binary="cinder-backup", service_name="backup", coordination=True, process_number=1)
    )
    _running.extend(_volume_services())  # last: it is their row that Cinder remembers
    for made in _running:
        made.start()
    web.serve(cloud, "cinder", application, threads=6)


def _prepare() -> None:
    import os_brick
    from cinder import utils
    from cinder.image import image_utils
    from oslo_config import cfg
    from oslo_privsep import priv_context

    priv_context.init(root_helper=["env"])
    os_brick.setup(cfg.CONF)
    # eventlet's thread pool answers only the native thread that used it first
    image_utils.tpool = utils.tpool = _DirectCalls()


class _DirectCalls:
    """Stands for ``eventlet.tpool`` where threads are native."""

    @staticmethod
    def execute(function: Any, *args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    @staticmethod
    def Proxy(target: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N802  # eventlet's name
        return target


def _secondary_service(**arguments: Any) -> Any:
    """A service beside the main one: Cinder's class remembers the row of one service in a process, the last."""
    from cinder import service

    made = service.Service.create(**arguments)
    made.report_state = lambda: _report(made.origin_service_id)
    return made


def _report(service_id: int) -> None:
    """Say that the service lives, as Cinder's own method does."""
    from cinder import context, objects
    from oslo_db.exception import DBError

    with contextlib.suppress(DBError):  # next time, then
        row = objects.Service.get_by_id(context.get_admin_context(), service_id)
        row.report_count += 1
        row.save(retry=False)


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
