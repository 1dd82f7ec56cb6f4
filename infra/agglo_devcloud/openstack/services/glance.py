"""Glance: images as files in the run directory."""

from __future__ import annotations

import os

from agglo_devcloud.openstack import web
from agglo_devcloud.openstack.cloud import Cloud


def start(cloud: Cloud) -> None:
    """Serve the API."""
    os.environ["OS_GLANCE_CONFIG_DIR"] = str(cloud.layout.etc / "glance")
    from glance.wsgi import api

    web.serve(cloud, "glance", api.application, threads=6)
