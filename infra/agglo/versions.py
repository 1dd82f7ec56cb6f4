"""Semantic versions, and the ranges that manifests name."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator
from semver import Version


def _version(value: str) -> str:
    if not Version.is_valid(value):
        raise ValueError(f"'{value}' is not a version: MAJOR.MINOR.PATCH such as 1.2.0")
    return value


def _range(value: str) -> str:
    for part in _parts(value):
        try:
            Version(0).match(part)
        except ValueError:
            raise ValueError(
                f"'{part}' is not a range of versions: a comparison such as >=1.2.0; several with commas between"
            ) from None
    return value


Semver = Annotated[str, AfterValidator(_version)]
Range = Annotated[str, AfterValidator(_range)]


def version_key(version: str) -> Version:
    """Order of semantic versions, as semver.org has it: a pre-release comes before its release."""
    return Version.parse(version)


def matches(version: str, wanted: str) -> bool:
    """True when ``version`` is in the range ``wanted``: comparisons that must all hold; empty matches nothing."""
    parts = _parts(wanted)
    parsed = Version.parse(version)
    return bool(parts) and all(parsed.match(part) for part in parts)


def _parts(wanted: str) -> list[str]:
    return [part.strip() for part in wanted.split(",") if part.strip()]
