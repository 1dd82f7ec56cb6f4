"""Serve a WSGI application from threads of this process."""

from __future__ import annotations

import threading
from typing import Any

from waitress import server

from agglo_devcloud.layout import LOOPBACK
from agglo_devcloud.openstack.cloud import Cloud

_LARGEST_BODY = 1 << 40  # octets; images go through it


def serve(cloud: Cloud, service: str, application: Any, threads: int) -> None:
    """Listen on the service's port; returns at once."""
    listener = server.create_server(
        application,
        map={},  # waitress keeps servers in one map per process otherwise, and two would mix
        host=LOOPBACK,
        port=cloud.layout.port(service),
        threads=threads,
        ident=None,
        connection_limit=500,
        channel_timeout=600,
        max_request_body_size=_LARGEST_BODY,
        clear_untrusted_proxy_headers=True,
    )
    threading.Thread(target=listener.run, daemon=True, name=f"http-{service}").start()
