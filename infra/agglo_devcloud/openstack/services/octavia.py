"""Octavia: API, consumer and driver agent with OVN's provider (layer 4 only)."""

from __future__ import annotations

import socketserver
import threading
from pathlib import Path
from typing import Any

from agglo_devcloud.openstack import web
from agglo_devcloud.openstack.cloud import Cloud
from agglo_devcloud.processes import wait_for

_running: list[Any] = []  # services, kept from the garbage collector


class _ThreadingServer(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """Octavia's driver agent forks a process per request; threads do."""

    daemon_threads = True
    max_children = 40


def start(cloud: Cloud) -> None:
    """Start the driver agent (the API connects to it at once), the consumer, and serve the API."""
    _sort_by_definition()
    from octavia.common import service

    service.prepare_service(["octavia", "--config-file", cloud.config("octavia/octavia.conf")])
    stopped = threading.Event()
    _start_driver_agent(stopped)
    application = _load_api()
    _start_consumer()
    web.serve(cloud, "octavia", application, threads=6)
    from ovn_octavia_provider import agent

    threading.Thread(target=agent.OvnProviderAgent, args=(stopped,), daemon=True).start()


def _sort_by_definition() -> None:
    """Let WSME take the order of a type's attributes from the class; it parses their sources, 2 s at each start."""
    from wsme import types

    stock = types.sort_attributes

    def sort(kind: type, attributes: list[Any]) -> None:
        if hasattr(kind, "_wsme_attr_order"):
            stock(kind, attributes)
            return
        names = [name for known in kind.__mro__ for name in vars(known)]
        order = {name: place for place, name in reversed(list(enumerate(names)))}  # where it is first
        attributes.sort(key=lambda attribute: order[attribute.key])

    types.sort_attributes = sort


def _start_driver_agent(stopped: threading.Event) -> None:
    from octavia.api.drivers.driver_agent import driver_listener
    from octavia_lib.api.drivers import driver_lib
    from oslo_config import cfg

    driver_listener.ForkingUDSServer = _ThreadingServer
    for listener in (driver_listener.status_listener, driver_listener.stats_listener, driver_listener.get_listener):
        threading.Thread(target=listener, args=(stopped,), daemon=True).start()
    agent = cfg.CONF.driver_agent
    sockets = (agent.status_socket_path, agent.stats_socket_path, agent.get_socket_path)
    driver_lib.DriverLibrary.__init__.__defaults__ = sockets
    wait_for(lambda: all(Path(path).exists() for path in sockets), "octavia's driver agent", timeout=10)


def _load_api() -> Any:
    from octavia.api import app
    from octavia.common import service

    stock = service.prepare_service
    service.prepare_service = lambda argv=None: None  # the configuration is loaded already
    try:
        return app.setup_app(argv=[])
    finally:
        service.prepare_service = stock


def _start_consumer() -> None:
    """The worker's RPC side, without cotyledon's process around it."""
    from octavia.common import constants
    from octavia.controller.queue.v2 import consumer
    from oslo_config import cfg
    from oslo_messaging.rpc import dispatcher

    made = consumer.ConsumerService.__new__(consumer.ConsumerService)
    made.conf = cfg.CONF
    made.topic = constants.TOPIC_AMPHORA_V2
    made.server = cfg.CONF.host
    made.endpoints = []
    made.access_policy = dispatcher.DefaultRPCAccessPolicy
    made.message_listener = None
    made.run()
    _running.append(made)
