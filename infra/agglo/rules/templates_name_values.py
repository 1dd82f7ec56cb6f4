"""Templates read only values that the schema declares, on every path and not only those that an example takes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache

import jinja2
from jinja2 import nodes

from agglo.catalog import Catalog, Release
from agglo.layers import Key
from agglo.render import Templates
from agglo.rules.rule import Finding, Rule, there
from agglo.schema import ITEM, properties
from agglo.wrong import nearest


def check(catalog: Catalog, release: Release) -> Iterator[Finding]:
    """``values.a.b`` in each template against the schema's properties."""
    known = {found.key for found in properties(release.schema)}
    try:
        texts = release.templates.texts
    except UnicodeDecodeError as error:
        yield Finding(there(release, "templates"), f"a template is not UTF-8 text: {error.reason}", "save it as UTF-8")
        return
    for name, text in sorted(texts.items()):
        path = there(release, f"templates/{name}")
        found = _read(text)
        if isinstance(found, Finding):
            yield replace(found, path=path)
            continue
        for key, line in found:
            if key not in known and not _below_a_list(key, known):
                names = [".".join(k) for k in known if ITEM not in k]
                dotted = ".".join(key)
                yield Finding(path, f"reads values.{dotted}, which the schema does not declare{nearest(dotted, names)}",
                              "declare it in values.schema.json, or mend the name", line)  # fmt: skip


@lru_cache(maxsize=4096)
def _read(text: str) -> tuple[tuple[Key, int], ...] | Finding:
    """Longest chains of attributes of ``values`` in a template, with their lines; what is wrong when it is none."""
    try:
        tree = Templates({}).environment.parse(text)
    except jinja2.TemplateSyntaxError as error:
        return Finding("", str(error.message), "mend the template", error.lineno)
    chains = list(tree.find_all(nodes.Getattr))
    inner = {id(node.node) for node in chains}
    keys = ((_chain(node), node.lineno) for node in chains if id(node) not in inner)
    return tuple((key, line) for key, line in keys if key)


def _chain(node: nodes.Node) -> Key:
    """``a.b`` of ``values.a.b``; empty for what is no chain of names that begins with ``values``."""
    parts: list[str] = []
    while isinstance(node, nodes.Getattr):
        parts.append(node.attr)
        node = node.node
    return tuple(reversed(parts)) if isinstance(node, nodes.Name) and node.name == "values" else ()


def _below_a_list(key: Key, known: set[Key]) -> bool:
    """True for what is read of a value without declared properties: a method of a text, an entry of a free map."""
    above = key[:-1]
    return bool(above) and above in known and not any(k[: len(above)] == above and k != above for k in known)


RULE = Rule("templates-name-values", "templates read only declared values", check, local=True)
