"""What a release packages has a licence that the metropolis can check: an SPDX expression."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from agglo.catalog import Catalog, Release
from agglo.rules.rule import Finding, Rule, there


def check(catalog: Catalog, release: Release) -> Iterator[Finding]:
    """``upstream.licence`` against the SPDX list."""
    for problem in _problems(release.manifest.upstream.licence):
        yield Finding(there(release, "service.yaml"), f"upstream.licence: {problem}", "see https://spdx.org/licenses/")


@lru_cache
def _problems(expression: str) -> tuple[str, ...]:
    from license_expression import get_spdx_licensing  # noqa: PLC0415  half a second for the list of licences

    return tuple(get_spdx_licensing().validate(expression).errors)


RULE = Rule("licence-is-known", "the licence is an SPDX expression", check, local=True)
