"""Each version has its entry in the service's changelogs: what changes for communes, in French and in English."""

from __future__ import annotations

import re
from collections.abc import Iterator

from agglo.catalog import CHANGELOGS, Catalog, Release
from agglo.rules.rule import Finding, Rule


def check(catalog: Catalog, release: Release) -> Iterator[Finding]:
    """The heading with a date, and text below it."""
    for lang, name in CHANGELOGS.items():
        path = f"catalog/{release.service}/{name}"
        changelog = catalog.changelogs.get(release.service, {}).get(lang, "")
        heading = re.search(rf"^## \[{re.escape(release.version)}\] - \d{{4}}-\d\d-\d\d$", changelog, re.MULTILINE)
        if not heading:
            yield Finding(path, f"has no entry for {release.version}", f"## [{release.version}] - YYYY-MM-DD")
        elif not catalog.told(release, lang):
            line = changelog[: heading.start()].count("\n") + 1
            yield Finding(path, f"says nothing of {release.version}", "say what changes for communes", line)


RULE = Rule("changelog-has-an-entry", "the changelogs tell of the version", check)
