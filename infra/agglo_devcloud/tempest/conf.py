"""``tempest.conf`` of an embedded cloud."""

from __future__ import annotations

import configparser
import io
from collections.abc import Mapping
from pathlib import Path

from agglo_devcloud import bootstrap
from agglo_devcloud.layout import Layout
from agglo_devcloud.settings import Settings
from agglo_devcloud.tempest.prepare import Prepared

_USER = "debian"  # of the guests' image

_FILTERS = (  # as in Nova's configuration
    *("ComputeFilter", "ComputeCapabilitiesFilter", "ImagePropertiesFilter"),
    *("ServerGroupAntiAffinityFilter", "ServerGroupAffinityFilter", "SameHostFilter", "DifferentHostFilter"),
)


def text(layout: Layout, settings: Settings, prepared: Prepared, workspace: Path, off: Mapping[str, str]) -> str:
    """The file: this cloud's facts, and the switches ``off`` (``section.option``) set to false."""
    parser = configparser.RawConfigParser()
    parser.read_dict(_facts(layout, settings, prepared, workspace))
    for switch in off:
        section, _, option = switch.partition(".")
        if not parser.has_section(section):
            parser.add_section(section)
        parser.set(section, option, "false")
    out = io.StringIO()
    parser.write(out)
    return out.getvalue()


def _facts(layout: Layout, settings: Settings, prepared: Prepared, workspace: Path) -> dict[str, dict[str, str]]:
    scoped = ("nova", "neutron", "glance", "cinder", "keystone", "placement")
    return {
        "DEFAULT": {"log_file": str(workspace / "tempest.log"), "debug": "true", "use_stderr": "false"},
        "oslo_concurrency": {"lock_path": str(workspace / "lock")},
        "auth": {
            "use_dynamic_credentials": "true",
            "tempest_roles": "member",
            "admin_username": "admin",
            "admin_password": settings.secrets["admin"],
            "admin_project_name": "admin",
        },
        "identity": {"uri_v3": layout.url("keystone", "/v3"), "region": settings.region},
        "enforce_scope": dict.fromkeys(scoped, "true"),
        "service_available": {"horizon": "false"},
        "compute": {
            "image_ref": prepared.image,
            "image_ref_alt": prepared.other_image,
            "flavor_ref": prepared.flavor,
            "flavor_ref_alt": prepared.other_flavor,
            "min_compute_nodes": "2",
            "max_microversion": "latest",
        },
        "compute-feature-enabled": {
            "resize": "true",
            "scheduler_enabled_filters": ",".join(_FILTERS),
        },
        "placement": {"max_microversion": "latest"},
        "network": {
            "public_network_id": prepared.network,
            "floating_network_name": bootstrap.PUBLIC_NETWORK,
            "provider_net_base_segmentation_id": "150",  # of the VLANs 100 to 199
        },
        "network-feature-enabled": {
            "port_security": "true",
            "api_extensions": ",".join(prepared.network_extensions),
        },
        "object-storage-feature-enabled": {"discoverable_apis": ",".join(prepared.object_features)},
        "validation": {"image_ssh_user": _USER, "image_alt_ssh_user": _USER},
        "scenario": {"dhcp_client": ""},  # systemd-networkd renews on its own
        "volume-feature-enabled": {"extend_attached_volume": "true"},
        "volume": {
            "storage_protocol": "local",
            "vendor_name": "agglo",
            "disk_format": "raw",
            "backup_driver": "swift",
            "backend_names": "files",
            "max_microversion": "latest",
        },
    }
