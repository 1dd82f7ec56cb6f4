"""Rendered configuration of the embedded cloud's services."""

from __future__ import annotations

import configparser
import json
import stat
from pathlib import Path

import jinja2
import pytest

from agglo_devcloud import config, settings, slots
from agglo_devcloud.errors import StartError
from agglo_devcloud.layout import Layout

VENV = Path("/opt/venv")


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """The third cloud of a machine."""
    return Layout("blue", 2, tmp_path)


@pytest.fixture
def files(layout: Layout) -> dict[str, str]:
    """Its rendered configuration."""
    return config.render(layout, settings.load_or_make(layout), VENV)


def ini(text: str) -> configparser.RawConfigParser:
    """Parse strictly: a section or an option given twice is an error."""
    parser = configparser.RawConfigParser(strict=True)
    parser.read_string(text)
    return parser


def test_clouds_of_two_regions_are_in_the_clouds_yaml_of_both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGGLO_DEV_SLOTS", str(tmp_path / ".slots"))
    monkeypatch.setenv("AGGLO_DEV_HOME", str(tmp_path))
    clouds = [slots.allot("test1"), slots.allot("test1", "r2")]
    settings.load_or_make(clouds[0])
    config.write_clouds(clouds[0])
    assert list(json.loads(clouds[0].clouds_yaml.read_text())["clouds"]) == ["agglo-test1", "agglo-test1-system"]
    settings.load_or_make(clouds[1])
    config.write_clouds(clouds[1])
    read = [json.loads(cloud.clouds_yaml.read_text())["clouds"] for cloud in clouds]
    assert read[0] == read[1]
    assert {name: entry["region_name"] for name, entry in read[0].items() if "system" not in name} == {
        "agglo-test1": "RegionOne",
        "agglo-test1r2": "r2",
    }
    assert read[0]["agglo-test1"]["auth"]["auth_url"] != read[0]["agglo-test1r2"]["auth"]["auth_url"]


def test_every_ini_file_parses_strictly(files: dict[str, str]) -> None:
    for path, text in files.items():
        if path.endswith(".conf") and not path.startswith("named/"):
            assert ini(text).sections() or ini(text).defaults(), path


def test_nothing_is_left_of_the_templates(files: dict[str, str]) -> None:
    for path, text in files.items():
        assert "{{" not in text, path
        assert "{%" not in text, path


@pytest.mark.parametrize(
    ("path", "section", "option", "value"),
    [
        ("neutron/neutron.conf", "ovn", "ovn_router_indirect_snat", "true"),
        ("neutron/neutron.conf", "ovn", "dns_servers", "198.51.100.1"),
        ("neutron/neutron.conf", "ml2_type_vlan", "network_vlan_ranges", "public:100:199"),
        ("neutron/neutron.conf", "ml2", "physical_network_mtus", "public:1400"),
        ("neutron/neutron.conf", "ml2", "path_mtu", "1458"),
        ("nova/nova.conf", "DEFAULT", "resume_guests_state_on_host_boot", "true"),
        ("nova/nova.conf", "DEFAULT", "host", "compute-1"),
        ("designate/designate.conf", "service:mdns", "listen", "127.0.0.1:20214"),
        ("swift/object-server.conf", "DEFAULT", "bind_port", "20220"),
        ("octavia/octavia.conf", "api_settings", "default_provider_driver", "ovn"),
    ],
)
def test_key_settings(files: dict[str, str], path: str, section: str, option: str, value: str) -> None:
    assert ini(files[path])[section][option] == value


def test_every_policy_is_enforced_in_the_new_way(files: dict[str, str]) -> None:
    for service in ("keystone", "glance", "nova", "neutron", "cinder", "barbican", "designate", "octavia"):
        text = next(text for path, text in files.items() if path.startswith(f"{service}/{service}"))
        assert ini(text)["oslo_policy"]["enforce_scope"] == "true", service
        assert ini(text)["oslo_policy"]["enforce_new_defaults"] == "true", service


def test_services_talk_to_this_cloud_only(files: dict[str, str]) -> None:
    for path, text in files.items():
        for port in range(20000, 20200):
            assert f"127.0.0.1:{port}" not in text, path


def test_an_unknown_name_in_a_template_is_an_error(
    layout: Layout, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "keystone.conf.j2").write_text("{{ nobody_defines_this }}")
    monkeypatch.setattr(config, "_TEMPLATES", tmp_path / "templates")
    with pytest.raises(jinja2.UndefinedError):
        config.render(layout, settings.load_or_make(layout), VENV)


def test_secrets_are_random_per_cloud_and_stay(tmp_path: Path) -> None:
    blue, red = Layout("blue", 0, tmp_path), Layout("red", 1, tmp_path)
    first = settings.load_or_make(blue)
    assert settings.load_or_make(blue) == first
    other = settings.load_or_make(red)
    assert not set(first.secrets.values()) & set(other.secrets.values())
    assert len(set(first.secrets.values())) == len(first.secrets)


def test_damaged_settings_name_the_way_out(layout: Layout) -> None:
    settings.write_private(layout.run / "settings.json", "not json")
    with pytest.raises(StartError) as raised:
        settings.load_or_make(layout)
    assert raised.value.hint == "agglo dev reset --name blue"


def test_written_files_are_for_root_only(layout: Layout, tmp_path: Path) -> None:
    venv = tmp_path / "venv"
    for path in ("nova/api-paste.ini", "barbican/barbican-api-paste.ini", "designate/api-paste.ini"):
        (venv / "etc" / path).parent.mkdir(parents=True)
        (venv / "etc" / path).write_text("")
    config.write(layout, settings.load_or_make(layout), venv)
    written = [path for path in layout.etc.rglob("*") if path.is_file()]
    written += [layout.clouds_yaml, layout.run / "settings.json", layout.run / "cloud.json"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in written} == {0o600}
    assert stat.S_IMODE(layout.run.stat().st_mode) == 0o700


def test_writing_again_keeps_keystones_keys(layout: Layout, tmp_path: Path) -> None:
    test_written_files_are_for_root_only(layout, tmp_path)
    keys = {path: path.read_text() for path in (layout.etc / "keystone").glob("*-keys/*")}
    config.write(layout, settings.load_or_make(layout), tmp_path / "venv")
    assert len(keys) == 4
    assert {path: path.read_text() for path in keys} == keys


def test_clouds_yaml_has_the_admin_in_project_and_in_system_scope(layout: Layout) -> None:
    known = settings.load_or_make(layout)
    clouds = config.entries(layout, known)
    assert set(clouds) == {"agglo-blue", "agglo-blue-system"}
    assert clouds["agglo-blue"]["auth"]["project_name"] == "admin"
    assert clouds["agglo-blue"]["auth"]["auth_url"] == "http://127.0.0.1:20200/v3"
    assert clouds["agglo-blue-system"]["auth"]["system_scope"] == "all"
