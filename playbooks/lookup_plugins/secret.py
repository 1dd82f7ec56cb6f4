"""Ansible lookup ``secret``: a secret of the guest at hand, read from the Vault at the moment a task needs it.

The host variable ``agglo_secrets`` says where each secret is kept; a token of minutes that opens the guest's own
commune only is in the file that AGGLO_TOKENS_FILE names. Values go nowhere but into the task: use ``no_log``.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import hvac
from ansible.errors import AnsibleError
from ansible.plugins.lookup import LookupBase

DOCUMENTATION = """
name: secret
author: agglo
short_description: a secret of this guest from the Vault
description: Reads the named secrets of the guest's own instance from the Vault (KV version 2, mount kv).
options:
  _terms:
    description: names of secrets, as the release's service.yaml declares them
    required: true
"""

EXAMPLES = """
- name: Set the password
  ansible.builtin.command:
    cmd: /usr/local/sbin/set-password
    stdin: "{{ lookup('secret', 'admin_password') }}"
  no_log: true
"""

RETURN = """
_raw:
  description: the values
  type: list
"""


class LookupModule(LookupBase):  # type: ignore[misc]
    """The plugin."""

    def run(self, terms: list[str], variables: dict[str, Any] | None = None, **_: Any) -> list[str]:
        """Values of the named secrets. Raises AnsibleError that names the secret, never its value."""
        known = variables or {}
        paths = known.get("agglo_secrets", {})
        client = _client(str(known.get("agglo_tenant")))
        return [_read(client, paths, name) for name in terms]


def _client(code: str) -> hvac.Client:
    tokens = json.loads(Path(os.environ["AGGLO_TOKENS_FILE"]).read_text(encoding="utf-8"))
    if code not in tokens:
        raise AnsibleError(f"there is no token for the secrets of tenant {code}")
    return hvac.Client(
        url=os.environ["VAULT_ADDR"], token=tokens[code], verify=os.environ.get("VAULT_CACERT") or True, timeout=10
    )


def _read(client: hvac.Client, paths: dict[str, str], name: str) -> str:
    if name not in paths:
        raise AnsibleError(f"the release declares no secret '{name}'")
    try:
        found = client.secrets.kv.v2.read_secret_version(
            path=paths[name], mount_point="kv", raise_on_deleted_version=True
        )
    except hvac.exceptions.VaultError as error:
        raise AnsibleError(f"the Vault does not give secret '{name}': {type(error).__name__}") from error
    return str(found["data"]["data"]["value"])
