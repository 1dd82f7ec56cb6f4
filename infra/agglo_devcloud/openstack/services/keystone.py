"""Keystone: identity API; at the cloud's first start it makes the admin and its own endpoints."""

from __future__ import annotations

import os

from agglo_devcloud.openstack import web
from agglo_devcloud.openstack.cloud import Cloud


def start(cloud: Cloud) -> None:
    """Serve the API."""
    os.environ["OS_KEYSTONE_CONFIG_DIR"] = str(cloud.layout.etc / "keystone")
    from keystone.wsgi import api

    application = api.application
    _fill_once(cloud)
    web.serve(cloud, "keystone", application, threads=6)


def _fill_once(cloud: Cloud) -> None:
    done = cloud.layout.run / "done" / "identity"
    if done.exists():
        return
    from agglo_devcloud.openstack import identity  # needs keystone's drivers loaded

    identity.fill(cloud)
    done.parent.mkdir(exist_ok=True)
    done.touch()
