"""Official releases of the engine and the provider, checked against the sums that their release publishes.

The sums come from the same place as the archive: they find a broken download, not a forged release. Who needs
more sets ``AGGLO_TOOLS_BUILD=1``: everything is then built from modules whose hashes are in this repository.
"""

from __future__ import annotations

import hashlib
import os
import platform
import socket
import tarfile
import threading
from pathlib import Path
from urllib.parse import urlsplit

import requests

from agglo.adapters.pins import Say, Tool
from agglo.errors import ToolMissing

_REACHABLE_IN = 2.0  # seconds: a machine without internet must not wait
_READ_TIMEOUT = 30.0
_CHUNK = 1 << 20


def download(tool: Tool, target: Path, say: Say) -> bool:
    """Write the official program to ``target``; False without internet or a release for it.

    Raises ToolMissing when the archive does not have its published sum.
    """
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine())
    if not machine or os.environ.get("AGGLO_TOOLS_BUILD"):
        return False
    names = {"version": tool.version, "amd64": machine, "x64": machine.replace("amd64", "x64")}
    address = tool.release.format(**names)
    if not _reachable(address):
        return False
    say(f"{tool.name}: official release")
    archive = target.with_suffix(".tar.gz")
    try:
        wanted = published_sum(_text(tool.checksums.format(**names)), address.rsplit("/", 1)[1])
        if not wanted:
            return False
        found = _fetch(address, archive)
        if found != wanted:
            raise ToolMissing(f"{address} has sha256 {found}, its release says {wanted}", hint="agglo dev tools")
        return extract(archive, tool.name, target)
    except requests.RequestException:
        return False  # gone half-way: the build needs another host only
    finally:
        archive.unlink(missing_ok=True)


def published_sum(text: str, archive: str) -> str:
    """Sum of ``archive`` in ``sha256sum`` lines; empty if it has none."""
    sums = {name.lstrip("*"): value for value, name in (line.split() for line in text.splitlines() if line.strip())}
    return sums.get(archive, "")


def extract(archive: Path, name: str, target: Path) -> bool:
    """Write the file ``name``, wherever it is in ``archive``, to ``target``; False if there is none."""
    with tarfile.open(archive) as content:
        for member in content:
            if member.isfile() and Path(member.name).name == name:
                source = content.extractfile(member)
                if source:
                    target.write_bytes(source.read())
                    return True
    return False


def _reachable(address: str) -> bool:
    """True when the host, or the proxy in the environment, answers in time, name resolution included."""
    proxy = requests.utils.get_environ_proxies(address).get("https")
    parts = urlsplit(proxy or address)
    answers: list[bool] = []

    def connect() -> None:
        try:
            with socket.create_connection((parts.hostname or "", parts.port or 443), _REACHABLE_IN):
                answers.append(True)
        except OSError:
            return

    attempt = threading.Thread(target=connect, daemon=True)  # getaddrinfo knows no timeout
    attempt.start()
    attempt.join(_REACHABLE_IN)
    return bool(answers)


def _text(address: str) -> str:
    answer = requests.get(address, timeout=(_REACHABLE_IN, _READ_TIMEOUT))
    answer.raise_for_status()
    return answer.text


def _fetch(address: str, target: Path) -> str:
    """Download to ``target``; its sha256."""
    digest = hashlib.sha256()
    with (
        requests.get(address, stream=True, timeout=(_REACHABLE_IN, _READ_TIMEOUT)) as answer,
        target.open("wb") as out,
    ):
        answer.raise_for_status()
        for chunk in answer.iter_content(_CHUNK):
            digest.update(chunk)
            out.write(chunk)
    return digest.hexdigest()
