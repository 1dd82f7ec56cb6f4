"""OpenBao as the cloud's Vault: started in the outside namespace, initialised once, unsealed and configured.

Its unseal key is in a file that only root reads. Nobody keeps a root token: when the content has to change, one is
made from the unseal key and revoked at once (what an operator does with ``bao operator generate-root``).
"""

from __future__ import annotations

import base64
import datetime
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from agglo_devcloud import certificates, processes, vault_content
from agglo_devcloud.certificates import Files
from agglo_devcloud.errors import StartError
from agglo_devcloud.layout import LOOPBACK, PUBLIC_GATEWAY, VAULT_PUBLIC_PORT, Layout
from agglo_devcloud.progress import Progress, step
from agglo_devcloud.settings import write_private
from agglo_devcloud.vault_api import Api, RefusedError

NAME = "vault"
_START_SECONDS = 30.0
_ACTIVE, _STANDBY, _UNINITIALISED, _SEALED = 200, 429, 501, 503


def start(layout: Layout, bao: Path, progress: Progress) -> None:
    """Bring the Vault up and to its wanted content; does only what is missing. The relay must run.

    Raises StartError.
    """
    with step(progress, NAME, "starting"):
        found = certificates.ensure(layout, datetime.datetime.now(datetime.UTC))
        if not processes.find(layout, NAME):
            _spawn(layout, bao, found)
        api = Api(layout.vault_address, found.root)
        _wait(layout, lambda: api.health() in (_ACTIVE, _STANDBY, _UNINITIALISED, _SEALED), "the Vault")
        if api.health() == _UNINITIALISED:
            progress.update(NAME, "making its storage")
            _initialise(layout, api)
        if api.health() == _SEALED:
            api.write("sys/unseal", {"key": _unseal_key(layout)})
        _wait(layout, lambda: api.health() == _ACTIVE, "the Vault's storage")
        _configure(layout, api, found, progress)


def healthy(layout: Layout) -> bool:
    """True when the Vault answers and is unsealed."""
    try:
        return Api(layout.vault_address, certificates.files(layout).root).health() == _ACTIVE
    except OSError:
        return False


def is_current(layout: Layout) -> bool:
    """True when it has the content that this version wants."""
    return _stamp(layout).exists() and _stamp(layout).read_text() == vault_content.digest(certificates.files(layout))


def seal(layout: Layout, bao: Path) -> None:
    """Leave it sealed: as it is after every start, until its key is given. Raises StartError."""
    stop(layout)
    found = certificates.files(layout)
    _spawn(layout, bao, found)
    _wait(layout, lambda: Api(layout.vault_address, found.root).health() == _SEALED, "the sealed Vault")


def stop(layout: Layout) -> None:
    """End the Vault if it runs; its data stay, sealed."""
    processes.stop(layout, [NAME])


def token_file(layout: Layout) -> Path:
    """File with the token of the policy ``agglo-operator``, readable by root only."""
    return layout.vault_dir / "token"


def server_configuration(layout: Layout, found: Files) -> dict[str, Any]:
    """OpenBao's own configuration."""
    at = layout.vault_dir
    tls = {"tls_cert_file": str(found.vault), "tls_key_file": str(found.vault_key)}
    # A new root token can be asked for on loopback only; to get it takes the unseal key.
    inside = {"address": f"{LOOPBACK}:{VAULT_PUBLIC_PORT}", "disable_unauthed_generate_root_endpoints": False}
    outside = {"address": f"{PUBLIC_GATEWAY}:{VAULT_PUBLIC_PORT}"}
    audit = {"file_path": str(at / "audit.log"), "mode": "0600"}
    return {
        "listener": [{"tcp": {**listener, **tls}} for listener in (inside, outside)],
        "storage": {"raft": {"path": str(at / "data"), "node_id": layout.name, "performance_multiplier": "1"}},
        "api_addr": layout.vault_public_address,
        "cluster_addr": f"https://{LOOPBACK}:{VAULT_PUBLIC_PORT + 1}",
        "audit": [{"file": {"to-file": {"description": "every request", "options": audit}}}],
        "ui": False,
        "log_level": "info",
    }


