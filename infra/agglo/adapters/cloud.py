"""OpenStack through openstacksdk: the few things that do not belong in a stack's state."""

from __future__ import annotations

import os
import re
import secrets
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

from agglo.adapters.connection import Connection
from agglo.adapters.protocols import Credential, Say
from agglo.errors import AggloError, NotConnected

if TYPE_CHECKING:
    from openstack.connection import Connection as SdkConnection

_BOOT = 180  # seconds until a new server has printed its host keys
_SAME_SECOND = 1.1  # Keystone revokes every token issued in the second of a change of password or before
_KEYS = re.compile(r"-----BEGIN SSH HOST KEY KEYS-----\s*(.*?)\s*-----END SSH HOST KEY KEYS-----", re.DOTALL)
_KEY = re.compile(r"((?:ssh-(?:ed25519|rsa)|ecdsa-sha2-\S+) \S+)")


class OpenStackCloud:
    """The cloud that ``clouds.yaml`` names."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @cached_property
    def _sdk(self) -> SdkConnection:
        from openstack.config import OpenStackConfig  # noqa: PLC0415  half a second that a skip does not need
        from openstack.connection import Connection as SdkConnection  # noqa: PLC0415
        from openstack.exceptions import ConfigException  # noqa: PLC0415

        file = self._connection.clouds_yaml
        try:
            config = OpenStackConfig(config_files=[str(file)] if file else None, load_envvars=False)
            return SdkConnection(config=config.get_one(cloud=self._connection.cloud))
        except ConfigException as error:
            raise NotConnected(
                f"{file or 'clouds.yaml'}: {error}", hint="check OS_CLOUD and OS_CLIENT_CONFIG_FILE"
            ) from error

    @property
    def _identity(self) -> Any:
        """Keystone's API 3 (the SDK's type allows for 2 as well)."""
        return self._sdk.identity

    def environment(self) -> Mapping[str, str]:
        """Environment with which OpenStack clients act as the operator."""
        file = self._connection.clouds_yaml
        named = {"OS_CLIENT_CONFIG_FILE": str(file)} if file else {}
        return {**_cleared(), **named, "OS_CLOUD": self._connection.cloud}

    def commune_environment(self, credential: Credential) -> Mapping[str, str]:
        """Environment with which OpenStack clients act as a commune's service user."""
        return {
            **_cleared(),
            "OS_AUTH_TYPE": "v3applicationcredential",
            "OS_AUTH_URL": str(self._sdk.config.auth["auth_url"]),
            "OS_REGION_NAME": str(self._sdk.config.region_name or ""),
            "OS_APPLICATION_CREDENTIAL_ID": credential.id,
            "OS_APPLICATION_CREDENTIAL_SECRET": credential.secret,
        }

    def check(self) -> None:
        """Raises NotConnected when the cloud does not answer or refuses the operator."""
        with _translated(self._connection.cloud):
            self._sdk.session.get_token()

    def make_credential(self, user: str, project: str, name: str) -> Credential:
        """An application credential made as ``user``, whose password nobody knows afterwards."""
        password = secrets.token_urlsafe(32)
        with _translated(f"application credential {name}"):
            self._identity.update_user(user, password=password)
            time.sleep(_SAME_SECOND)
            mine: Any = self._as_user(user, password, project).identity
            for old in list(mine.application_credentials(user=user, name=name)):
                mine.delete_application_credential(user, old)
            made = mine.create_application_credential(user=user, name=name)
            # application credentials survive a change of password (Keystone's documentation, "Rotating")
            self._identity.update_user(user, password=secrets.token_urlsafe(32))
            return Credential(id=str(made.id), secret=str(made.secret))

    def credential_works(self, credential: Credential) -> bool:
        """True when the cloud accepts it."""
        from keystoneauth1.exceptions import NotFound, Unauthorized  # noqa: PLC0415

        try:
            with _translated("application credential", passing=(Unauthorized, NotFound)):
                self._as_credential(credential).session.get_token()
        except (Unauthorized, NotFound):
            return False
        return True

    def host_keys(self, servers: Iterable[str], say: Say) -> Mapping[str, tuple[str, ...]]:
        """Public ssh host keys of servers from their console logs; waits until they are there."""
        waiting, found = set(servers), dict[str, tuple[str, ...]]()
        end = time.monotonic() + _BOOT
        while waiting:
            for server in sorted(waiting):
                keys = self._console_keys(server)
                if keys:
                    found[server] = keys
            waiting -= found.keys()
            if waiting and time.monotonic() > end:
                raise AggloError(
                    f"server {min(waiting)} printed no ssh host key in {_BOOT} s",
                    hint=f"openstack --os-cloud {self._connection.cloud} console log show {min(waiting)}",
                )
            if waiting:
                say(f"waiting for {len(waiting)} guest{'s' if len(waiting) > 1 else ''} to boot")
                time.sleep(0.3)
        return found

    def disable_domain(self, domain: str) -> None:
        """Disable a domain, so that it may be deleted."""
        with _translated(f"domain {domain}"):
            self._identity.update_domain(domain, is_enabled=False)

    def _console_keys(self, server: str) -> tuple[str, ...]:
        with _translated(f"console log of {server}"):
            output = self._sdk.compute.get_server_console_output(server)["output"] or ""
        blocks = _KEYS.findall(output.replace("\r", ""))
        return tuple(_KEY.findall(blocks[-1])) if blocks else ()

    def _as_user(self, user: str, password: str, project: str) -> SdkConnection:
        return self._other("v3password", user_id=user, password=password, project_id=project)

    def _as_credential(self, credential: Credential) -> SdkConnection:
        return self._other(
            "v3applicationcredential",
            application_credential_id=credential.id,
            application_credential_secret=credential.secret,
        )

    def _other(self, auth_type: str, **auth: str) -> SdkConnection:
        import openstack  # noqa: PLC0415

        return openstack.connect(
            auth_type=auth_type,
            auth={"auth_url": self._sdk.config.auth["auth_url"], **auth},
            region_name=self._sdk.config.region_name,
            load_yaml_config=False,
            load_envvars=False,
        )


def _cleared() -> dict[str, str]:
    """Every OS_* variable of this process, emptied: a child must not mix two identities."""
    return {name: "" for name in os.environ if name.startswith("OS_")}


@contextmanager
def _translated(what: str, passing: tuple[type[Exception], ...] = ()) -> Iterator[None]:
    """Foreign errors become ours, once; ``passing`` ones go through."""
    from keystoneauth1.exceptions import ClientException, ConnectFailure, DiscoveryFailure, Unauthorized  # noqa: PLC0415
    from openstack.exceptions import SDKException  # noqa: PLC0415

    try:
        yield
    except passing:
        raise
    except (ConnectFailure, DiscoveryFailure) as error:
        raise NotConnected(
            f"the cloud does not answer ({what})", hint="agglo dev status, or check clouds.yaml's auth_url"
        ) from error
    except Unauthorized as error:
        raise NotConnected(
            f"the cloud refuses the operator ({what})", hint="check clouds.yaml's user and password"
        ) from error
    except (SDKException, ClientException) as error:
        raise AggloError(f"OpenStack: {what}: {error}", hint="agglo doctor") from error
