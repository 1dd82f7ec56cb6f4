"""OpenStack through openstacksdk: the few things that do not belong in a stack's state."""

from __future__ import annotations

import os
import re
import secrets
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from agglo.adapters.capabilities import access, attempt, read_capabilities
from agglo.adapters.connection import Connection
from agglo.adapters.examination import examine
from agglo.adapters.listing import list_cloud
from agglo.adapters.protocols import AccessRule, Content, Credential, Say
from agglo.capabilities import Capabilities
from agglo.diagnosis import Examination
from agglo.drift import Listing
from agglo.errors import AggloError, NotConnected
from agglo.metro import Metro

if TYPE_CHECKING:
    from openstack.connection import Connection as SdkConnection

_BOOT = 180  # seconds until a new server has printed its host keys
_METRO = "metro"  # the domain, and the project in it, that hold what the metropolis makes for all
_SAME_SECOND = 1.1  # Keystone revokes every token issued in the second of a change of password or before
_KEYS = re.compile(r"-----BEGIN SSH HOST KEY KEYS-----\s*(.*?)\s*-----END SSH HOST KEY KEYS-----", re.DOTALL)
_KEY = re.compile(r"((?:ssh-(?:ed25519|rsa)|ecdsa-sha2-\S+) \S+)")


class OpenStackCloud:
    """The cloud that ``clouds.yaml`` names, in ``region`` (unless it is said, the one that the file has)."""

    def __init__(self, connection: Connection, region: str | None = None) -> None:
        self._connection = connection
        self._region = region

    @cached_property
    def _sdk(self) -> SdkConnection:
        from openstack.config import OpenStackConfig  # noqa: PLC0415  half a second that a skip does not need
        from openstack.connection import Connection as SdkConnection  # noqa: PLC0415
        from openstack.exceptions import ConfigException  # noqa: PLC0415

        file = self._connection.clouds_yaml
        try:
            config = OpenStackConfig(config_files=[str(file)] if file else None, load_envvars=False)
            return SdkConnection(config=config.get_one(cloud=self._connection.cloud, region_name=self._region))
        except ConfigException as error:
            raise NotConnected(
                f"{file or 'clouds.yaml'}: {error}", hint="check OS_CLOUD and OS_CLIENT_CONFIG_FILE"
            ) from error

    @property
    def _identity(self) -> Any:
        """Keystone's API 3 (the SDK's type allows for 2 as well)."""
        return self._sdk.identity

    def environment(self) -> Mapping[str, str]:
        """Environment with which OpenStack clients act as the operator, in the metro project once it is there."""
        file = self._connection.clouds_yaml
        named = {"OS_CLIENT_CONFIG_FILE": str(file)} if file else {}
        with _translated(f"project {_METRO}"):
            project = self._metro_project()
        named |= {"OS_PROJECT_ID": str(project.id)} if project else {}
        named |= {"OS_REGION_NAME": self._region} if self._region else {}
        return {**_cleared(), **named, "OS_CLOUD": self._connection.cloud}

    def ensure_metro_project(self) -> None:
        """Domain and project of the metropolis, with the operator as its administrator, and the roles that he has.

        An operator with an application credential has one project for good: that is the metropolis's.
        """
        if self._bound:
            return
        with _translated(f"project {_METRO}"):
            keystone = self._identity
            domain = self._metro_domain() or keystone.create_domain(name=_METRO)
            project = self._metro_project() or keystone.create_project(name=_METRO, domain_id=domain.id)
            for name in {"admin", *self._roles}:
                role = keystone.find_role(name, ignore_missing=False)
                keystone.assign_project_role_to_user(project, self._sdk.current_user_id, role)

    def remove_metro_project(self) -> None:
        """Remove that project and its domain."""
        with _translated(f"project {_METRO}"):
            domain = None if self._bound else self._metro_domain()
            if domain:
                self.disable_domain(domain.id)
                self._identity.delete_domain(domain)  # and what is in it

    @property
    def _roles(self) -> Iterable[str]:
        return tuple(map(str, access(self._sdk).role_names))

    @property
    def _bound(self) -> bool:
        return "applicationcredential" in str(self._sdk.config.config["auth_type"])

    def _metro_domain(self) -> Any:
        return next(iter(self._identity.domains(name=_METRO)), None)

    def _metro_project(self) -> Any:
        domain = None if self._bound else self._metro_domain()
        return next(iter(self._identity.projects(name=_METRO, domain_id=domain.id)), None) if domain else None

    def commune_environment(self, credential: Credential) -> Mapping[str, str]:
        """Environment with which OpenStack clients act as a commune's service user.

        The way to the cloud is the operator's: region, interface and certificates as clouds.yaml says.
        """
        way = _way(self._sdk.config.config)
        return {
            **_cleared(),
            "OS_AUTH_TYPE": "v3applicationcredential",
            "OS_AUTH_URL": str(self._sdk.config.auth["auth_url"]),
            "OS_REGION_NAME": str(self._sdk.config.region_name or ""),
            "OS_INTERFACE": str(way.get("interface", "")),
            "OS_ENDPOINT_TYPE": str(way.get("interface", "")),  # what the engine's provider calls it
            "OS_CACERT": str(way.get("cacert", "")),
            "OS_INSECURE": "" if way.get("verify", True) else "true",
            "OS_CERT": str(way.get("cert", "")),
            "OS_KEY": str(way.get("key", "")),
            "OS_APPLICATION_CREDENTIAL_ID": credential.id,
            "OS_APPLICATION_CREDENTIAL_SECRET": credential.secret,
        }

    def check(self) -> float:
        """Seconds that a token takes. Raises NotConnected when the cloud does not answer or refuses the operator."""
        with _translated(self._connection.cloud):
            self._sdk.session.invalidate()
            start = time.monotonic()
            self._sdk.session.get_token()
            return time.monotonic() - start

    def capabilities(self, zone: str, image: str | None) -> Capabilities:
        """What the cloud can do, and what is there of DNS ``zone`` and ``image`` (its name or id)."""
        with _translated("its capabilities"):
            inside = self._inside()
            return read_capabilities(inside or self._sdk, zone if inside else None, image)

    def examine(self, metro: Metro) -> Examination:
        """What ``doctor`` looks at. Changes nothing."""
        with _translated("its examination"):
            inside = self._inside()
            return examine(inside or self._sdk, metro, metro.zone if inside else None)

    def listing(self) -> Listing:
        """What is in all projects, of the types that drift is looked for in."""
        with _translated("its listing"):
            return list_cloud(self._sdk, partial(_has, self._sdk))

    def _inside(self) -> SdkConnection | None:
        """As the engine works, in the metro project; None until that is there: zones elsewhere are out of its reach."""
        project = attempt(self._metro_project)
        if project is None:
            return self._sdk if self._bound else None
        return self._sdk.connect_as(project_id=project.id)

    def make_credential(self, user: str, project: str, name: str, only: Sequence[AccessRule] = ()) -> Credential:
        """An application credential made as ``user``, whose password nobody knows afterwards.

        With ``only``, it is good for these calls alone.
        """
        password = secrets.token_urlsafe(32)
        with _translated(f"application credential {name}"):
            self._identity.update_user(user, password=password)
            time.sleep(_SAME_SECOND)
            mine: Any = self._as_user(user, password, project).identity
            for old in list(mine.application_credentials(user=user, name=name)):
                mine.delete_application_credential(user, old)
            rules = {"access_rules": [asdict(rule) for rule in only]} if only else {}
            made = mine.create_application_credential(user=user, name=name, **rules)
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

    def close_network(self, network: str) -> None:
        """Take an external network from everybody whom nothing else gives it: Neutron opens each new one to all."""
        with _translated(f"network {network}"):
            for policy in list(self._sdk.network.rbac_policies(object_id=network, action="access_as_external")):
                if policy.target_project_id == "*":
                    self._sdk.network.delete_rbac_policy(policy)

    def disable_domain(self, domain: str) -> None:
        """Disable a domain, so that it may be deleted."""
        with _translated(f"domain {domain}"):
            self._identity.update_domain(domain, is_enabled=False)

    def contents(self, project: str, credential: Credential | None) -> list[Content]:
        """What is in a project that its landing zone did not make; containers as its service user sees them."""
        with _translated(f"contents of project {project}"):
            of_all: dict[str, Any] = {"all_projects": True, "project_id": project}
            volumes = self._sdk.block_storage.volumes(**of_all) if _has(self._sdk, "block-storage") else ()
            return [
                *(Content("server", server.name) for server in self._sdk.compute.servers(**of_all)),
                *(Content("port", port.name or port.id) for port in self._ports(project)),
                *(Content("floating IP", ip.floating_ip_address) for ip in self._sdk.network.ips(project_id=project)),
                *(Content("volume", volume.name or volume.id, data=True) for volume in volumes),
                *(self._containers(credential) if credential else ()),
            ]

    def clear(self, project: str) -> None:
        """Delete the servers, floating IPs and ports that ``contents`` tells of; wait until they are gone."""
        with _translated(f"contents of project {project}"):
            for ip in list(self._sdk.network.ips(project_id=project)):
                self._sdk.network.delete_ip(ip)
            servers = list(self._sdk.compute.servers(all_projects=True, project_id=project))
            for server in servers:
                self._sdk.compute.delete_server(server)
            for server in servers:
                self._sdk.compute.wait_for_delete(server)
            for port in list(self._ports(project)):
                self._sdk.network.delete_port(port)

    def _ports(self, project: str) -> Iterator[Any]:
        """Ports that are no part of the network itself (a router's, DHCP's)."""
        for port in self._sdk.network.ports(project_id=project):
            if not str(port.device_owner or "").startswith("network:"):
                yield port

    def _containers(self, credential: Credential) -> Iterator[Content]:
        commune = self._as_credential(credential)
        if _has(commune, "object-store"):
            for container in commune.object_store.containers():
                yield Content("container", container.name, data=True)

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
            **_way(self._sdk.config.config),
        )


def _has(sdk: SdkConnection, service: str) -> bool:
    """True when the cloud's catalogue names a service of this type, or by one of its older names."""
    from keystoneauth1.exceptions import EndpointNotFound  # noqa: PLC0415

    try:
        return bool(sdk.session.get_endpoint(service_type=service, region_name=sdk.config.region_name))
    except EndpointNotFound:
        return False


def _way(config: Mapping[str, Any]) -> dict[str, Any]:
    """What clouds.yaml says of the way to the cloud, whoever goes it."""
    return {key: config[key] for key in ("interface", "cacert", "verify", "cert", "key") if config.get(key) is not None}


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
