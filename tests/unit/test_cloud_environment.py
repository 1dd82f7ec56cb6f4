"""The engine's way to the cloud: as clouds.yaml says, whoever goes it."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from agglo.adapters.cloud import OpenStackCloud
from agglo.adapters.connection import Connection
from agglo.adapters.protocols import Credential
from agglo.errors import NotConnected

pytestmark = pytest.mark.filterwarnings("ignore:Support for InfluxDB")  # openstacksdk's, wherever it is imported first


def cloud(folder: Path, region: str | None = None, **more: object) -> OpenStackCloud:
    """A cloud that nobody asks anything."""
    auth = {"auth_url": "https://keystone.example/v3", "username": "op", "password": "canary", "project_name": "p"}
    entry = {"auth": auth, "region_name": "Strasbourg", **more}
    (folder / "clouds.yaml").write_text(yaml.safe_dump({"clouds": {"metro": entry}}))
    return OpenStackCloud(
        Connection(
            cloud="metro", clouds_yaml=folder / "clouds.yaml", vault="", vault_ca=None, vault_token_file=None,
            image=None, acme_directory="", ca=None, state=folder,
        ),
        region,
    )  # fmt: skip


def test_a_commune_goes_the_operators_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ca.pem").write_text("PEM")
    monkeypatch.setenv("OS_PASSWORD", "somebody else's")
    made = cloud(tmp_path, cacert=str(tmp_path / "ca.pem"), interface="internal").commune_environment(
        Credential("id", "secret")
    )
    assert made["OS_CACERT"] == str(tmp_path / "ca.pem")
    assert made["OS_INTERFACE"] == made["OS_ENDPOINT_TYPE"] == "internal"
    assert made["OS_REGION_NAME"] == "Strasbourg"
    assert made["OS_AUTH_URL"] == "https://keystone.example/v3"
    assert made["OS_INSECURE"] == ""
    assert made["OS_PASSWORD"] == ""
    assert "canary" not in "".join(made.values())


def test_without_more_the_way_is_the_usual_one(tmp_path: Path) -> None:
    made = cloud(tmp_path).commune_environment(Credential("id", "secret"))
    assert made["OS_CACERT"] == made["OS_CERT"] == made["OS_KEY"] == made["OS_INSECURE"] == ""
    assert made["OS_INTERFACE"] == "public"


def test_certificates_may_go_unchecked_where_clouds_yaml_says_so(tmp_path: Path) -> None:
    assert cloud(tmp_path, verify=False).commune_environment(Credential("id", "secret"))["OS_INSECURE"] == "true"


def test_the_region_is_that_of_metro_yaml_for_operator_and_communes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(OpenStackCloud, "_metro_project", lambda self: None)
    made = cloud(tmp_path, "Kehl", region_name=None, regions=["Strasbourg", "Kehl"])
    assert made.environment()["OS_REGION_NAME"] == "Kehl"
    assert made.commune_environment(Credential("id", "secret"))["OS_REGION_NAME"] == "Kehl"


def test_a_region_that_clouds_yaml_does_not_have_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(NotConnected, match="Kehl"):
        cloud(tmp_path, "Kehl").commune_environment(Credential("id", "secret"))
