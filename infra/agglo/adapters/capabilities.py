"""What a cloud can do, read through openstacksdk from its catalogue, extensions and listings. Nothing is changed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar

from agglo.capabilities import Capabilities, CloudFlavor, Part, Service

if TYPE_CHECKING:
    from openstack.connection import Connection

_NOBODY = "0" * 32
_Answer = TypeVar("_Answer")


def read_capabilities(sdk: Connection, zone: str | None, image: str | None) -> Capabilities:
    """All of it; a dozen calls, some more where services tell their versions. No ``zone``: none is looked for."""
    services = {kind: _version(sdk, kind) for kind in _service_types(sdk)}
    there = services.keys()
    external = list(sdk.network.networks(is_router_external=True)) if "network" in there else []
    extensions = sorted(str(e.alias) for e in sdk.network.extensions()) if "network" in there else []
    return Capabilities(
        regions=_regions(sdk),
        services=services,
        extensions=tuple(extensions),
        external_networks=tuple(sorted(str(n.name) for n in external)),
        rbac_external="rbac-policies" in extensions and _opened_singly(sdk, [str(n.id) for n in external]),
        reseller=Part.OBJECT_STORAGE in there and _is_reseller(sdk),
        volume_types=_volume_types(sdk) if Part.VOLUME in there else {},
        availability_zones=_names(sdk.compute.availability_zones()) if "compute" in there else (),
        flavors=_flavors(sdk) if "compute" in there else (),
        images=_images(sdk, image) if image and "image" in there else (),
        zones=tuple(str(z.id) for z in sdk.dns.zones(name=zone)) if zone and Part.DNS in there else (),
    )


def _service_types(sdk: Connection) -> list[str]:
    """Types of the services in this region, by their official names (``block-storage``, not ``volumev3``)."""
    from os_service_types import ServiceTypes  # noqa: PLC0415

    known, region = ServiceTypes(), sdk.config.region_name
    catalog = access(sdk).service_catalog.catalog
    here = {s["type"] for s in catalog for e in s["endpoints"] if region in (None, "", e.get("region"))}
    return sorted({known.get_service_type(kind) or kind for kind in here})


def access(sdk: Connection) -> Any:
    """What the operator's token says: who it is of, its roles, the service catalogue."""
    auth: Any = sdk.session.auth
    return auth.get_access(sdk.session)


def _version(sdk: Connection, kind: str) -> Service:
    """The service's API version and newest microversion, where it tells them."""
    data = attempt(lambda: sdk.config.get_session_client(kind).get_endpoint_data())
    if data is None:
        return Service()
    return Service(version=_dotted(data.api_version), microversion=_dotted(data.max_microversion))


def _dotted(version: Iterable[float] | None) -> str:
    return ".".join(map(str, version or ()))


def _regions(sdk: Connection) -> tuple[str, ...]:
    """Regions with endpoints: a list that everybody with a token may see."""
    endpoints = (e for s in access(sdk).service_catalog.catalog for e in s["endpoints"])
    return tuple(sorted({str(e["region"]) for e in endpoints if e.get("region")}))


def _opened_singly(sdk: Connection, external: list[str]) -> bool:
    """True where external networks are shared by RBAC: Neutron itself keeps such a policy for each of them."""
    policies = sdk.network.rbac_policies(object_type="network", action="access_as_external")
    return any(str(policy.object_id) in external for policy in policies)


def _is_reseller(sdk: Connection) -> bool:
    """True where the operator may look at an account that is nobody's; looking makes none."""
    client = sdk.object_store
    own = client.get_endpoint() or ""
    project = str(sdk.session.get_project_id() or "")
    if not project or project not in own:
        return False
    answer = client.session.head(own.replace(project, _NOBODY), authenticated=True, raise_exc=False)
    return answer.status_code in (200, 204, 404)


def _volume_types(sdk: Connection) -> dict[str, bool]:
    """Names, and whether volumes of the type are encrypted; unknown to whom is no admin: False."""
    volumes: Any = sdk.block_storage

    def encrypted(kind: Any) -> bool:
        return bool(attempt(lambda: volumes.get_type_encryption(kind).provider))

    return {str(kind.name): encrypted(kind) for kind in volumes.types()}


def _flavors(sdk: Connection) -> tuple[CloudFlavor, ...]:
    found = sorted(sdk.compute.flavors(details=True), key=lambda f: str(f.name))
    return tuple(
        CloudFlavor(id=str(f.id), name=str(f.name), vcpus=f.vcpus, ram_mib=f.ram, disk_gib=f.disk) for f in found
    )


def _images(sdk: Connection, word: str) -> tuple[str, ...]:
    by_id = attempt(lambda: sdk.image.get_image(word))
    return (str(by_id.id),) if by_id else tuple(str(i.id) for i in sdk.image.images(name=word, status="active"))


def _names(items: Iterable[Any]) -> tuple[str, ...]:
    return tuple(sorted(str(item.name) for item in items))


def attempt(ask: Callable[[], _Answer]) -> _Answer | None:
    """None where a cloud does not tell: it refuses, has no such thing, or its discovery document is none."""
    from keystoneauth1.exceptions import ClientException  # noqa: PLC0415
    from openstack.exceptions import SDKException  # noqa: PLC0415

    try:
        return ask()
    except (SDKException, ClientException, TypeError, KeyError, StopIteration):
        return None
