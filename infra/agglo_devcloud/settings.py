"""What one embedded cloud keeps for its whole life: region and secrets, made once, readable by root only."""

from __future__ import annotations

import base64
import json
import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from agglo_devcloud.errors import StartError
from agglo_devcloud.layout import Layout

GUEST_MTU = 1400  # octets; with 58 of geneve it fits the usual 1500
SERVICES = (
    "keystone",
    "glance",
    "placement",
    "nova",
    "neutron",
    "cinder",
    "swift",
    "designate",
    "barbican",
    "octavia",
)


@dataclass(frozen=True)
class Settings:
    """``secrets`` holds a password per service user, of ``admin``, and the keys of swift, barbican and rndc."""

    region: str
    secrets: dict[str, str]


def has_settings(layout: Layout) -> bool:
    """True once the cloud was started."""
    return _file(layout).exists()


def load_or_make(layout: Layout) -> Settings:
    """The cloud's settings; made at the first call. Raises StartError when the file cannot be read."""
    path = _file(layout)
    if not path.exists():
        write_private(path, json.dumps(asdict(_make(layout.region)), indent=1))
    try:
        read = json.loads(path.read_text())
        return Settings(region=read["region"], secrets=dict(read["secrets"]))
    except (ValueError, KeyError, TypeError) as error:
        raise StartError(f"{path} is damaged", hint=f"agglo dev reset --name {layout.name}") from error


def _file(layout: Layout) -> Path:
    return layout.run / "settings.json"


def _make(region: str) -> Settings:
    passwords = {user: secrets.token_urlsafe(24) for user in ("admin", *SERVICES)}
    keys = {
        "swift_hash": secrets.token_hex(16),
        "barbican_kek": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        "rndc": base64.b64encode(secrets.token_bytes(32)).decode(),
    }
    return Settings(region=region, secrets=passwords | keys)


def write_private(path: Path, text: str) -> None:
    """Write ``text`` to ``path``, mode 0600, all or nothing; directories above are made 0700."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    scratch = path.with_name(f".{path.name}.new")
    scratch.unlink(missing_ok=True)
    with os.fdopen(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    scratch.replace(path)
