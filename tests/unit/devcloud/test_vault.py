"""What the Vault is told to be; its behaviour is tried with the real server in tests/integration."""

from __future__ import annotations

import base64
from pathlib import Path

from agglo_devcloud import certificates, vault, vault_content
from agglo_devcloud.layout import Layout

LAYOUT = Layout("test1", 3, Path("/nowhere"))


def test_a_root_token_can_be_asked_for_on_loopback_only() -> None:
    inside, outside = vault.server_configuration(LAYOUT, certificates.files(LAYOUT))["listener"]
    assert inside["tcp"]["address"] == "127.0.0.1:8200"
    assert inside["tcp"]["disable_unauthed_generate_root_endpoints"] is False
    assert outside["tcp"]["address"] == "198.51.100.1:8200"
    assert "disable_unauthed_generate_root_endpoints" not in outside["tcp"]


def test_every_listener_has_tls() -> None:
    listeners = vault.server_configuration(LAYOUT, certificates.files(LAYOUT))["listener"]
    assert all(listener["tcp"]["tls_cert_file"] for listener in listeners)


def test_a_generated_root_token_is_decoded() -> None:
    token, password = "s.abcdefghijklmnopqrstuvwx", "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    mixed = bytes(a ^ b for a, b in zip(token.encode(), password.encode(), strict=True))
    encoded = base64.b64encode(mixed).decode().rstrip("=")
    assert vault.decode_token(encoded, password) == token


def test_the_authority_signs_for_the_clouds_names_for_at_most_90_days() -> None:
    role = vault_content.writes(LAYOUT)["pki/roles/agglo"]
    assert role["allowed_domains"] == ["agglo.localhost", "example"]
    assert role["max_ttl"] == "2160h"
    assert vault_content.acme()["dns_resolver"] == "198.51.100.1:53"


def test_guests_names_for_acme_are_under_the_address_that_they_reach() -> None:
    assert vault_content.writes(LAYOUT)["pki/config/cluster"]["path"] == "https://198.51.100.1:8200/v1/pki"
