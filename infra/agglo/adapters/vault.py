"""A Vault-API server (OpenBao, HashiCorp Vault) through hvac: transit, KV v2, AppRoles, ssh certificates."""

from __future__ import annotations

import base64
import json
import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import cached_property
from typing import Any

import hvac
import requests
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hvac import exceptions as hvac_errors

from agglo.adapters.connection import Connection
from agglo.adapters.protocols import Credential
from agglo.errors import AggloError, NotConnected, VaultSealed
from agglo.ops import DNS_KEY, MAIL_KEY

KV = "kv"
SSH, SSH_HOST = "ssh-client", "ssh-host"
_SSH_ROLE = "agglo"
_TOKEN_TTL = "20m"
_TIMEOUT = 10  # seconds, for one request


class HvacVault:
    """The Vault at the connection's address."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @cached_property
    def _client(self) -> Any:
        file = self._connection.vault_token_file
        token = file.read_text().strip() if file else os.environ.get("VAULT_TOKEN")
        return self._new_client(token)

    def _new_client(self, token: str | None) -> Any:
        ca = self._connection.vault_ca
        return hvac.Client(url=self._connection.vault, token=token, verify=str(ca) if ca else True, timeout=_TIMEOUT)

    def check(self) -> None:
        """Raises VaultSealed or NotConnected."""
        with _translated(self._connection.vault):
            status = self._client.sys.read_seal_status()
            if status["sealed"]:
                raise VaultSealed(
                    f"the Vault at {self._connection.vault} is sealed",
                    hint="unseal it (embedded cloud: agglo dev up)",
                )
            self._client.auth.token.lookup_self()

    def client_environment(self) -> Mapping[str, str]:
        """Address and CA of the Vault, without a token."""
        ca = {"VAULT_CACERT": str(self._connection.vault_ca)} if self._connection.vault_ca else {}
        return {"VAULT_ADDR": self._connection.vault, **ca}

    def engine_environment(self, insee: str | None) -> Mapping[str, str]:
        """Environment with which the engine reaches transit: the operator's, or only one commune's."""
        token = self.commune_token(insee) if insee else self._client.token
        return {
            **self.client_environment(),
            "VAULT_SERVER_URL": self._connection.vault,
            "VAULT_SERVER_TOKEN": token,
        }

    # -- landing zones

    def ensure_landing_zone(self, insee: str) -> None:
        """Transit key, policy and AppRole of a commune, or of the metropolis's own stack (``metro``)."""
        name = f"agglo-{insee}"
        with _translated(f"landing zone {insee}"):
            self._client.secrets.transit.create_key(name=name)
            self._client.sys.create_or_update_policy(name=name, policy=_policy(insee))
            self._client.auth.approle.create_or_update_approle(
                role_name=name,
                token_policies=[name],
                token_no_default_policy=False,
                token_ttl=_TOKEN_TTL,
                token_max_ttl=_TOKEN_TTL,
                secret_id_ttl="5m",
                secret_id_num_uses=1,
            )

    def remove_landing_zone(self, insee: str) -> None:
        """Remove a commune's secrets, policy, AppRole and key."""
        name = f"agglo-{insee}"
        self.remove_secrets(f"communes/{insee}")
        with _translated(f"landing zone {insee}"):
            self._client.auth.approle.delete_role(role_name=name)
            self._client.sys.delete_policy(name=name)
            self._client.secrets.transit.update_key_configuration(name=name, deletion_allowed=True)
            self._client.secrets.transit.delete_key(name=name)

    def commune_token(self, insee: str) -> str:
        """A token of some minutes that opens one commune's secrets only."""
        name = f"agglo-{insee}"
        with _translated(f"auth/approle/role/{name}"):
            role = self._client.auth.approle.read_role_id(role_name=name)["data"]["role_id"]
            once = self._client.auth.approle.generate_secret_id(role_name=name)["data"]["secret_id"]
            login = self._new_client(None).auth.approle.login(role_id=role, secret_id=once)
            return str(login["auth"]["client_token"])

    # -- secrets

    def credential(self, insee: str) -> Credential | None:
        """The commune's application credential, if there is one."""
        data = self._read(_credential_path(insee))
        return Credential(id=data["id"], secret=data["secret"]) if data else None

    def keep_credential(self, insee: str, credential: Credential) -> None:
        """Keep a commune's application credential."""
        self._write(_credential_path(insee), {"id": credential.id, "secret": credential.secret})

    def dns_credential(self) -> tuple[str, Credential] | None:
        """The edges' credential for the zone of challenges, with that zone's id, if there is one."""
        data = self._read(DNS_KEY)
        return (data["zone"], Credential(**json.loads(data["value"]))) if data else None

    def keep_dns_credential(self, zone: str, credential: Credential) -> None:
        """Keep it; guests read it as one value."""
        self._write(DNS_KEY, {"value": json.dumps(asdict(credential)), "zone": zone})

    def version(self, path: str) -> int:
        """Version of the secret at ``path`` (0: none), without reading it."""
        with _translated(f"{KV}/{path}"):
            try:
                found = self._client.secrets.kv.v2.read_secret_metadata(path=path, mount_point=KV)["data"]
            except hvac_errors.InvalidPath:
                return 0
        current = int(found["current_version"])
        alive = found["versions"].get(str(current), {})
        return 0 if alive.get("destroyed") or alive.get("deletion_time") else current

    def ensure_secret(self, path: str, alphabet: str, length: int) -> int:
        """Generate the secret at ``path`` when there is none; its version. The value is never returned."""
        version = self.version(path)
        if version:
            return version
        value = "".join(secrets.choice(alphabet) for _ in range(length))
        self._write(path, {"value": value})
        return self.version(path)

    def ensure_mail_key(self) -> None:
        """Make the key that signs the metropolis's mail when there is none."""
        if self.version(MAIL_KEY):
            return
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        self._write(MAIL_KEY, {"value": private.decode(), "public": base64.b64encode(public).decode()})

    def mail_key(self) -> str:
        """Its public part: base64 of the DER form; empty when there is none."""
        return (self._read(MAIL_KEY) or {}).get("public", "")

    def remove_secrets(self, prefix: str) -> None:
        """Delete every secret below ``prefix``, all versions."""
        with _translated(f"{KV}/{prefix}"):
            for path in list(self._below(prefix)):
                self._client.secrets.kv.v2.delete_metadata_and_all_versions(path=path, mount_point=KV)

    # -- ssh

    def ssh_ca(self) -> str:
        """Public key that signs operators' ssh certificates."""
        return self._authority(SSH)

    def sign_ssh(self, public_key: str, user: str) -> str:
        """A certificate of some minutes for ``public_key``."""
        return self._sign(SSH, "user", public_key, user)

    def host_ca(self) -> str:
        """Public key that signs guests' ssh certificates."""
        return self._authority(SSH_HOST)

    def sign_host(self, public_key: str, names: Sequence[str]) -> str:
        """A certificate of a guest, known by ``names``, for as long as the Vault's role says."""
        return self._sign(SSH_HOST, "host", public_key, ",".join(names)).strip()

    # -- inside

    def _authority(self, mount: str) -> str:
        with _translated(f"{mount}/config/ca"):
            return str(self._client.secrets.ssh.read_public_key(mount_point=mount)["data"]["public_key"]).strip()

    def _sign(self, mount: str, kind: str, public_key: str, principals: str) -> str:
        with _translated(f"{mount}/sign/{_SSH_ROLE}"):
            asked = {"public_key": public_key, "valid_principals": principals, "cert_type": kind}
            signed = self._client.write_data(f"{mount}/sign/{_SSH_ROLE}", data=asked)
            return str(signed["data"]["signed_key"])

    def _read(self, path: str) -> Mapping[str, str] | None:
        with _translated(f"{KV}/{path}"):
            try:
                found = self._client.secrets.kv.v2.read_secret_version(
                    path=path, mount_point=KV, raise_on_deleted_version=True
                )
            except hvac_errors.InvalidPath:
                return None
            data: Mapping[str, str] = found["data"]["data"]
            return data

    def _write(self, path: str, data: Mapping[str, str]) -> None:
        with _translated(f"{KV}/{path}"):
            self._client.secrets.kv.v2.create_or_update_secret(path=path, secret=dict(data), mount_point=KV)

    def _below(self, prefix: str) -> Iterator[str]:
        try:
            names = self._client.secrets.kv.v2.list_secrets(path=prefix, mount_point=KV)["data"]["keys"]
        except hvac_errors.InvalidPath:
            return
        for name in names:
            path = f"{prefix}/{name}"
            if name.endswith("/"):
                yield from self._below(path.rstrip("/"))
            else:
                yield path


