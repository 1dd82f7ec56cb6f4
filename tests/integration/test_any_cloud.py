"""What agglo finds out about a real cloud, and that finding it out leaves nothing there."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openstack.config import OpenStackConfig
from openstack.connection import Connection

from tests.integration.conftest import NAME, Cloud

pytestmark = pytest.mark.integration


def test_the_doctor_finds_the_embedded_cloud_fit_and_conformant(cloud: Cloud) -> None:
    found = json.loads(cloud.done("doctor", "--json"))
    assert [finding for finding in found if finding["level"] != "ok"] == []
    assert {"rights", "versions", "capacity", "public addresses", "clock", "latency", "SCS"} <= {
        f["what"] for f in found
    }


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::PendingDeprecationWarning")  # openstacksdk's own
def test_the_doctors_probes_leave_nothing(cloud: Cloud) -> None:
    before = holds(cloud)
    cloud.done("doctor")
    assert holds(cloud) == before


def holds(cloud: Cloud) -> dict[str, Any]:
    """What the probes would make or change."""
    config = OpenStackConfig(config_files=[str(cloud.layout.clouds_yaml)], load_envvars=False)
    sdk: Any = Connection(config=config.get_one(cloud=f"agglo-{NAME}"))
    listings = {
        "domains": sdk.identity.domains(), "projects": sdk.identity.projects(), "users": sdk.identity.users(),
        "flavors": sdk.compute.flavors(), "images": sdk.image.images(), "networks": sdk.network.networks(),
        "policies": sdk.network.rbac_policies(),
    }  # fmt: skip
    own = sdk.session.get_project_id()
    quotas = {
        "compute": sdk.compute.get(f"/os-quota-sets/{own}").json(),
        "network": sdk.network.get(f"/quotas/{own}").json(),
    }
    return {kind: sorted(item.id for item in items) for kind, items in listings.items()} | quotas


def test_what_the_cloud_can_do_is_recorded_and_asked_no_more(cloud: Cloud) -> None:
    found = cloud.record("metro/RegionOne")["capabilities"]
    assert {"dns", "block-storage", "load-balancer", "object-store"} <= found["services"].keys()
    assert found["reseller"] is True
    assert (found["flavors"], found["zones"]) == ([], [])  # all that is there is the metro stack's own
    assert json.loads(cloud.done("plan", "schiltigheim", "--json"))["cloud"] == {
        "adopted": [], "names": [], "skipped": [],
    }  # fmt: skip
