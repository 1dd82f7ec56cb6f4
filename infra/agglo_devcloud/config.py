"""Render the configuration of every service of an embedded cloud from ``templates/``."""

from __future__ import annotations

import json
from pathlib import Path

import jinja2
from cryptography.fernet import Fernet

from agglo_devcloud import compute, slots
from agglo_devcloud.layout import PUBLIC_GATEWAY, Layout
from agglo_devcloud.settings import GUEST_MTU, SERVICES, Settings, has_settings, load_or_make, write_private

_TEMPLATES = Path(__file__).parent / "templates"

# Rendered file below ``etc``, and its template.
FILES = {
    "keystone/keystone.conf": "keystone.conf.j2",
    "keystone/policy.yaml": "keystone-policy.yaml.j2",
    "glance/glance-api.conf": "glance-api.conf.j2",
    "placement/placement.conf": "placement.conf.j2",
    "nova/nova.conf": "nova.conf.j2",
    "neutron/neutron.conf": "neutron.conf.j2",
    "cinder/cinder.conf": "cinder.conf.j2",
    "barbican/barbican.conf": "barbican.conf.j2",
    "designate/designate.conf": "designate.conf.j2",
    "designate/pools.yaml": "pools.yaml.j2",
    "octavia/octavia.conf": "octavia.conf.j2",
    "swift/swift.conf": "swift.conf.j2",
    "swift/proxy-server.conf": "proxy-server.conf.j2",
    "named/named.conf": "named.conf.j2",
    "named/rndc.conf": "rndc.conf.j2",
    "named/rndc.key": "rndc.key.j2",
    "named/root.zone": "root.zone.j2",
}
SWIFT_BACKENDS = ("object", "container", "account")

# Shipped in the cloud's environment, and wanted beside the rendered files.
_COPIES = {
    "nova/api-paste.ini": "etc/nova/api-paste.ini",
    "barbican/barbican-api-paste.ini": "etc/barbican/barbican-api-paste.ini",
    "designate/api-paste.ini": "etc/designate/api-paste.ini",
}
_DIRECTORIES = (
    "glance/images",
    "glance/staging",
    "glance/tasks",
    "nova/instances",
    "nova/images",
    "nova/lock",
    "neutron/lock",
    "cinder/lock",
    "cinder/coord",
    "cinder/volumes",
    "designate/coord",
    "designate/lock",
    "octavia/lock",
    "barbican/lock",
    "keystone/lock",
    "glance/lock",
    "named",
    "swift/dev/d1",
)


def render(layout: Layout, settings: Settings, venv: Path) -> dict[str, str]:
    """All configuration files: path below ``etc`` to text. ``venv`` is the cloud's own Python environment."""
    templates = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701  # INI files, not HTML
    )
    values = {
        "layout": layout,
        "region": settings.region,
        "secrets": settings.secrets,
        "venv": venv,
        "mtu": GUEST_MTU,
        "dns_server": PUBLIC_GATEWAY,
        "computes": [host.name for host in compute.hosts(layout)],
    }
    files = {path: templates.get_template(name).render(values) for path, name in FILES.items()}
    backend = templates.get_template("swift-backend.conf.j2")
    files |= {f"swift/{kind}-server.conf": backend.render(values, kind=kind) for kind in SWIFT_BACKENDS}
    return files


def write(layout: Layout, settings: Settings, venv: Path) -> None:
    """Write all configuration, ``cloud.json`` and ``clouds.yaml``, each readable by root only."""
    layout.run.mkdir(parents=True, exist_ok=True, mode=0o700)
    for path, text in render(layout, settings, venv).items():
        write_private(layout.etc / path, text)
    for path, source in _COPIES.items():
        write_private(layout.etc / path, (venv / source).read_text())
    for directory in _DIRECTORIES:
        (layout.run / directory).mkdir(parents=True, exist_ok=True)
    _write_keystone_keys(layout)
    write_private(layout.run / "cloud.json", _cloud_json(layout, settings))
    write_clouds(layout)


def write_clouds(layout: Layout) -> None:
    """Write ``clouds.yaml`` of the cloud and of all regions beside it: each holds the entries of all of them."""
    there = [cloud for cloud in slots.regions(layout) if has_settings(cloud)]
    if has_settings(layout) and layout not in there:
        there.append(layout)  # one that no register knows: in tests, and while a template is made
    clouds = {name: entry for cloud in there for name, entry in entries(cloud, load_or_make(cloud)).items()}
    for cloud in there:
        write_private(cloud.clouds_yaml, json.dumps({"clouds": clouds}, indent=2) + "\n")  # JSON is YAML


def _cloud_json(layout: Layout, settings: Settings) -> str:
    """What ``openstack/`` needs to know; it runs in another Python environment, without this one's libraries."""
    known = {
        "name": layout.name,
        "slot": layout.slot,
        "base": str(layout.base),
        "region": settings.region,
        "passwords": {user: settings.secrets[user] for user in ("admin", *SERVICES)},
    }
    return json.dumps(known, indent=1)


def entries(layout: Layout, settings: Settings) -> dict[str, dict[str, object]]:
    """OpenStack client configuration of one cloud's admin, by entry: in project ``admin``, and in system scope."""
    project = {"project_name": "admin", "project_domain_id": "default"}
    scopes = {layout.cloud_name: project, f"{layout.cloud_name}-system": {"system_scope": "all"}}
    return {name: _cloud_entry(layout, settings, scope) for name, scope in scopes.items()}


def _cloud_entry(layout: Layout, settings: Settings, scope: dict[str, str]) -> dict[str, object]:
    user = {
        "auth_url": layout.url("keystone", "/v3"),
        "username": "admin",
        "password": settings.secrets["admin"],
        "user_domain_id": "default",
    }
    return {"auth": user | scope, "region_name": settings.region, "identity_api_version": "3"}


def _write_keystone_keys(layout: Layout) -> None:
    """Keystone's token and credential keys: made once, or all tokens and EC2 credentials would be lost."""
    for repository in ("fernet-keys", "credential-keys"):
        for number in ("0", "1"):
            path = layout.etc / "keystone" / repository / number
            if not path.exists():
                write_private(path, Fernet.generate_key().decode())
