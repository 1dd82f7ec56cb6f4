"""Start and look at the processes of OpenStack's services, from the project's side."""

from __future__ import annotations

import os
import socket
import urllib.error
import urllib.request
from pathlib import Path

import agglo_devcloud
from agglo_devcloud import processes
from agglo_devcloud.errors import StartError
from agglo_devcloud.layout import Layout

ZYGOTE = "zygote"
SWIFT = "swift"
# Forked from the zygote, in this order: what takes longest to load comes first. Placement lives in nova's process.
FORKED = ("keystone", "nova", "neutron", "designate", "cinder", "octavia", "glance", "barbican")
# Neutron loads beside keystone: it takes longest of all, and asks keystone for nothing until it is asked itself.
FIRST = ("keystone", "neutron")
PROCESSES = (*FORKED, SWIFT, ZYGOTE)
_APIS = {"nova": ("nova", "placement")}
_LOAD_SECONDS = 180
_ANSWER_SECONDS = 5
_ASKED = 3


def start_zygote(layout: Layout, python: Path) -> None:
    """Start the process that preloads; returns when it takes requests. Nothing when it runs."""
    if processes.find(layout, ZYGOTE):
        return
    _socket(layout).unlink(missing_ok=True)
    module = "agglo_devcloud.openstack.zygote"
    process = processes.spawn(layout, ZYGOTE, _command(layout, python, module), env=_environment(layout, python))
    log = layout.log / f"{ZYGOTE}.out"
    processes.wait_for(lambda: _listens(layout), "the zygote", timeout=60, process=process, log=log)


def start_swift(layout: Layout, python: Path) -> bool:
    """Start swift, which needs an interpreter of its own; False when it runs."""
    if processes.find(layout, SWIFT):
        return False
    _forget_ready(layout, SWIFT)
    module = "agglo_devcloud.openstack.services.swift"
    processes.spawn(layout, SWIFT, _command(layout, python, module), env=_environment(layout, python))
    return True


def fork(layout: Layout, name: str) -> bool:
    """Have the zygote fork a service; False when it runs."""
    if processes.find(layout, name):
        return False
    _forget_ready(layout, name)
    try:
        answer = _ask_zygote(layout, name)
    except OSError as error:
        raise StartError(f"the zygote did not start {name}: {error}", hint=_log_hint(layout, ZYGOTE)) from error
    if not answer:
        raise StartError(f"{name} ended at once", hint=_log_hint(layout, name))
    return True


def _ask_zygote(layout: Layout, name: str) -> str:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(20)
        client.connect(str(_socket(layout)))
        client.sendall(f"{name}\n".encode())
        return client.makefile("r").readline().strip()


def _log_hint(layout: Layout, name: str) -> str:
    return f"see {layout.log / name}.out"


def wait_ready(layout: Layout, name: str) -> None:
    """Wait until the service says that all of it works. Raises StartError."""
    log = layout.log / f"{name}.out"
    process = processes.find(layout, name)
    if process is None:
        raise StartError(f"{name} ended at once", hint=_log_hint(layout, name))
    processes.wait_for(lambda: _ready(layout, name).exists(), name, timeout=_LOAD_SECONDS, process=process, log=log)


def healthy(layout: Layout, name: str) -> bool:
    """True when the service's process runs, has come up, and its APIs answer."""
    if not processes.find(layout, name):
        return False
    if name == ZYGOTE:
        return _socket(layout).exists()
    return _ready(layout, name).exists() and all(_api_answers(layout, api) for api in _APIS.get(name, (name,)))


def came_up(layout: Layout, name: str) -> bool:
    """True when the service's process had said that all of it works."""
    return _ready(layout, name).exists()


def hung(layout: Layout, name: str) -> bool:
    """True when the service had come up and runs, and yet does not answer, asked several times."""
    if not processes.find(layout, name) or not _ready(layout, name).exists():
        return False
    return not any(healthy(layout, name) for _ in range(_ASKED))


def _api_answers(layout: Layout, api: str) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        opener.open(layout.url(api), timeout=_ANSWER_SECONDS).close()
    except urllib.error.HTTPError as error:
        return error.code < 500  # a 300 with versions, a 401, a 404: it lives
    except OSError:
        return False
    return True


def _command(layout: Layout, python: Path, module: str) -> list[str | Path]:
    return [python, "-W", "ignore", "-m", module, layout.run / "cloud.json"]


def _environment(layout: Layout, python: Path) -> dict[str, str]:
    """A clean environment: a proxy or an OS_ variable of the caller's must not reach the services."""
    return {
        "PATH": f"{python.parent}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": os.environ.get("HOME", "/root"),
        "LANG": "C.UTF-8",
        "PYTHONPATH": str(_library(layout)),
        "PYTHONDONTWRITEBYTECODE": "1",  # the environment is compiled when it is installed
        "SPT_NOENV": "1",  # setproctitle would overwrite the environment by which strays are found
    }


def _library(layout: Layout) -> Path:
    """A directory with this package and nothing else: the project's own libraries must not be seen by the services."""
    directory = layout.run / "lib"
    directory.mkdir(parents=True, exist_ok=True)
    link, package = directory / "agglo_devcloud", Path(agglo_devcloud.__file__).parent
    if not link.is_symlink() or link.readlink() != package:
        link.unlink(missing_ok=True)
        link.symlink_to(package)
    return directory


def _listens(layout: Layout) -> bool:
    """A connection would be taken for a request: look at the socket only."""
    return _socket(layout).is_socket()


def _socket(layout: Layout) -> Path:
    return layout.run / "zygote.sock"


def _ready(layout: Layout, name: str) -> Path:
    return layout.run / "ready" / name


def _forget_ready(layout: Layout, name: str) -> None:
    _ready(layout, name).unlink(missing_ok=True)
