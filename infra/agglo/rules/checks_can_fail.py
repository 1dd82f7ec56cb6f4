"""A release is checked after each apply: its checks are there, and each asserts something."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from agglo.catalog import Catalog, Release
from agglo.rules.rule import Finding, Rule, there


def check(catalog: Catalog, release: Release) -> Iterator[Finding]:
    """All files that the manifest names, and those in ``checks/`` that it does not."""
    for name in release.manifest.checks:
        content = release.files.get(name)
        if content is None:
            yield Finding(there(release, "service.yaml"), f"names {name}, which does not exist", f"write {name}")
            continue
        yield from _tests(there(release, name), content)
    for name in sorted(release.files):
        if name.startswith("checks/test_") and name not in release.manifest.checks:
            yield Finding(there(release, name), "is not named in service.yaml, so it never runs", f"checks: [{name}]")


def _tests(path: str, content: bytes) -> Iterator[Finding]:
    try:
        tree = ast.parse(content)
    except (SyntaxError, ValueError) as error:
        yield Finding(path, f"is not Python: {error}", "mend it", getattr(error, "lineno", 0) or 0)
        return
    tests = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and n.name.startswith("test_")]
    if not tests:
        yield Finding(path, "holds no test", "write one: def test_it_answers(host): assert …")
    for test in tests:
        if not any(isinstance(node, ast.Assert) or _raises(node) for node in ast.walk(test)):
            yield Finding(path, f"{test.name} cannot fail: it asserts nothing", "assert something", test.lineno)


def _raises(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and node.attr in ("raises", "fail")


RULE = Rule("checks-can-fail", "the checks exist and assert something", check, local=True)
