"""The last of the tests on the embedded cloud (they run in the order of file names): nothing is left of it."""

from __future__ import annotations

import pytest

from agglo_devcloud import slots
from tests.integration.conftest import NAME, Cloud, leftovers

pytestmark = pytest.mark.integration


def test_destroy_and_reset_leave_nothing(cloud: Cloud) -> None:
    cloud.done("destroy", "--all", "--yes")
    assert list((cloud.state / "records").glob("*/*.json")) == []
    assert cloud.done("destroy", "--all", "--yes").startswith("Nothing to destroy")
    cloud.done("dev", "reset", "--name", NAME)
    assert leftovers(cloud.layout) == []
    assert not cloud.layout.run.exists()
    assert slots.find(NAME) is None
