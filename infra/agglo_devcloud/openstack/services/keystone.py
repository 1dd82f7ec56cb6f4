"""Keystone: identity API; at the cloud's first start it makes the admin and its own endpoints."""

from __future__ import annotations

import os
import threading
from typing import Any

from agglo_devcloud.openstack import web
from agglo_devcloud.openstack.cloud import Cloud


def start(cloud: Cloud) -> None:
    """Serve the API."""
    os.environ["OS_KEYSTONE_CONFIG_DIR"] = str(cloud.layout.etc / "keystone")
    _separate_requests()
    from keystone.wsgi import api

    application = api.application
    _fill_once(cloud)
    web.serve(cloud, "keystone", application, threads=6)


class _PerThread:
    """An attribute with a value per thread."""

    def __init__(self) -> None:
        self._local = threading.local()

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        return getattr(self._local, "value", None)

    def __set__(self, instance: object, value: Any) -> None:
        self._local.value = value


def _separate_requests() -> None:
    """Keystone's middleware keeps the token of the request in itself, for one request at a time; we serve several.

    Without this, a request is now and then answered with another's identity.
    """
    from keystone.server.flask.request_processing.middleware import auth_context

    auth_context.AuthContextMiddleware.token = _PerThread()


def _fill_once(cloud: Cloud) -> None:
    done = cloud.layout.run / "done" / "identity"
    if done.exists():
        return
    from agglo_devcloud.openstack import identity  # needs keystone's drivers loaded

    identity.fill(cloud)
    done.parent.mkdir(exist_ok=True)
    done.touch()
