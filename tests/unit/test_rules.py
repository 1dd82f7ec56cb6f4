"""The rules of the catalogue: a good catalogue breaks none, and every rule speaks when it should, and only then."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from agglo.adapters import catalog_editor
from agglo.adapters.catalog_files import load_catalog
from agglo.adapters.files import load_project
from agglo.adapters.yaml_editor import edit_yaml
from agglo.errors import Problem
from agglo.policies import POLICIES, Policy, unexplained
from agglo.rules import RULES, Finding, Rule, lint
from tests.trees import ask, enter, metropolis

TODAY = date(2026, 1, 1)
OLD, NEW, FIRST = "catalog/agenda/0.1.0", "catalog/agenda/0.2.0", "catalog/carnet/0.1.0"
INDEX, CHANGELOG = "catalog/agenda/releases.yaml", "catalog/agenda/CHANGELOG.md"
FRENCH = "catalog/agenda/CHANGELOG.fr.md"
Break = Callable[[Path], object]  # what it returns is of no interest
IDS = [rule.id for rule in RULES]


@pytest.fixture(scope="session")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalogue without fault: ``agenda`` with a released and a draft version, ``carnet`` with its first draft."""
    root = tmp_path_factory.mktemp("good")
    catalog_editor.new_service(root, "agenda", (), TODAY)
    enter(root, "agenda", "0.1.0")
    released = load_catalog(root, []).release("agenda", "0.1.0")
    catalog_editor.new_version(root, released, "0.2.0", (), TODAY, reached_from=released)
    for changelog in (CHANGELOG, FRENCH):
        replacing(changelog, "## [0.2.0] - 2026-01-01\n", "## [0.2.0] - 2026-01-01\n\n- Nothing yet.\n")(root)
    catalog_editor.new_service(root, "carnet", (), TODAY)
    return root


@pytest.fixture
def tree(good: Path, tmp_path: Path) -> Path:
    """A copy of it that a test may spoil."""
    shutil.copytree(good / "catalog", tmp_path / "catalog")
    return tmp_path


def found(root: Path, *, everything: bool = False) -> list[tuple[str, Finding]]:
    """What lint finds in all releases, by the id of the rule."""
    problems: list[Problem] = []
    catalog = load_catalog(root, problems)
    assert problems == []
    return [(rule.id, finding) for rule, finding in lint(catalog, list(catalog), everything=everything)]


def replacing(name: str, old: str, new: str) -> Break:
    """Change a file's text."""

    def change(root: Path) -> None:
        text = (root / name).read_text()
        assert old in text
        (root / name).write_text(text.replace(old, new))

    return change


def without(*names: str) -> Break:
    """Remove files."""

    def remove(root: Path) -> None:
        for name in names:
            (root / name).unlink()

    return remove


def having(name: str, text: str) -> Break:
    """Write a file."""

    def change(root: Path) -> None:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)

    return change


def schema(change: Callable[[Any], object], folder: str = FIRST) -> Break:
    """Change a release's schema; of ``carnet`` if not told otherwise, where no older version is compared."""

    def edit(root: Path) -> None:
        path = root / folder / "values.schema.json"
        data = json.loads(path.read_text())
        change(data)
        path.write_text(json.dumps(data))

    return edit


def manifest(change: Callable[[Any], object], folder: str = NEW) -> Break:
    """Change a release's service.yaml."""

    def edit(data: Any) -> None:
        change(data)

    return lambda root: edit_yaml(root / folder / "service.yaml", edit)


def both(*changes: Break) -> Break:
    """Several changes."""
    return lambda root: [change(root) for change in changes]


def value(**more: Any) -> dict[str, Any]:
    """A value with all its texts."""
    texts = {"title": "Titre", "description": "Une valeur."}
    return {**texts, "x-i18n": {"en": {"title": "Title", "description": "A value."}}, **more}


def adding(name: str, **more: Any) -> Break:
    """Declare a value with all its texts."""
    return schema(lambda data: data["properties"].update({name: value(**more)}))


