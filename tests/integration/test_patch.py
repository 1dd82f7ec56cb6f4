"""A newer image: published beside the old one, a server moved to it, the old one retired, and all the way back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import Cloud, newer_image

pytestmark = pytest.mark.integration


def test_a_server_moves_to_a_newer_image_and_keeps_its_address(cloud: Cloud, tmp_path: Path) -> None:
    before = _portal(cloud)
    with_newer = newer_image(cloud, tmp_path)  # another one when this test is run once more
    result = cloud.agglo("patch", "schiltigheim/portal", "--yes", environment=with_newer)
    assert result.returncode == 0, result.stdout + result.stderr
    after = _portal(cloud)
    assert after["server"] != before["server"]
    assert (after["address"], after["fixed_address"]) == (before["address"], before["fixed_address"])
    assert "Bienvenue à Schiltigheim" in cloud.page()
    assert len(cloud.record("metro/RegionOne")["outputs"]["images"]) == 2
    assert cloud.agglo("apply", "schiltigheim", "--yes", environment=with_newer).stdout.startswith("Nothing to do")
    cloud.done("patch", "schiltigheim/portal", "--yes")
    assert _portal(cloud)["server_images"] == before["server_images"]
    assert len(cloud.record("metro/RegionOne")["outputs"]["images"]) == 1
    assert sum(json.loads(cloud.done("status", "--json"))["totals"]["images"].values()) >= 5
    assert cloud.done("patch", "all", "--yes").startswith("Nothing to patch")


def _portal(cloud: Cloud) -> dict[str, Any]:
    outputs: dict[str, Any] = cloud.record("instance/67447-portal")["outputs"]
    return outputs
