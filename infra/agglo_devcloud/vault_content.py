"""What a new Vault holds: secrets engines, an authority with ACME, ssh certificates, the operator's policy."""

from __future__ import annotations

import hashlib
import inspect
import sys
from collections.abc import Mapping
from typing import Any

from agglo_devcloud.certificates import DOMAIN, TRIALS, Files
from agglo_devcloud.layout import PUBLIC_GATEWAY, Layout
from agglo_devcloud.vault_api import Api, RefusedError

POLICY = "agglo-operator"
TOKEN_PERIOD = "768h"  # how long the operator's token lives without being renewed; every start renews it
_LEAF_TTL = "2160h"  # 90 days
_ACME_HEADERS = ["Last-Modified", "Location", "Replay-Nonce", "Link"]

MOUNTS: Mapping[str, Mapping[str, Any]] = {
    "kv": {"type": "kv", "options": {"version": "2"}},
    "transit": {"type": "transit"},
    "ssh-client": {"type": "ssh"},
    "ssh-host": {"type": "ssh"},
    "pki": {
        "type": "pki",
        "config": {
            "max_lease_ttl": _LEAF_TTL,
            "allowed_response_headers": _ACME_HEADERS,
            "passthrough_request_headers": ["If-Modified-Since"],
        },
    },
}
METHODS: Mapping[str, Mapping[str, Any]] = {"approle": {"type": "approle"}}

# The operator may use the engines and hand out rights below agglo-*; not change its own rights, mounts or authorities.
_OPERATOR = """
path "kv/*"                            { capabilities = ["create", "read", "update", "patch", "delete", "list"] }
path "transit/*"                       { capabilities = ["create", "read", "update", "delete", "list"] }
path "pki/issue/*"                     { capabilities = ["update"] }
path "pki/sign/*"                      { capabilities = ["update"] }
path "pki/revoke"                      { capabilities = ["update"] }
path "pki/cert/*"                      { capabilities = ["read"] }
path "pki/certs"                       { capabilities = ["list"] }
path "ssh-client/sign/*"               { capabilities = ["update"] }
path "ssh-client/config/ca"            { capabilities = ["read"] }
path "ssh-host/sign/*"                 { capabilities = ["update"] }
path "ssh-host/config/ca"              { capabilities = ["read"] }
path "auth/approle/role/*"             { capabilities = ["create", "read", "update", "delete", "list"] }
path "auth/approle/role"               { capabilities = ["list"] }
path "auth/token/create/agglo"         { capabilities = ["update"] }
path "sys/policies/acl"                { capabilities = ["list"] }
path "sys/policies/acl/agglo-*"        { capabilities = ["create", "read", "update", "delete"] }
path "sys/policies/acl/agglo-operator" { capabilities = ["read"] }
path "sys/policy/agglo-*"              { capabilities = ["create", "read", "update", "delete"] }
path "sys/policy/agglo-operator"       { capabilities = ["read"] }
path "sys/mounts"                      { capabilities = ["read"] }
path "sys/auth"                        { capabilities = ["read"] }
"""


def digest(found: Files) -> str:
    """Changes when the wanted content does: with this module or with the root certificate."""
    wanted = inspect.getsource(sys.modules[__name__]).encode() + found.root.read_bytes()
    return hashlib.sha256(wanted).hexdigest()


def apply(root: Api, layout: Layout, found: Files) -> None:
    """Bring the Vault to its wanted content; ``root`` holds a root token. May be repeated. Raises RefusedError."""
    _mount(root, "sys/mounts", MOUNTS)
    _mount(root, "sys/auth", METHODS)
    for path, body in writes(layout).items():
        root.write(path, body)
    bundle = found.root.read_text() + found.root_key.read_text()
    root.write("pki/config/ca", {"pem_bundle": bundle})  # the same authority again changes nothing
    root.write("pki/config/acme", acme())  # needs the authority
    for mount in ("ssh-client", "ssh-host"):
        if not _has_ssh_authority(root, mount):
            root.write(f"{mount}/config/ca", {"generate_signing_key": True, "key_type": "ed25519"})


def writes(layout: Layout) -> dict[str, dict[str, Any]]:
    """Settings by path, none of them secret."""
    return {
        f"sys/policies/acl/{POLICY}": {"policy": _OPERATOR},
        "auth/token/roles/agglo": {"allowed_policies_glob": ["agglo-*"], "orphan": True, "token_type": "service"},
        "pki/config/cluster": {"path": f"{layout.vault_public_address}/v1/pki"},
        "pki/roles/agglo": {
            "allowed_domains": [DOMAIN, TRIALS],
            "allow_subdomains": True,
            "allow_wildcard_certificates": False,
            "key_type": "any",
            "require_cn": False,
            "ttl": _LEAF_TTL,
            "max_ttl": _LEAF_TTL,
        },
        "ssh-client/roles/agglo": {
            "key_type": "ca",
            "allow_user_certificates": True,
            "allowed_users": "debian",
            "default_user": "debian",
            "allowed_extensions": "permit-pty,permit-port-forwarding",
            "default_extensions": {"permit-pty": "", "permit-port-forwarding": ""},
            "ttl": "30m",
            "max_ttl": "30m",
        },
        "ssh-host/roles/agglo": {
            "key_type": "ca",
            "allow_host_certificates": True,
            "allowed_domains": "*",  # guests have names without a domain, and addresses
            "ttl": _LEAF_TTL,
            "max_ttl": _LEAF_TTL,
        },
    }


def acme() -> dict[str, Any]:
    """ACME for names below the domains, without accounts of its own; names are looked up in the cloud's DNS."""
    return {
        "enabled": True,
        "default_directory_policy": "role:agglo",
        "allowed_roles": ["agglo"],
        "dns_resolver": f"{PUBLIC_GATEWAY}:53",
        "eab_policy": "not-required",
    }


def _mount(root: Api, path: str, wanted: Mapping[str, Mapping[str, Any]]) -> None:
    present = (root.read(path) or {})["data"]
    for name, body in wanted.items():
        if f"{name}/" not in present:
            root.write(f"{path}/{name}", body)
        elif "config" in body:
            root.write(f"{path}/{name}/tune", body["config"])


def _has_ssh_authority(root: Api, mount: str) -> bool:
    try:
        return root.read(f"{mount}/config/ca") is not None
    except RefusedError as error:
        if error.status == 400:  # "keys haven't been configured yet"
            return False
        raise
