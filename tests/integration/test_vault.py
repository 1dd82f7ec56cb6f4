"""The embedded cloud's Vault: a real OpenBao in a network namespace of its own cloud."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from agglo_devcloud import certificates, environment, jobs, network, processes, relay, slots, vault
from agglo_devcloud.layout import Layout
from agglo_devcloud.progress import Silent
from agglo_devcloud.vault_api import Api, RefusedError

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Layout]:
    """A cloud of which only the network, the relay and the Vault run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AGGLO_DEV_HOME", str(tmp_path_factory.mktemp("clouds")))
        made = slots.allot(f"v{os.getpid()}")
        jobs.run_jobs([jobs.Job("environment", environment.ensure)], Silent())
        try:
            network.up(made)
            relay.start(made)
            vault.start(made, environment.bao(), Silent())
            yield made
        finally:
            vault.stop(made)
            relay.stop(made)
            network.down(made)
            slots.release(made)


@pytest.fixture
def operator(layout: Layout) -> Api:
    token = vault.token_file(layout).read_text().strip()
    return Api(layout.vault_address, certificates.files(layout).root, token)


def test_secrets_survive_a_crash_and_the_operators_token_stays(layout: Layout, operator: Api) -> None:
    operator.write("kv/data/test", {"data": {"word": "épée"}})
    process = processes.find(layout, vault.NAME)
    assert process
    os.kill(process.pid, signal.SIGKILL)
    processes.stop(layout, [vault.NAME])
    vault.start(layout, environment.bao(), Silent())
    found = operator.read("kv/data/test")
    assert found
    assert found["data"]["data"] == {"word": "épée"}


def test_acme_answers_for_guests_with_the_address_that_they_reach(layout: Layout, operator: Api) -> None:
    directory = operator.read("pki/acme/directory")
    assert directory
    assert directory["newOrder"] == f"{layout.vault_public_address}/v1/pki/acme/new-order"


def test_a_certificate_only_for_names_of_the_cloud(operator: Api) -> None:
    with pytest.raises(RefusedError, match=r"agglo\.test"):
        operator.write("pki/sign/agglo", {"csr": _request("agglo.test")})
    answer = operator.write("pki/sign/agglo", {"csr": _request("portail.schiltigheim.agglo.localhost")})
    assert "BEGIN CERTIFICATE" in answer["data"]["certificate"]


def test_short_lived_ssh_certificates_for_debian_only(operator: Api) -> None:
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ3eVqLdW1tRv6Z3v7yXc0o3n8q6bq1Jm2m1kq8m0Xw4"
    signed = operator.write("ssh-client/sign/agglo", {"public_key": key, "valid_principals": "debian"})
    assert signed["data"]["signed_key"].startswith("ssh-ed25519-cert-v01@openssh.com ")
    with pytest.raises(RefusedError):
        operator.write("ssh-client/sign/agglo", {"public_key": key, "valid_principals": "root"})


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("sys/mounts/other", {"type": "kv"}),
        ("sys/policies/acl/agglo-operator", {"policy": 'path "*" { capabilities = ["sudo"] }'}),
        ("sys/policies/acl/other", {"policy": ""}),
        ("auth/token/create", {"policies": ["root"]}),
        ("pki/sign-verbatim", {"csr": ""}),
        ("pki/config/acme", {"enabled": False}),
    ],
)
def test_the_operator_cannot_widen_its_rights(operator: Api, path: str, body: dict[str, object]) -> None:
    with pytest.raises(RefusedError) as caught:
        operator.write(path, body)
    assert caught.value.status == 403


def test_a_lost_operators_token_is_made_again(layout: Layout, operator: Api) -> None:
    vault.token_file(layout).unlink()
    vault.start(layout, environment.bao(), Silent())
    assert operator.holding(vault.token_file(layout).read_text().strip()).read("sys/mounts")


def test_everything_secret_is_readable_by_root_only(layout: Layout) -> None:
    files = [file for file in layout.vault_dir.rglob("*") if file.is_file()]
    assert files
    assert [file for file in files if file.stat().st_mode & 0o077] == []


def _request(name: str) -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    alternative = x509.SubjectAlternativeName([x509.DNSName(name)])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    signed = builder.add_extension(alternative, critical=False).sign(key, hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM).decode()
