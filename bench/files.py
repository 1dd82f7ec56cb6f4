"""Times of what reads files only: lint, explain, specificity, request check; over 33 communes and 50 releases.

    .venv/bin/python bench/files.py [--peer]

Whole processes, median of five runs each after one that is not counted, all in one run. --peer adds check-jsonschema
(https://check-jsonschema.readthedocs.io), which checks the same 264 values against the same schemas and does nothing
else; it is looked for on PATH.
"""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from agglo.adapters.catalog_editor import mark
from agglo.adapters.catalog_files import read_tree
from agglo.adapters.files import load_project
from agglo.adapters.pins import cache
from agglo.catalog import CHANGELOGS, Entry
from agglo.digest import of_files
from agglo.layers import nest

ROOT = Path(__file__).parents[1]
AGGLO = Path(sys.executable).parent / "agglo"
SERVICES, RELEASES, RUNS = 8, 50, 5


def make_tree(root: Path) -> None:
    """Eight services in 50 releases as large as the portal's; each of 33 communes asks for all eight; kept in Git."""
    for name in ("stacks", "playbooks"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    (root / "stacks/communes/67447-schiltigheim/portal.yaml").unlink()
    (root / "stacks/defaults.yaml").unlink()
    for number in range(RELEASES):
        service, version = f"service-{number % SERVICES}", f"1.{number // SERVICES}.0"
        folder = root / "catalog" / service / version
        shutil.copytree(ROOT / "catalog/portal/1.0.0", folder, ignore=shutil.ignore_patterns("__pycache__"))
        for template in folder.glob("templates/**/*.j2"):
            template.write_text(f"{{# {service} #}}\n{template.read_text()}")
        manifest = folder / "service.yaml"
        text = (
            manifest.read_text()
            .replace("name: portal", f"name: {service}")
            .replace("version: 1.0.0", f"version: {version}")
        )
        manifest.write_text(text.replace('from: "" #', f'from: "{">=1.0.0" if number >= SERVICES else ""}" #'))
        for name in CHANGELOGS.values():
            changelog = root / "catalog" / service / name
            before = changelog.read_text() if changelog.exists() else f"# {service}\n"
            changelog.write_text(f"{before}\n## [{version}] - 2026-01-01\n\n- Something.\n")
        entry = {"state": "released", "date": "2026-01-01", "digest": of_files(read_tree(folder))}
        mark(root, service, version, Entry.model_validate(entry))
    for folder in sorted(p for p in (root / "stacks/communes").iterdir() if p.is_dir()):
        for number in range(SERVICES):
            values = f'  tagline: Bienvenue à {folder.name}.\n  theme: {{accent: "#8a1538"}}\n'
            text = f"service: service-{number}\nversion: 1.{number % 6}.0\nvalues:\n{values}why:\n  tagline: Charte.\n"
            (folder / f"service-{number}.yaml").write_text(text)
    git = ["git", "-C", str(root), "-c", "user.name=bench", "-c", "user.email=bench@example.invalid"]
    for arguments in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "bench"]):
        subprocess.run([*git, *arguments], check=True)


def write_resolved(root: Path, place: Path) -> Iterator[tuple[Path, list[Path]]]:
    """For the peer: each schema with the resolved values that it is to check, as JSON files."""
    project = load_project(root)
    by_schema: dict[Path, list[Path]] = {}
    for request in project.requests.values():
        path = place / f"{request.tenant.slug}-{request.service}.json"
        path.write_text(json.dumps(nest(project.values(request))))
        schema = root / project.release(request).folder / "values.schema.json"
        by_schema.setdefault(schema, []).append(path)
    yield from by_schema.items()


def seconds(commands: Sequence[Sequence[object]]) -> float:
    """Median wall time of running the commands one after the other."""
    times = []
    for _ in range(RUNS + 1):
        start = time.monotonic()
        for command in commands:
            done = subprocess.run([str(part) for part in command], capture_output=True, check=False)
            if done.returncode:
                raise SystemExit(f"{' '.join(map(str, command))}\n{done.stdout.decode()}{done.stderr.decode()}")
        times.append(time.monotonic() - start)
    return statistics.median(times[1:])


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        root, values = Path(folder) / "tree", Path(folder) / "values"
        values.mkdir()
        make_tree(root)
        agglo = [AGGLO, "--root", root]
        lint = cache() / "lint"
        rows: list[tuple[str, list[list[object]]]] = [
            ("agglo --help", [[AGGLO, "--help"]]),
            ("catalog lint: 50 releases, what holds for ever", [[*agglo, "catalog", "lint"]]),
            ("catalog lint --all: 50 releases, all 15 rules", [[*agglo, "catalog", "lint", "--all"]]),
            ("  the same with nothing remembered", [["rm", "-rf", lint], [*agglo, "catalog", "lint", "--all"]]),
            ("explain one instance of 264", [[*agglo, "explain", "schiltigheim/service-3"]]),
            ("specificity of 264 instances, with Git", [[*agglo, "specificity"]]),
            ("request check: 264 requests", [[*agglo, "request", "check"]]),
            ("commune list", [[*agglo, "commune", "list"]]),
        ]
        if "--peer" in sys.argv:
            checks = [
                ["check-jsonschema", "--schemafile", schema, *paths] for schema, paths in write_resolved(root, values)
            ]
            rows.append((f"peer: check-jsonschema, 264 files, {len(checks)} schemas", checks))
        figures = {}
        for what, commands in rows:
            figures[what] = seconds(commands)
            print(f"{what:<60} {figures[what]:6.2f} s", flush=True)
        peer = next((f for w, f in figures.items() if w.startswith("peer")), None)
        if peer:
            print(f"{'request check / peer':<60} {figures['request check: 264 requests'] / peer:6.2f}")


if __name__ == "__main__":
    main()
