"""The way to the guests: a key for this run only, signed by the Vault for minutes, and host keys known beforehand."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from agglo.adapters.connection import Connection
from agglo.adapters.protocols import Vault
from agglo.errors import ToolMissing
from agglo.guest import BASTION, Guest

_COMMON = """\
Host *
  User {user}
  IdentityFile {folder}/key
  CertificateFile {folder}/key-cert.pub
  IdentitiesOnly yes
  UserKnownHostsFile {folder}/known_hosts
  GlobalKnownHostsFile none
  StrictHostKeyChecking yes
  PasswordAuthentication no
  ConnectTimeout 10
  ServerAliveInterval 5
  LogLevel ERROR
  ControlMaster auto
  ControlPath {folder}/%C
  ControlPersist 120
"""


@contextmanager
def open_session(
    guests: Sequence[Guest],
    keys: Mapping[str, tuple[str, ...]],
    user: str,
    vault: Vault,
    connection: Connection,
) -> Iterator[Path]:
    """A folder with ``key``, its certificate, ``ssh_config`` and ``known_hosts``; all connections end with it.

    ``keys`` maps servers to their host keys; a guest that it does not name has to show a certificate that the Vault
    signed. Raises ToolMissing without OpenSSH.
    """
    if not shutil.which("ssh-keygen"):
        raise ToolMissing("ssh is not installed", hint="apt-get install openssh-client")
    folder = Path(tempfile.mkdtemp(prefix="agglo-"))
    try:
        _make_key(folder, user, vault)
        config = _COMMON.format(user=user, folder=folder) + "".join(_host(guest, connection) for guest in guests)
        (folder / "ssh_config").write_text(config)
        known = [f"{guest.name} {key}" for guest in guests for key in keys.get(guest.server, ())]
        certified = [guest.name for guest in guests if guest.server not in keys]
        if certified:
            known.append(f"@cert-authority {','.join(certified)} {vault.host_ca()}")
        (folder / "known_hosts").write_text("\n".join(known) + "\n")
        yield folder
    finally:
        _close(folder, guests)
        shutil.rmtree(folder, ignore_errors=True)


def _make_key(folder: Path, user: str, vault: Vault) -> None:
    key = folder / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "agglo", "-f", key], check=True)
    certificate = vault.sign_ssh((folder / "key.pub").read_text(), user)
    (folder / "key-cert.pub").write_text(certificate)


def _host(guest: Guest, connection: Connection) -> str:
    address, port = guest.address, "22"
    if guest.direct and connection.bastion:
        address, _, port = connection.bastion.rpartition(":")
    jump = "" if guest.direct else f"  ProxyJump {BASTION}\n"
    return f"Host {guest.name}\n  HostName {address}\n  Port {port}\n  HostKeyAlias {guest.name}\n{jump}"


def _close(folder: Path, guests: Sequence[Guest]) -> None:
    """End the connections that multiplexing keeps open."""
    if not (folder / "ssh_config").is_file():
        return
    for guest in reversed(guests):
        subprocess.run(
            ["ssh", "-F", folder / "ssh_config", "-O", "exit", guest.name],
            check=False,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=10,
        )
