"""One root certificate per cloud, and the certificate of its Vault.

The root can sign for nothing but the cloud's own names and addresses, and names for trials that nobody can own
(critical name constraints), so that a person can let a browser trust it without trusting it for anything else.
"""

from __future__ import annotations

import datetime
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from agglo_devcloud.layout import LOOPBACK, PUBLIC_CIDR, PUBLIC_GATEWAY, Layout
from agglo_devcloud.settings import write_private

DOMAIN = "agglo.localhost"  # browsers resolve every name below .localhost to loopback (RFC 6761)
TRIALS = "example"  # reserved for documentation (RFC 2606)
ROOT_DAYS = 3650
VAULT_DAYS = 397  # what browsers accept at most
_RENEW_DAYS = 30


@dataclass(frozen=True)
class Files:
    """Where the certificates are: ``root`` is public, the rest is readable by root only."""

    root: Path
    root_key: Path
    vault: Path
    vault_key: Path


def files(layout: Layout) -> Files:
    """The certificates of a cloud, made or not."""
    at = layout.vault_dir
    return Files(at / "ca.pem", at / "ca-key.pem", at / "vault.pem", at / "vault-key.pem")


def ensure(layout: Layout, now: datetime.datetime) -> Files:
    """Make what is missing; renew the Vault's certificate in its last 30 days. ``now`` has a time zone."""
    found = files(layout)
    if not (found.root.exists() and found.root_key.exists()):
        _make_root(layout.name, found, now)
    if not _lasts(found.vault, now):
        _make_vault(found, now)
    return found


def _make_root(name: str, target: Files, now: datetime.datetime) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _named(f"agglo {name}, an embedded test cloud")
    builder = _certificate(subject, subject, key.public_key(), now, ROOT_DAYS)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_constraints(), critical=True)
    builder = builder.add_extension(_usage(signs_certificates=True), critical=True)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    certificate = builder.sign(key, hashes.SHA256())
    write_private(target.root_key, _key_text(key))
    write_private(target.root, certificate.public_bytes(serialization.Encoding.PEM).decode())


def _make_vault(target: Files, now: datetime.datetime) -> None:
    root = x509.load_pem_x509_certificate(target.root.read_bytes())
    root_key = serialization.load_pem_private_key(target.root_key.read_bytes(), password=None)
    if not isinstance(root_key, ec.EllipticCurvePrivateKey):
        raise TypeError(f"{target.root_key} is no elliptic curve key")
    key = ec.generate_private_key(ec.SECP256R1())
    addresses = [x509.IPAddress(ipaddress.ip_address(text)) for text in (LOOPBACK, PUBLIC_GATEWAY)]
    builder = _certificate(_named("Vault"), root.subject, key.public_key(), now, VAULT_DAYS)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(x509.SubjectAlternativeName(addresses), critical=False)
    builder = builder.add_extension(_usage(signs_certificates=False), critical=True)
    server = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    builder = builder.add_extension(server, critical=False)
    signer = x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key())
    builder = builder.add_extension(signer, critical=False)
    certificate = builder.sign(root_key, hashes.SHA256())
    write_private(target.vault_key, _key_text(key))
    write_private(target.vault, certificate.public_bytes(serialization.Encoding.PEM).decode())


def _certificate(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    now: datetime.datetime,
    days: int,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))  # clocks of guests differ a little
        .not_valid_after(now + datetime.timedelta(days=days))
    )


def _constraints() -> x509.NameConstraints:
    networks = (PUBLIC_CIDR, f"{LOOPBACK}/32")
    addresses = [x509.IPAddress(ipaddress.ip_network(text)) for text in networks]
    return x509.NameConstraints([x509.DNSName(DOMAIN), x509.DNSName(TRIALS), *addresses], None)


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _named(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _key_text(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def _lasts(path: Path, now: datetime.datetime) -> bool:
    if not path.exists():
        return False
    end = x509.load_pem_x509_certificate(path.read_bytes()).not_valid_after_utc
    return end - now > datetime.timedelta(days=_RENEW_DAYS)