def items(**values: Any) -> dict[str, Any]:
    """A list of maps that are closed."""
    return {"type": "array", "items": {"type": "object", "additionalProperties": False, "properties": values}}


def migrations(*names: str) -> Callable[[Any], object]:
    declared = [{"name": name, "summary": {"fr": "Déplacer", "en": "Move"}} for name in names]
    return lambda data: data["upgrade"].update(migrations=declared)


def retired(**line: Any) -> Break:
    """The released version's line in the index, deprecated."""
    why = {"fr": "Une faille.", "en": "A hole."}
    return lambda root: enter(root, "agenda", "0.1.0", "deprecated", why=why, **line)


@dataclass(frozen=True)
class Case:
    """One change that breaks one rule: where it is found, and what is said."""

    rule: str
    name: str
    change: Break
    path: str
    what: str


MOVE = "- name: Move\n  hosts: all\n  tasks: []\n"
CHECK = f"{NEW}/checks/test_agenda.py"

CASES = [
    Case("released-is-immutable", "a file changes", having(f"{OLD}/docs/fr.md", "Autre chose.\n"),
         OLD, "was released on 2026-01-01 and has changed since"),
    Case("released-is-immutable", "a file comes", having(f"{OLD}/docs/de.md", "Etwas.\n"),
         OLD, "has changed since"),
    Case("released-is-immutable", "a file goes, after its deprecation", both(retired(), without(f"{OLD}/docs/fr.md")),
         OLD, "has changed since"),

    Case("index-is-complete", "a version has no line", replacing(INDEX, "  0.2.0:\n    state: draft\n", ""),
         INDEX, "does not name 0.2.0"),
    Case("index-is-complete", "a version has no folder", lambda root: shutil.rmtree(root / NEW),
         INDEX, "names 0.2.0, but there is no such folder"),
    Case("index-is-complete", "what to use instead is not there", retired(use="9.0.0"),
         INDEX, "0.1.0 proposes 9.0.0, which does not exist"),

    Case("parts-are-there", "no playbook", without(f"{NEW}/playbook.yml"),
         f"{NEW}/playbook.yml", "is missing or empty"),
    Case("parts-are-there", "no French page", without(f"{NEW}/docs/fr.md"),
         f"{NEW}/docs/fr.md", "is missing or empty"),
    Case("parts-are-there", "an empty English page", having(f"{NEW}/docs/en.md", "\n"),
         f"{NEW}/docs/en.md", "is missing or empty"),

    Case("schema-is-closed", "no dialect", schema(lambda data: data.pop("$schema")),
         f"{FIRST}/values.schema.json", "does not say which JSON Schema it is"),
    Case("schema-is-closed", "unknown values", schema(lambda data: data.pop("additionalProperties")),
         f"{FIRST}/values.schema.json", "accepts unknown values"),
    Case("schema-is-closed", "unknown values of a map",
         adding("theme", type="object", properties={"accent": value(type="string")}),
         f"{FIRST}/values.schema.json", "theme accepts unknown values"),
    Case("schema-is-closed", "unknown values of items",
         adding("rooms", type="array", items={"type": "object", "properties": {"name": value(type="string")}}),
         f"{FIRST}/values.schema.json", "rooms accepts unknown values"),
    Case("schema-is-closed", "any type", adding("mood"),
         f"{FIRST}/values.schema.json", "mood accepts values of any type"),

    Case("texts-in-two-languages", "no English",
         schema(lambda data: data["properties"]["message"].pop("x-i18n")),
         f"{FIRST}/values.schema.json", "message has no title (en), description (en)"),
    Case("texts-in-two-languages", "no French description",
         schema(lambda data: data["properties"]["message"].pop("description")),
         f"{FIRST}/values.schema.json", "message has no description (fr)"),
    Case("texts-in-two-languages", "nothing of an item's value",
         adding("rooms", **items(name={"type": "string"})),
         f"{FIRST}/values.schema.json", "rooms[].name has no title (fr), description (fr), title (en)"),
    Case("texts-in-two-languages", "nothing of the schema itself", schema(lambda data: data.pop("title")),
         f"{FIRST}/values.schema.json", "the schema has no title (fr)"),

    Case("defaults-are-valid", "a default of the wrong form",
         adding("rooms", **items(seats=value(type="integer", default="x"))),
         f"{FIRST}/values.schema.json", "the default of rooms[].seats: a whole number is expected, not x"),
    Case("defaults-are-valid", "required, with a default", schema(lambda data: data.update(required=["message"])),
         f"{FIRST}/values.schema.json", "message is required and has a default"),

    Case("examples-are-valid", "no example", without(f"{NEW}/examples/minimal.yaml", f"{NEW}/examples/complete.yaml"),
         f"{NEW}/examples", "holds no example"),
    Case("examples-are-valid", "no summary", replacing(f"{NEW}/examples/minimal.yaml", "summary:", "title:"),
         f"{NEW}/examples/minimal.yaml", "summary: Field required"),
    Case("examples-are-valid", "no YAML", having(f"{NEW}/examples/minimal.yaml", "values: ["),
         f"{NEW}/examples/minimal.yaml", "is not YAML"),
    Case("examples-are-valid", "an unknown value",
         replacing(f"{NEW}/examples/complete.yaml", "values:\n", "values:\n  mesage: Bonjour.\n"),
         f"{NEW}/examples/complete.yaml", "mesage: unknown value 'mesage' (did you mean 'message'?)"),

    Case("templates-name-values", "a value that no example takes",
         having(f"{NEW}/templates/x.j2", "{% if values.message == '' %}{{ values.mesage }}{% endif %}"),
         f"{NEW}/templates/x.j2", "reads values.mesage, which the schema does not declare (did you mean 'message'?)"),

    Case("examples-render", "an unknown name", having(f"{NEW}/templates/x.j2", "{{ commune.mayor }}"),
         f"{NEW}/templates", "example complete, dedicated: x.j2: 'dict object' has no attribute 'mayor'"),
    Case("examples-render", "not for several communes",
         both(manifest(lambda data: data.update(tenancy=["dedicated", "shared"])),
              having(f"{NEW}/templates/x.j2", "{{ commune.name }}")),
         f"{NEW}/templates", "example complete, shared: nginx.conf.j2: 'host' is undefined"),

    Case("checks-can-fail", "a check is not there",
         manifest(lambda data: data["checks"].append("checks/test_more.py")),
         f"{NEW}/service.yaml", "names checks/test_more.py, which does not exist"),
    Case("checks-can-fail", "a check is not named",
         having(f"{NEW}/checks/test_more.py", "def test_it() -> None:\n    assert True\n"),
         f"{NEW}/checks/test_more.py", "is not named in service.yaml, so it never runs"),
    Case("checks-can-fail", "nothing is asserted",
         having(CHECK, "def test_it(host) -> None:\n    host.service('nginx')\n"),
         CHECK, "test_it cannot fail: it asserts nothing"),
    Case("checks-can-fail", "no test", having(CHECK, "PORT = 80\n"), CHECK, "holds no test"),
    Case("checks-can-fail", "no Python", having(CHECK, "def test_it(:\n"), CHECK, "is not Python"),

    Case("changelog-has-an-entry", "no entry", replacing(CHANGELOG, "## [0.2.0]", "## [0.3.0]"),
         CHANGELOG, "has no entry for 0.2.0"),
    Case("changelog-has-an-entry", "nothing said in French", replacing(FRENCH, "- Nothing yet.\n", ""),
         FRENCH, "says nothing of 0.2.0"),
    Case("changelog-has-an-entry", "no date", replacing(CHANGELOG, "## [0.2.0] - 2026-01-01", "## [0.2.0]"),
         CHANGELOG, "has no entry for 0.2.0"),
    Case("changelog-has-an-entry", "nothing said", replacing(CHANGELOG, "- Nothing yet.\n", ""),
         CHANGELOG, "says nothing of 0.2.0"),

    Case("version-is-honest", "a tighter value",
         schema(lambda data: data["properties"]["message"].update(maxLength=100), NEW),
         f"{NEW}/service.yaml", "message accepts less, or other things (maxLength: 200 → 100): this is a major change"),
    Case("version-is-honest", "another address", manifest(lambda data: data["web"].update(host="calendrier")),
         f"{NEW}/service.yaml", "the address begins with calendrier"),

    Case("upgrade-path-exists", "no way", manifest(lambda data: data.update(upgrade={"from": ""})),
         f"{NEW}/service.yaml", "cannot be reached from 0.1.0"),
    Case("upgrade-path-exists", "a migration is not there", manifest(migrations("0001-move")),
         f"{NEW}/service.yaml", "names migrations/0001-move.yml, which does not exist"),
    Case("upgrade-path-exists", "a migration is not declared", having(f"{NEW}/migrations/0001-move.yml", MOVE),
         f"{NEW}/migrations/0001-move.yml", "is not declared in service.yaml, so it never runs"),
    Case("upgrade-path-exists", "out of order",
         both(manifest(migrations("0002-b", "0001-a")),
              having(f"{NEW}/migrations/0001-a.yml", MOVE), having(f"{NEW}/migrations/0002-b.yml", MOVE)),
         f"{NEW}/service.yaml", "lists migrations out of order, or twice"),
    Case("upgrade-path-exists", "nothing to migrate from",
         both(manifest(migrations("0001-move"), FIRST), having(f"{FIRST}/migrations/0001-move.yml", MOVE)),
         f"{FIRST}/service.yaml", "has migrations, but there is no older version"),

    Case("requirements-exist", "an unknown service",
         manifest(lambda data: data["requires"].update(services={"agenta": ">=0.1.0"}), FIRST),
         f"{FIRST}/service.yaml", "needs 'agenta', which is not in the catalogue (did you mean 'agenda'?)"),
    Case("requirements-exist", "only a draft fits",
         manifest(lambda data: data["requires"].update(services={"agenda": ">=0.2.0"}), FIRST),
         f"{FIRST}/service.yaml", "needs agenda >=0.2.0, and no released version fits"),

    Case("licence-is-known", "no SPDX expression",
         manifest(lambda data: data["upstream"].update(licence="BSD"), FIRST),
         f"{FIRST}/service.yaml", "upstream.licence: Unknown license key(s): BSD"),
]  # fmt: skip


