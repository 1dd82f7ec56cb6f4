"""Write how agglo reaches this cloud: environment variables, as it would have them for any cloud."""

from __future__ import annotations

from agglo_devcloud import certificates, vault
from agglo_devcloud.install import Installed
from agglo_devcloud.layout import LOOPBACK, Layout
from agglo_devcloud.settings import write_private


def variables(layout: Layout, installed: Installed) -> dict[str, str]:
    """The variables; none of them holds a secret."""
    root = str(certificates.files(layout).root)
    return {
        "OS_CLIENT_CONFIG_FILE": str(layout.clouds_yaml),
        "OS_CLOUD": layout.cloud_name,
        "VAULT_ADDR": layout.vault_address,
        "VAULT_CACERT": root,
        "AGGLO_VAULT_TOKEN_FILE": str(vault.token_file(layout)),
        "AGGLO_IMAGE_FILE": str(installed.image),
        "AGGLO_BASTION_ACCESS": f"{LOOPBACK}:{layout.port('bastion')}",
        "AGGLO_EDGE_ACCESS": f"{LOOPBACK}:{layout.port('edge')}",
        "AGGLO_DNS_ACCESS": f"{LOOPBACK}:{layout.port('dns')}",
        "AGGLO_ACME_DIRECTORY": f"{layout.vault_public_address}/v1/pki/acme/directory",
        "AGGLO_CA_FILE": root,
        "AGGLO_STATE": str(layout.run / "agglo"),
    }


def write(layout: Layout, installed: Installed) -> None:
    """Write ``connection.env``."""
    lines = [f"{name}={value}" for name, value in variables(layout, installed).items()]
    write_private(layout.connection_env, "\n".join(lines) + "\n")
