"""ssh certificates of guests: who signs, until when, and when a new one is due. No I/O."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    SSHCertificate,
    load_ssh_public_identity,
)

from agglo.records import HostCertificate

FILE = "host-cert.pub"  # among a guest's rendered files
_KIND = "ssh-ed25519 "
_LEFT = 3  # renewed when less than this part of its life is left: a third, as ACME clients do


def key_to_sign(keys: Iterable[str]) -> str | None:
    """The host key that gets a certificate; None when a guest has no Ed25519 key."""
    return next((key for key in keys if key.startswith(_KIND)), None)


def read(text: str) -> HostCertificate:
    """What the record keeps of a certificate. Raises ValueError when ``text`` is none."""
    found = _parse(text)
    life = found.valid_before - found.valid_after
    return HostCertificate(text=text, renew=datetime.fromtimestamp(found.valid_before - life // _LEFT, UTC))


def stands(known: HostCertificate | None, key: str, names: Iterable[str], now: datetime) -> bool:
    """True when the certificate is one of ``key`` for just these ``names``, and is not due to be renewed."""
    if known is None or known.renew <= now:
        return False
    found = _parse(known.text)
    mine = found.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    return mine == key.strip() and {n.decode() for n in found.valid_principals} == set(names)


def _parse(text: str) -> SSHCertificate:
    found = load_ssh_public_identity(text.encode())
    if not isinstance(found, SSHCertificate):
        raise ValueError("no ssh certificate")  # noqa: TRY004  it is the text that is wrong
    return found
