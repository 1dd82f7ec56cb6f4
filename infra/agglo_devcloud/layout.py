"""Where one embedded cloud keeps its files, network namespaces and ports.

A cloud has a name and a slot. The slot gives it a block of 100 ports on loopback, so that several clouds live side by
side; the name gives it a run directory and its network namespaces. Nothing is created by looking at a layout.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from agglo_devcloud.errors import DevCloudError

LOOPBACK = "127.0.0.1"
DEFAULT_NAME = "dev"
REGION = "RegionOne"  # of a cloud that stands alone, as in OpenStack's own documentation
FIRST_PORT = 20000
PORTS_PER_CLOUD = 100
USER_EDGE_PORT = 8443  # where a person's browser finds the default cloud's edge
_NAME = re.compile(r"[a-z][a-z0-9]{0,11}")
_REGION = re.compile(r"[a-z][a-z0-9]{0,5}")

# Offsets in a cloud's block of ports. Each is one TCP listener on loopback (dns and mdns: UDP too).
_OFFSETS = {
    "keystone": 0,
    "glance": 1,
    "placement": 2,
    "nova": 3,
    "neutron": 4,
    "cinder": 5,
    "swift": 6,
    "designate": 7,
    "barbican": 8,
    "octavia": 9,
    "metadata": 10,
    "vault": 11,
    "dns": 12,
    "rndc": 13,
    "mdns": 14,
    "swift-object": 20,
    "swift-container": 21,
    "swift-account": 22,
    "bastion": 30,
    "edge": 31,
}

# The outside of the cloud (TEST-NET-2, RFC 5737), a network namespace of its own: what a metropolis would reach it by.
PUBLIC_CIDR = "198.51.100.0/24"
PUBLIC_GATEWAY = "198.51.100.1"  # the outside end; the Vault and the DNS answer guests here
PUBLIC_POOL = ("198.51.100.10", "198.51.100.250")
BASTION_ADDRESS = "198.51.100.10"  # relayed to loopback
EDGE_ADDRESS = "198.51.100.20"  # relayed to loopback
VAULT_PUBLIC_PORT = 8200
IDENTITY_PUBLIC_PORT = 5000  # keystone and designate as guests reach them, which may answer challenges in the DNS
DNS_API_PUBLIC_PORT = 9001


def home() -> Path:
    """Directory of all embedded clouds of this machine: ``AGGLO_DEV_HOME``, else ``/var/lib/agglo-dev``."""
    return Path(os.environ.get("AGGLO_DEV_HOME", "/var/lib/agglo-dev"))


def cache() -> Path:
    """Directory of downloads and builds: ``AGGLO_CACHE``, else ``~/.cache/agglo``."""
    fallback = Path(os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache"))) / "agglo"
    return Path(os.environ.get("AGGLO_CACHE", str(fallback)))


def region_cloud(first: str, region: str) -> str:
    """Name of the cloud that is the region ``region`` beside the cloud ``first``. Raises DevCloudError."""
    if not _REGION.fullmatch(region):
        raise DevCloudError(
            f"'{region}' is no name for a region: 1 to 6 lower-case letters or digits, a letter first",
            hint="agglo dev up --region r2",
        )
    return first + region


@dataclass(frozen=True)
class Layout:
    """Paths, names and ports of the cloud ``name`` in ``slot`` (0 is the default cloud's).

    ``beside`` is the name of the cloud that this one is another region of; empty for one that stands alone.
    """

    name: str
    slot: int
    base: Path
    region: str = REGION
    beside: str = ""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise DevCloudError(
                f"'{self.name}' is no name for an embedded cloud: 1 to 12 lower-case letters or digits, a letter first",
                hint="agglo dev up --name test1",
            )

    @property
    def run(self) -> Path:
        """The cloud's directory: everything it writes is below."""
        return self.base / self.name

    @property
    def etc(self) -> Path:
        """Rendered configuration."""
        return self.run / "etc"

    @property
    def log(self) -> Path:
        """One log per service, and ``<name>.out`` per process."""
        return self.run / "log"

    @property
    def pids(self) -> Path:
        """One file per process that was started (see ``processes``)."""
        return self.run / "pids"

    @property
    def mysql_socket(self) -> Path:
        """MariaDB's unix socket."""
        return self.run / "mysql.sock"

    @property
    def ovs(self) -> Path:
        """OVN's and each compute host's OVS databases and sockets."""
        return self.run / "ovs"

    @property
    def ovn_socket(self) -> Path:
        """Unix socket of OVN's northbound and southbound databases."""
        return self.ovs / "db.sock"

    @property
    def clouds_yaml(self) -> Path:
        """OpenStack client configuration, readable by root only; holds cloud ``agglo-<name>`` (project admin)."""
        return self.run / "clouds.yaml"

    @property
    def cloud_name(self) -> str:
        """Name of the admin's entry in ``clouds.yaml``."""
        return f"agglo-{self.name}"

    @property
    def connection_env(self) -> Path:
        """``NAME=value`` lines that agglo needs to use this cloud (see ``connection``)."""
        return self.run / "connection.env"

    @property
    def vault_dir(self) -> Path:
        """OpenBao's storage, TLS and keys; readable by root only."""
        return self.run / "vault"

    @property
    def vault_address(self) -> str:
        """Vault address for this machine."""
        return f"https://{LOOPBACK}:{self.port('vault')}"

    @property
    def vault_public_address(self) -> str:
        """Vault address for guests."""
        return f"https://{PUBLIC_GATEWAY}:{VAULT_PUBLIC_PORT}"

    @property
    def external_netns(self) -> str:
        """Network namespace of the outside: the Vault runs in it, and it reaches floating IPs."""
        return f"agglo-{self.name}-ext"

    def netns(self, suffix: str) -> str:
        """Name of one of the cloud's network namespaces; all begin with ``agglo-<name>-``."""
        return f"agglo-{self.name}-{suffix}"

    def port(self, service: str) -> int:
        """TCP port on loopback of ``service``; KeyError if there is no such service."""
        if service == "edge" and self.name == DEFAULT_NAME:
            return USER_EDGE_PORT
        return FIRST_PORT + self.slot * PORTS_PER_CLOUD + _OFFSETS[service]

    def ports(self) -> dict[str, int]:
        """All ports of this cloud by service."""
        return {service: self.port(service) for service in _OFFSETS}

    def url(self, service: str, path: str = "") -> str:
        """HTTP address on loopback of an OpenStack service."""
        return f"http://{LOOPBACK}:{self.port(service)}{path}"