def test_a_good_catalogue_breaks_no_rule(good: Path) -> None:
    assert found(good, everything=True) == []


def test_the_catalogue_of_this_repository_breaks_no_rule_that_holds_for_ever(root: Path) -> None:
    catalog = load_catalog(root, [])
    released = [release for release in catalog if catalog.entry(release).state != "draft"]
    assert released
    assert list(lint(catalog, released)) == []


@pytest.mark.parametrize("case", CASES, ids=[f"{case.rule}: {case.name}" for case in CASES])
def test_one_change_breaks_one_rule(tree: Path, case: Case) -> None:
    case.change(tree)
    told = found(tree)
    assert {rule for rule, _ in told} == {case.rule}
    assert any(finding.path == case.path and case.what in finding.what for _, finding in told), told
    assert all(finding.fix for _, finding in told)


def test_every_rule_is_broken_by_a_case() -> None:
    assert sorted({case.rule for case in CASES}) == sorted(IDS)


def test_a_template_of_another_encoding_is_a_finding(tree: Path) -> None:
    (tree / NEW / "templates" / "x.j2").write_bytes("é".encode("latin-1"))
    assert {rule for rule, _ in found(tree)} == {"templates-name-values", "examples-render"}


def test_a_finding_names_the_line(tree: Path) -> None:
    having(f"{NEW}/templates/x.j2", "one\n{{ values.mesage }}\n")(tree)
    replacing(CHANGELOG, "- Nothing yet.\n", "")(tree)
    having(CHECK, "\n\ndef test_it(host) -> None:\n    host.service('nginx')\n")(tree)
    assert {rule: finding.line for rule, finding in found(tree) if finding.line} == {
        "templates-name-values": 2, "checks-can-fail": 3, "changelog-has-an-entry": 3,
    }  # fmt: skip


