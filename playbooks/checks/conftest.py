"""What the checks know of the guest: a JSON file that agglo writes, named by AGGLO_CHECK_CONTEXT."""

import json
import os
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def context() -> dict[str, Any]:
    """Facts about the metropolis: ``zone`` and ``edge_routes``; for an edge its addresses."""
    return json.loads(Path(os.environ["AGGLO_CHECK_CONTEXT"]).read_text(encoding="utf-8"))
