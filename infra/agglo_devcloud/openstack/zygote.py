"""The process that imports what all services share, once, and forks one process per service on request.

Run as ``python -m agglo_devcloud.openstack.zygote <cloud.json>``. It listens on ``zygote.sock`` in the run directory:
a line with a service's name is answered by the new process's PID. It must stay single-threaded: it forks.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import signal
import socket
import sys
import time
import traceback
from pathlib import Path
from typing import NoReturn

from agglo_devcloud import processes
from agglo_devcloud.errors import DevCloudError
from agglo_devcloud.openstack.cloud import Cloud, load

SOCKET = "zygote.sock"
_REAP_SECONDS = 1.0

# Imported by most services; measured, not guessed: each saves its memory and time once per service.
_SHARED = (
    "vif_plug_ovs.ovs",  # first: it looks at every frame below it and at every module there is; nova uses it
    "sqlalchemy.orm",
    "sqlalchemy.dialects.mysql.pymysql",
    "pymysql",
    "alembic",
    "oslo_config.cfg",
    "oslo_log.log",
    "oslo_db.sqlalchemy.enginefacade",
    "oslo_messaging",
    "oslo_messaging._drivers.impl_fake",
    "oslo_policy.policy",
    "oslo_utils.timeutils",
    "oslo_versionedobjects.base",
    "oslo_context.context",
    "oslo_concurrency.lockutils",
    "oslo_middleware",
    "oslo_cache.core",
    "oslo_reports.guru_meditation_report",
    "oslo_reports.opts",
    "oslo_privsep.priv_context",
    "keystonemiddleware.auth_token",
    "keystoneauth1.session",
    "keystoneauth1.loading",
    "webob.dec",
    "paste.deploy",
    "paste.urlmap",
    "routes",
    "jsonschema",
    "cryptography.fernet",
    "requests",
    "stevedore",
    "waitress",
    "osprofiler.web",
    "netaddr",
    "openstack",
    "pecan",
    "dogpile.cache",
    "futurist",
    "taskflow.engines",
    "taskflow.patterns.linear_flow",
    "tooz.coordination",
    "castellan.key_manager",
    "yaml",
    "lxml.etree",
    "cliff",
    "os_brick.initiator.connector",
    "os_traits",
    "flask",
    "neutron_lib.api.definitions.portbindings",
    "ovsdbapp.schema.ovn_northbound.impl_idl",
    "ovsdbapp.schema.ovn_southbound.impl_idl",
    "barbicanclient.client",
    "cinderclient.v3.client",
    "novaclient.v2.client",
    "glanceclient.v2.client",
    "oslo_vmware.api",
)


def main() -> None:
    """Preload, then serve requests until ended."""
    cloud = load(Path(sys.argv[1]))
    path = cloud.layout.run / SOCKET
    path.unlink(missing_ok=True)
    _preload()
    gc.collect()
    gc.freeze()  # or the collector would write to, and so copy, every shared page
    with socket.socket(socket.AF_UNIX) as listener:
        scratch = path.with_suffix(".new")
        scratch.unlink(missing_ok=True)
        listener.bind(str(scratch))
        scratch.chmod(0o600)
        listener.listen()
        scratch.rename(path)  # who sees it may connect
        listener.settimeout(_REAP_SECONDS)
        while True:
            _serve_one(cloud, listener)
            _reap()


def _preload() -> None:
    from oslo_service import backend

    backend.init_backend(backend.BackendType.THREADING)
    for module in _SHARED:
        importlib.import_module(module)
    from agglo_devcloud.openstack import bus

    bus.install()


def _serve_one(cloud: Cloud, listener: socket.socket) -> None:
    try:
        connection, _ = listener.accept()
    except TimeoutError:
        return
    with connection, contextlib.suppress(OSError, DevCloudError):
        service = connection.makefile("r").readline().strip()
        pid = os.fork()
        if pid == 0:
            listener.close()
            connection.close()
            _run_service(cloud, service)
        processes.record(cloud.layout, service, pid)
        connection.sendall(f"{pid}\n".encode())


def _reap() -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _run_service(cloud: Cloud, name: str) -> NoReturn:
    """The forked process: output to the service's log; run it for ever, or exit 1 with a traceback."""
    os.setsid()
    log = os.open(cloud.layout.log / f"{name}.out", os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    sys.argv = [name]
    _set_title(f"agglo-{cloud.layout.name}: {name}")
    try:
        importlib.import_module(f"agglo_devcloud.openstack.services.{name}").start(cloud)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # several services install handlers that wait for ever
        cloud.mark_ready(name)
        while True:
            time.sleep(3600)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(1)


def _set_title(title: str) -> None:
    """A name for ``ps``, where the optional library for it is installed."""
    with contextlib.suppress(ImportError):
        importlib.import_module("setproctitle").setproctitle(title)


if __name__ == "__main__":
    main()