def test_what_is_released_is_asked_only_what_holds_for_ever(tree: Path) -> None:
    without(f"{OLD}/docs/fr.md")(tree)
    enter(tree, "agenda", "0.1.0")  # as if it had been released like this
    assert found(tree) == []
    assert [rule for rule, _ in found(tree, everything=True)] == ["parts-are-there"]


def test_a_check_may_fail_by_expecting_an_error(tree: Path) -> None:
    expecting = "import pytest\n\n\ndef test_it() -> None:\n    with pytest.raises(ValueError):\n        int('x')\n"
    having(CHECK, expecting)(tree)
    assert found(tree) == []


def test_a_text_below_a_value_without_declared_values_is_its_own(tree: Path) -> None:
    having(f"{NEW}/templates/x.j2", "{{ values.message.upper() }}")(tree)
    assert found(tree) == []


def test_rules_that_hold_for_ever() -> None:
    assert [rule.id for rule in RULES if rule.always] == ["released-is-immutable", "index-is-complete"]


@pytest.mark.parametrize("rule", RULES, ids=IDS)
def test_a_rule_is_one_module_and_one_page(root: Path, rule: Rule) -> None:
    module = rule.check.__module__.rpartition(".")[2]
    assert module.replace("_", "-") == rule.id
    assert (root / "infra/agglo/rules" / f"{module}.py").is_file()
    page = (root / "docs/rules" / f"{rule.id}.md").read_text()
    assert page.startswith(f"# {rule.id}\n")
    assert "```" in page


