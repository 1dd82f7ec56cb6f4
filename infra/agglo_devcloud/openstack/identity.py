"""What keystone holds in a new cloud: the admin, and every service's user, roles, catalogue entry and endpoints.

Done inside keystone's process: over HTTP it would be some 80 requests.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from keystone.cmd import bootstrap
from keystone.common import provider_api

from agglo_devcloud.openstack.cloud import Cloud

_PROVIDERS = provider_api.ProviderAPIs
_DOMAIN = "default"
_ROLES = (
    "creator",
    "audit",
    "observer",
    "load-balancer_member",
    "load-balancer_admin",
    "key-manager:service-admin",
    "ResellerAdmin",
)
_ADMIN_ROLES = ("load-balancer_admin", "creator", "service", "ResellerAdmin")


@dataclass(frozen=True)
class Entry:
    """A service in the catalogue: its type, and what its endpoints' addresses end with."""

    type: str
    path: str = ""


CATALOGUE = {
    "glance": Entry("image"),
    "placement": Entry("placement"),
    "nova": Entry("compute", "/v2.1"),
    "neutron": Entry("network"),
    "cinder": Entry("block-storage", "/v3"),
    "swift": Entry("object-store", "/v1/AUTH_%(project_id)s"),
    "designate": Entry("dns"),
    "barbican": Entry("key-manager"),
    "octavia": Entry("load-balancer"),
}


def fill(cloud: Cloud) -> None:
    """Make all of it; what an interrupted start has made already stays."""
    _bootstrap_admin(cloud)
    roles = _roles()
    project = _project("service")
    admin = _find(_PROVIDERS.identity_api.list_users, "admin")
    admin_project = _find(_PROVIDERS.resource_api.list_projects, "admin")
    for name in _ADMIN_ROLES:
        _grant(admin, admin_project, roles[name])
    for name, entry in CATALOGUE.items():
        user = _user(name, cloud.passwords[name], project)
        _grant(user, project, roles["admin"])
        _grant(user, project, roles["service"])
        _publish(cloud, name, entry)


def _bootstrap_admin(cloud: Cloud) -> None:
    """What ``keystone-manage bootstrap`` does, without a second interpreter."""
    bootstrap.backends.load_backends = lambda: None  # the API has loaded them; twice is an error
    work = bootstrap.Bootstrapper()
    work.admin_username, work.admin_password = "admin", cloud.passwords["admin"]
    work.project_name = work.admin_role_name = "admin"
    work.service_name, work.region_id = "keystone", cloud.region
    work.public_url = work.internal_url = work.admin_url = cloud.layout.url("keystone", "/v3")
    work.immutable_roles = True
    work.bootstrap()


def _roles() -> dict[str, str]:
    """Name to id of all roles, after making ours."""
    have = {role["name"]: role["id"] for role in _PROVIDERS.role_api.list_roles()}
    for name in _ROLES:
        if name not in have:
            have[name] = _new_id()
            _PROVIDERS.role_api.create_role(have[name], {"id": have[name], "name": name, "options": {}})
    return have


def _project(name: str) -> str:
    found = _find(_PROVIDERS.resource_api.list_projects, name, required=False)
    if found:
        return found
    project = {"id": _new_id(), "name": name, "domain_id": _DOMAIN, "enabled": True, "is_domain": False, "options": {}}
    _PROVIDERS.resource_api.create_project(project["id"], project)
    return str(project["id"])


def _user(name: str, password: str, project: str) -> str:
    found = _find(_PROVIDERS.identity_api.list_users, name, required=False)
    if found:
        return found
    user = {"name": name, "domain_id": _DOMAIN, "password": password, "enabled": True, "default_project_id": project}
    return str(_PROVIDERS.identity_api.create_user(user)["id"])


def _grant(user: str, project: str, role: str) -> None:
    _PROVIDERS.assignment_api.create_grant(role, user_id=user, project_id=project)


def _publish(cloud: Cloud, name: str, entry: Entry) -> None:
    if any(service["type"] == entry.type for service in _PROVIDERS.catalog_api.list_services()):
        return
    service = {"id": _new_id(), "type": entry.type, "name": name, "enabled": True}
    _PROVIDERS.catalog_api.create_service(service["id"], service)
    for interface in ("public", "internal", "admin"):
        endpoint = {
            "id": _new_id(),
            "service_id": service["id"],
            "interface": interface,
            "url": cloud.layout.url(name, entry.path),
            "region_id": cloud.region,
            "enabled": True,
        }
        _PROVIDERS.catalog_api.create_endpoint(endpoint["id"], endpoint)


def _find(listing: Any, name: str, *, required: bool = True) -> str:
    """Id of what is called ``name`` in the default domain; empty when absent and not required."""
    found = [ref["id"] for ref in listing() if ref["name"] == name and ref.get("domain_id") == _DOMAIN]
    if required and not found:
        raise LookupError(f"keystone has no '{name}'")
    return found[0] if found else ""


def _new_id() -> str:
    return uuid.uuid4().hex
