"""Services that a release needs are in the catalogue, in a version that fits."""

from __future__ import annotations

from collections.abc import Iterator

from agglo.catalog import Catalog, Release
from agglo.rules.rule import Finding, Rule, there
from agglo.wrong import nearest


def check(catalog: Catalog, release: Release) -> Iterator[Finding]:
    """``requires.services``."""
    for service, wanted in sorted(release.manifest.requires.services.items()):
        known = catalog.services()
        if service not in known:
            what = f"needs '{service}', which is not in the catalogue{nearest(service, known)}"
            yield Finding(there(release, "service.yaml"), what, "agglo catalog list")
        elif not catalog.satisfying(service, wanted):
            yield Finding(
                there(release, "service.yaml"),
                f"needs {service} {wanted}, and no released version fits",
                f"agglo catalog show {service}",
            )


RULE = Rule("requirements-exist", "what a release needs is in the catalogue", check)
