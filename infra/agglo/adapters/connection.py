"""Which cloud and which Vault: the usual environment variables, or a file of them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from agglo.errors import NotConnected

_NEEDED = ("OS_CLOUD", "VAULT_ADDR")


@dataclass(frozen=True)
class Connection:
    """Names and files, never secrets: what the adapters need to reach the cloud at hand.

    ``bastion``, ``edge`` and ``dns`` are ``host:port`` where this machine reaches them when their own addresses are out
    of reach.
    """

    cloud: str
    clouds_yaml: Path | None
    vault: str
    vault_ca: Path | None
    vault_token_file: Path | None
    image: Path | None
    acme_directory: str
    ca: Path | None
    state: Path
    bastion: str | None = None
    edge: str | None = None
    dns: str | None = None


def read_env_file(path: Path) -> dict[str, str]:
    """``NAME=value`` lines; blank lines and ``#`` comments are passed over."""
    lines = [line.strip() for line in path.read_text().splitlines()]
    pairs = [line.partition("=") for line in lines if line and not line.startswith("#")]
    return {name.strip(): value.strip() for name, _, value in pairs}


def connect(environment: Mapping[str, str], default_state: Path) -> Connection:
    """The connection that ``environment`` describes.

    Raises NotConnected that names every variable that is missing and every file that is not there.
    """
    missing = [name for name in _NEEDED if not environment.get(name)]
    if missing:
        raise NotConnected(
            f"no cloud is named: {', '.join(missing)} not set",
            hint="agglo dev up, or set OS_CLOUD and VAULT_ADDR",
        )
    files = (
        "OS_CLIENT_CONFIG_FILE",
        "VAULT_CACERT",
        "AGGLO_VAULT_TOKEN_FILE",
        "AGGLO_IMAGE_FILE",
        "AGGLO_CA_FILE",
    )
    paths = {name: Path(environment[name]) for name in files if environment.get(name)}
    gone = [f"{name}={path}" for name, path in paths.items() if not path.is_file()]
    if gone:
        raise NotConnected(f"no such file: {', '.join(gone)}", hint="agglo dev status, or correct the variable")
    return Connection(
        cloud=environment["OS_CLOUD"],
        clouds_yaml=paths.get("OS_CLIENT_CONFIG_FILE"),
        vault=environment["VAULT_ADDR"],
        vault_ca=paths.get("VAULT_CACERT"),
        vault_token_file=paths.get("AGGLO_VAULT_TOKEN_FILE"),
        image=paths.get("AGGLO_IMAGE_FILE"),
        acme_directory=environment.get("AGGLO_ACME_DIRECTORY", "https://acme-v02.api.letsencrypt.org/directory"),
        ca=paths.get("AGGLO_CA_FILE"),
        state=state_folder(environment, default_state),
        bastion=environment.get("AGGLO_BASTION_ACCESS"),
        edge=environment.get("AGGLO_EDGE_ACCESS"),
        dns=environment.get("AGGLO_DNS_ACCESS"),
    )


def state_folder(environment: Mapping[str, str], default_state: Path) -> Path:
    """Where records and the engine's state are; they can be read without a cloud."""
    return Path(environment.get("AGGLO_STATE") or default_state)


def process_environment(connection_file: Path | None) -> dict[str, str]:
    """This process's environment over what ``connection_file`` says: what a person sets wins."""
    base = read_env_file(connection_file) if connection_file and connection_file.is_file() else {}
    return {**base, **os.environ}
