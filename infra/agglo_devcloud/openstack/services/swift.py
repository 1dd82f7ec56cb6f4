"""Swift: account, container, object and proxy server in one process of its own, since they need eventlet.

Run as ``python -m agglo_devcloud.openstack.services.swift <cloud.json>``.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import eventlet

eventlet.monkey_patch()

from swift.common import utils, wsgi  # noqa: E402
from swift.common.ring import RingBuilder  # noqa: E402

from agglo_devcloud.layout import LOOPBACK  # noqa: E402
from agglo_devcloud.openstack.cloud import Cloud, load  # noqa: E402

_KINDS = ("object", "container", "account")


def main() -> None:
    """Serve until ended."""
    cloud = load(Path(sys.argv[1]))
    eventlet.hubs.use_hub(wsgi.get_hub())
    _keep_hub()
    utils.set_swift_dir(str(cloud.layout.etc / "swift"))
    for kind in _KINDS:
        _make_ring(cloud, kind)
        _serve(cloud, kind, cloud.layout.port(f"swift-{kind}"))
    _serve(cloud, "proxy", cloud.layout.port("swift"))
    cloud.mark_ready("swift")
    while True:
        eventlet.sleep(3600)


def _keep_hub() -> None:
    """Each server chooses the hub again, which would replace the running one: let that do nothing."""
    choose = eventlet.hubs.use_hub

    def keep(module: Any = None) -> None:
        if module is None:
            choose()

    eventlet.hubs.use_hub = keep


def _serve(cloud: Cloud, kind: str, port: int) -> None:
    directory = cloud.layout.etc / "swift"
    conf = {"log_name": kind, "max_clients": "256", "swift_dir": str(directory)}
    conf["__file__"] = str(directory / f"{kind}-server.conf")
    logger = utils.get_logger(conf, kind, log_to_console=True)
    listener = eventlet.listen((LOOPBACK, port), backlog=512)
    eventlet.spawn(wsgi.run_server, conf, logger, listener, {"log_name": kind})
    eventlet.sleep(0)


def _make_ring(cloud: Cloud, kind: str) -> None:
    """A ring of one device, made once."""
    path = cloud.layout.etc / "swift" / f"{kind}.ring.gz"
    if path.exists():
        return
    port = cloud.layout.port(f"swift-{kind}")
    place = {"ip": LOOPBACK, "port": port, "replication_ip": LOOPBACK, "replication_port": port}
    builder = RingBuilder(4, 1, 0)  # 2**4 partitions, 1 copy
    builder.add_dev({"id": 0, "region": 1, "zone": 1, "device": "d1", "weight": 100, "meta": "", **place})
    builder.rebalance()
    builder.get_ring().save(str(path))


if __name__ == "__main__":
    main()
