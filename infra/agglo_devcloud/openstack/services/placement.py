"""Placement: has a CONF of its own, so it lives in nova's process."""

from __future__ import annotations

import os

from agglo_devcloud.openstack import web
from agglo_devcloud.openstack.cloud import Cloud


def start(cloud: Cloud) -> None:
    """Serve the API."""
    os.environ["OS_PLACEMENT_CONFIG_DIR"] = str(cloud.layout.etc / "placement")
    from placement.wsgi import api

    web.serve(cloud, "placement", api.application, threads=6)
