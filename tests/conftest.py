"""What all tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

from agglo.adapters.files import load_project
from agglo.project import Project

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def root() -> Path:
    """The project's folder."""
    return ROOT


@pytest.fixture(scope="session")
def project() -> Project:
    """The metropolis of this repository."""
    return load_project(ROOT)
