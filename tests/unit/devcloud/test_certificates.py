"""The cloud's root certificate and what it signs."""

from __future__ import annotations

import datetime
import ipaddress
import stat
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509 import verification

from agglo_devcloud import certificates
from agglo_devcloud.certificates import Files
from agglo_devcloud.layout import LOOPBACK, PUBLIC_GATEWAY, Layout

NOW = datetime.datetime(2026, 3, 1, 12, tzinfo=datetime.UTC)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout("test1", 3, tmp_path)


def verify(found: Files, address: str, at: datetime.datetime) -> None:
    root = x509.load_pem_x509_certificate(found.root.read_bytes())
    leaf = x509.load_pem_x509_certificate(found.vault.read_bytes())
    subject = x509.IPAddress(ipaddress.ip_address(address))
    builder = verification.PolicyBuilder().store(verification.Store([root])).time(at)
    builder.build_server_verifier(subject).verify(leaf, [])


@pytest.mark.parametrize("address", [LOOPBACK, PUBLIC_GATEWAY])
def test_the_vault_is_known_by_its_root(layout: Layout, address: str) -> None:
    verify(certificates.ensure(layout, NOW), address, NOW)


def test_another_address_is_refused(layout: Layout) -> None:
    with pytest.raises(verification.VerificationError):
        verify(certificates.ensure(layout, NOW), "192.0.2.1", NOW)


def test_the_root_vouches_for_nothing_but_the_cloud_and_trials(layout: Layout) -> None:
    root = x509.load_pem_x509_certificate(certificates.ensure(layout, NOW).root.read_bytes())
    constraints = root.extensions.get_extension_for_class(x509.NameConstraints)
    assert constraints.critical
    permitted = {str(name.value) for name in constraints.value.permitted_subtrees or []}
    assert permitted == {"agglo.localhost", "example", "127.0.0.1/32", "198.51.100.0/24"}


def test_keys_are_readable_by_root_only(layout: Layout) -> None:
    found = certificates.ensure(layout, NOW)
    assert {stat.S_IMODE(key.stat().st_mode) for key in (found.root_key, found.vault_key)} == {0o600}


def test_nothing_is_made_twice(layout: Layout) -> None:
    first = certificates.ensure(layout, NOW).vault.read_bytes()
    assert certificates.ensure(layout, NOW + datetime.timedelta(days=300)).vault.read_bytes() == first


def test_the_vaults_certificate_is_renewed_in_its_last_month(layout: Layout) -> None:
    found = certificates.ensure(layout, NOW)
    root = found.root.read_bytes()
    later = NOW + datetime.timedelta(days=certificates.VAULT_DAYS - 20)
    certificates.ensure(layout, later)
    assert found.root.read_bytes() == root
    verify(found, LOOPBACK, later + datetime.timedelta(days=300))
