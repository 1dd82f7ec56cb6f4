"""What of Tempest is not asked of an embedded cloud, and why: ``exclusions.yaml``."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agglo_devcloud.errors import DevCloudError

FILE = Path(__file__).with_name("exclusions.yaml")


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Excluded(_Closed):
    """Tests whose names ``match``, a regular expression from their beginning, and why they are not run."""

    match: str
    reason: str = Field(min_length=20)

    def covers(self, name: str) -> bool:
        """True when ``name``, a test's without its attributes, is one of them."""
        return re.match(self.match, name) is not None


class Exclusions(_Closed):
    """``switched_off`` are switches of tempest.conf (``section.option``) with their reason.

    ``does_not_apply`` asks for what this cloud has not by design; ``known_failures`` would apply and fail, and count
    as failures in the share that passes.
    """

    switched_off: dict[str, str]
    does_not_apply: tuple[Excluded, ...]
    known_failures: tuple[Excluded, ...]

    def unused(self, names: Iterable[str]) -> list[str]:
        """Patterns that match none of ``names``: Tempest has renamed or dropped what they meant."""
        known = list(names)
        entries = (*self.does_not_apply, *self.known_failures)
        return [entry.match for entry in entries if not any(entry.covers(name) for name in known)]


def load(path: Path = FILE) -> Exclusions:
    """Read the file. Raises DevCloudError that says what is wrong with it."""
    try:
        return Exclusions.model_validate(yaml.safe_load(path.read_text()))
    except (OSError, yaml.YAMLError, ValidationError) as error:
        raise DevCloudError(f"{path} cannot be used: {error}") from error
