"""Neutron: API with ML2/OVN; OVN itself does the work, so there are no RPC workers."""

from __future__ import annotations

import os

from agglo_devcloud.openstack import web
from agglo_devcloud.openstack.cloud import Cloud


def start(cloud: Cloud) -> None:
    """Serve the API."""
    os.environ["OS_NEUTRON_CONFIG_DIR"] = str(cloud.layout.etc / "neutron")
    os.environ["OS_NEUTRON_CONFIG_FILES"] = "neutron.conf"
    os.environ["ASGI_WORKERS"] = "1"  # neutron asks uwsgi for the number of its workers otherwise
    from neutron import server
    from neutron.server import api

    web.serve(cloud, "neutron", server.boot_server(api.api_server, prog="neutron-api"), threads=10)
