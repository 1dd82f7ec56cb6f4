"""Every value has a title and a description in French and in English: forms and answers are made from them."""

from __future__ import annotations

from collections.abc import Iterator

from agglo.catalog import Catalog, Release
from agglo.rules.rule import Finding, Rule, there
from agglo.schema import Property, properties
from agglo.words import Lang

_LANGS: tuple[Lang, ...] = ("fr", "en")


def check(catalog: Catalog, release: Release) -> Iterator[Finding]:
    """The schema itself and all its properties, those of items included."""
    path = there(release, "values.schema.json")
    for found in [Property((), release.schema, required=False), *properties(release.schema)]:
        missing = [
            f"{what} ({lang})" for lang in _LANGS for what in ("title", "description") if not found.text(what, lang)
        ]
        if missing:
            yield Finding(
                path,
                f"{found.dotted or 'the schema'} has no {', '.join(missing)}",
                'French: "title", "description"; English: the same below "x-i18n": {"en": …}',
            )


RULE = Rule("texts-in-two-languages", "each value is described in French and English", check, local=True)
