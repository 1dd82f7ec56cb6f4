"""What cloud-init does on a new guest: trust the metropolis's ssh certificates. Ansible does the rest."""

from __future__ import annotations

import json

_CA = "/etc/ssh/agglo_user_ca.pub"
_SSHD = f"TrustedUserCAKeys {_CA}\nPasswordAuthentication no\nPermitRootLogin no\n"


def make(hostname: str, user_ca: str) -> str:
    """A ``#cloud-config`` (JSON is YAML); ``user_ca`` is the public key that signs operators' certificates."""
    config = {
        "hostname": hostname,
        "write_files": [
            {"path": _CA, "content": user_ca.strip() + "\n", "permissions": "0644"},
            {"path": "/etc/ssh/sshd_config.d/20-agglo.conf", "content": _SSHD, "permissions": "0644"},
        ],
        "runcmd": [["systemctl", "try-reload-or-restart", "ssh.service"]],
    }
    return "#cloud-config\n" + json.dumps(config, indent=1, sort_keys=True) + "\n"