def _spawn(layout: Layout, bao: Path, found: Files) -> None:
    (layout.vault_dir / "data").mkdir(parents=True, exist_ok=True, mode=0o700)
    settings = layout.vault_dir / "openbao.json"
    write_private(settings, json.dumps(server_configuration(layout, found), indent=1))
    processes.spawn(layout, NAME, [bao, "server", f"-config={settings}"], netns=layout.external_netns)


def _wait(layout: Layout, check: Callable[[], bool], what: str) -> None:
    process, log = processes.find(layout, NAME), layout.log / f"{NAME}.out"
    processes.wait_for(check, what, timeout=_START_SECONDS, process=process, log=log)


def _initialise(layout: Layout, api: Api) -> None:
    """Make the storage; its key is kept before anything else happens. The first root token is thrown away."""
    answer = api.write("sys/init", {"secret_shares": 1, "secret_threshold": 1})
    key = answer["keys_base64"][0]
    write_private(_key_file(layout), json.dumps({"unseal_key": key}))
    api.write("sys/unseal", {"key": key})
    _wait(layout, lambda: api.health() == _ACTIVE, "the Vault's storage")
    api.holding(answer["root_token"]).write("auth/token/revoke-self")


def _key_file(layout: Layout) -> Path:
    return layout.vault_dir / "unseal.json"


def _unseal_key(layout: Layout) -> str:
    try:
        return str(json.loads(_key_file(layout).read_text())["unseal_key"])
    except (OSError, ValueError, KeyError) as error:
        raise StartError(
            f"{_key_file(layout)} is lost: the Vault cannot be unsealed",
            hint=f"agglo dev reset --name {layout.name} removes the cloud with its secrets",
        ) from error


def _configure(layout: Layout, api: Api, found: Files, progress: Progress) -> None:
    """Bring the content to what is wanted and the operator's token to a new period."""
    if is_current(layout) and _renew(layout, api):
        return
    progress.update(NAME, "engines, roles and policies")
    with _root(api, _unseal_key(layout)) as root:
        vault_content.apply(root, layout, found)
        _make_token(layout, root)
    write_private(_stamp(layout), vault_content.digest(found))


def _stamp(layout: Layout) -> Path:
    return layout.vault_dir / "content"


def _make_token(layout: Layout, root: Api) -> None:
    body = {"policies": [vault_content.POLICY], "period": vault_content.TOKEN_PERIOD, "display_name": "operator"}
    token = root.write("auth/token/create-orphan", body)["auth"]["client_token"]
    write_private(token_file(layout), token + "\n")


def _renew(layout: Layout, api: Api) -> bool:
    """Renew the operator's token; False when there is none or the Vault knows it no more."""
    try:
        api.holding(token_file(layout).read_text().strip()).write("auth/token/renew-self")
    except (FileNotFoundError, RefusedError):
        return False
    return True


@contextmanager
def _root(api: Api, key: str) -> Iterator[Api]:
    """The Vault with a root token, revoked at the end."""
    api.remove("sys/generate-root/attempt")  # one that was not finished
    attempt = api.write("sys/generate-root/attempt")
    answer = api.write("sys/generate-root/update", {"key": key, "nonce": attempt["nonce"]})
    root = api.holding(decode_token(answer["encoded_token"], attempt["otp"]))
    try:
        yield root
    finally:
        root.write("auth/token/revoke-self")


def decode_token(encoded: str, password: str) -> str:
    """The token in ``encoded``: base64 without padding of its bytes xor the one-time password's."""
    mixed = base64.b64decode(encoded + "=" * (-len(encoded) % 4))
    return bytes(a ^ b for a, b in zip(mixed, password.encode(), strict=True)).decode()