def test_every_module_is_a_rule_and_every_page_is_in_the_table(root: Path) -> None:
    modules = {path.stem.replace("_", "-") for path in (root / "infra/agglo/rules").glob("*.py")}
    assert modules - {"--init--", "rule"} == set(IDS)
    policies = {path.stem.replace("_", "-") for path in (root / "infra/agglo/policies").glob("*.py")}
    assert policies - {"--init--", "policy"} == {policy.id for policy in POLICIES}
    pages = {path.stem for path in (root / "docs/rules").glob("*.md")} - {"README"}
    assert pages == {*IDS, *(policy.id for policy in POLICIES)}


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.id)
def test_every_policy_says_whether_it_refuses_in_its_page_and_the_table(root: Path, policy: Policy) -> None:
    page = (root / "docs/rules" / f"{policy.id}.md").read_text()
    assert page.startswith(f"# {policy.id}\n\nA policy that {policy.severity}")
    assert "```" in page
    row = f"| [{policy.id}]({policy.id}.md) | {policy.severity} | {policy.summary.en} |"
    assert row in (root / "docs/rules/README.md").read_text()
    assert policy.summary.fr


def test_the_table_of_rules_says_which_hold_for_ever(root: Path) -> None:
    table = (root / "docs/rules/README.md").read_text()
    rows = [f"| [{rule.id}]({rule.id}.md) | {rule.summary} | {_asked_of(rule)} |" for rule in RULES]
    assert [row for row in rows if row not in table] == []


def _asked_of(rule: Rule) -> str:
    return "every version, for ever" if rule.always else "drafts"


def reasons(root: Path, **asked: Any) -> Sequence[str]:
    """What ``override-has-a-reason`` says of the portal of a commune that asks for this."""
    ask(root, "communes/67447-schiltigheim", "portal", version="1.0.0", **asked)
    project = load_project(root)
    return unexplained(project, project.request("schiltigheim/portal"))


def test_a_value_of_its_own_needs_a_reason(tmp_path: Path) -> None:
    root = metropolis(tmp_path)
    own = {"tagline": "Bonjour.", "theme": {"accent": "#8a1538"}}
    assert reasons(root, values=own) == ["tagline", "theme.accent"]
    assert reasons(root, values=own, why={"tagline": "Our motto.", "theme": "Our colours."}) == []


def test_a_value_that_is_the_shared_one_needs_no_reason(tmp_path: Path) -> None:
    assert reasons(metropolis(tmp_path), values={"theme": {"accent": "#0f4c81"}}) == []