def _credential_path(insee: str) -> str:
    return f"communes/{insee}/cloud/credential"


def _policy(insee: str) -> str:
    """What the holder of one commune's token may do: read its own secrets, use its own key."""
    return f"""\
path "{KV}/data/communes/{insee}/*" {{ capabilities = ["read"] }}
path "{KV}/metadata/communes/{insee}/*" {{ capabilities = ["read", "list"] }}
path "transit/encrypt/agglo-{insee}" {{ capabilities = ["update"] }}
path "transit/decrypt/agglo-{insee}" {{ capabilities = ["update"] }}
"""


@contextmanager
def _translated(what: str) -> Iterator[None]:
    """Foreign errors become ours, once."""
    try:
        yield
    except hvac_errors.VaultDown as error:
        raise VaultSealed(
            f"the Vault is sealed or standing by ({what})", hint="unseal it (embedded cloud: agglo dev up)"
        ) from error
    except hvac_errors.Forbidden as error:
        raise NotConnected(f"the Vault refuses the token for {what}", hint="log in again, or agglo dev up") from error
    except hvac_errors.VaultError as error:
        raise AggloError(f"the Vault cannot do {what}: {error}", hint="agglo doctor") from error
    except requests.RequestException as error:
        raise NotConnected(
            f"the Vault does not answer ({what}): {_short(error)}", hint="agglo dev up, or check VAULT_ADDR"
        ) from error


def _short(error: Exception) -> str:
    return type(error).__name__
