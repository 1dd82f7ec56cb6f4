"""Every template renders with every example, for one commune and for several: what is undefined is an error."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import JsonValue

from agglo.catalog import Catalog, Release
from agglo.guest import render_files
from agglo.render import RenderError
from agglo.rules.rule import Finding, Rule, there


def check(catalog: Catalog, release: Release) -> Iterator[Finding]:
    """Dedicated and shared, as the manifest offers."""
    for example in release.examples.values():
        if example.problems:
            continue
        values = release.values_of(example)
        for tenancy in release.manifest.tenancy:
            try:
                render_files(release, _context(release, tenancy, values))
            except (RenderError, UnicodeDecodeError) as error:
                yield Finding(
                    there(release, "templates"),
                    f"example {example.name}, {tenancy}: {error}",
                    "templates know commune, values, host (below member/), members, metro, service, tenancy, requires",
                )


def _context(release: Release, tenancy: str, values: dict[str, JsonValue]) -> dict[str, JsonValue]:
    members = [_member(number, values) for number in (1, 2)]
    context: dict[str, JsonValue] = {
        "metro": {
            "name": "Métropole d’exemple",
            "siren": "246700488",
            "mail": {"host": "100.64.0.30", "port": 25, "senders": ["metropole.example"]},
            "proxy": "http://100.64.0.30:3128",
        },
        "service": {"name": release.service, "version": release.version},
        "tenancy": tenancy,
        "members": list[JsonValue](members if tenancy == "shared" else members[:1]),
        "requires": {name: {"host": f"{name}.exemple.invalid"} for name in release.manifest.requires.services},
    }
    return context if tenancy == "shared" else {**context, **members[0]}


def _member(number: int, values: dict[str, JsonValue]) -> dict[str, JsonValue]:
    slug = f"commune-{number}"
    commune: JsonValue = {
        "insee": f"6700{number}",
        "slug": slug,
        "name": f"Commune {number}",
        "siren": "216700013",
        "postal_codes": ["67000"],
        "population": {"count": 1234, "kind": "municipale", "vintage": None},
    }
    return {"commune": commune, "values": values, "host": f"{slug}.exemple.invalid"}


RULE = Rule("examples-render", "each template renders with each example", check, local=True)
