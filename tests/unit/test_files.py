"""What people write: every problem is found at once, with file, line, key and reason; never a traceback."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agglo.adapters.files import find_root, load_project
from agglo.errors import InvalidInput, UsageError


@pytest.fixture
def copy(root: Path, tmp_path: Path) -> Path:
    """A copy of the project's data that a test may spoil."""
    for name in ("stacks", "catalog"):
        shutil.copytree(root / name, tmp_path / name)
    return tmp_path


def problems(root: Path) -> list[str]:
    with pytest.raises(InvalidInput) as raised:
        load_project(root)
    return [str(problem).removeprefix(f"{root}/") for problem in raised.value.problems]


def edit(root: Path, name: str, old: str, new: str) -> None:
    path = root / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


SCHILTIGHEIM = "stacks/communes/67447-schiltigheim/commune.yaml"
PORTAL = "stacks/communes/67447-schiltigheim/portal.yaml"


def test_an_unknown_key_is_refused_with_its_line(copy: Path) -> None:
    edit(copy, SCHILTIGHEIM, "name: Schiltigheim", "name: Schiltigheim\nmayor: nobody")
    assert problems(copy) == [f"{SCHILTIGHEIM}:4: mayor: unknown key"]


def test_a_wrong_insee_code_is_found_by_the_siren(copy: Path) -> None:
    edit(copy, SCHILTIGHEIM, '"67447"', '"67448"')
    (found,) = problems(copy)
    assert "insee 67448 does not go with siren 216704478, which is 67447's" in found


def test_a_postal_code_is_no_insee_code(copy: Path) -> None:
    edit(copy, SCHILTIGHEIM, '"67447"', '"6730"')
    assert "is not an INSEE code" in problems(copy)[0]


def test_a_siren_has_a_check_digit(copy: Path) -> None:
    edit(copy, SCHILTIGHEIM, "216704478", "216704479")
    assert "is not a SIREN" in problems(copy)[0]


def test_all_problems_of_all_files_come_together(copy: Path) -> None:
    edit(copy, SCHILTIGHEIM, "name: Schiltigheim", "nom: Schiltigheim")
    edit(copy, "stacks/metro.yaml", "zone: agglo.localhost.", "zone: agglo.localhost")
    edit(copy, "stacks/communes/67043-bischheim/commune.yaml", "slug: bischheim", "slug: Bischheim")
    assert len(problems(copy)) == 4


def test_an_unknown_service_proposes_the_nearest(copy: Path) -> None:
    path = copy / "stacks/communes/67447-schiltigheim/portail.yaml"
    path.write_text("service: portail\nversion: 1.0.0\n")
    assert "there is no service 'portail' in the catalogue (did you mean 'portal'?)" in problems(copy)[0]


def test_an_unknown_version_says_which_there_are(copy: Path) -> None:
    edit(copy, PORTAL, "1.0.0", "9.9.9")
    assert problems(copy) == [
        f"{PORTAL}:2: version: portal has no version 9.9.9; there is 1.0.0, 1.1.0 (write: version: 1.0.0)"
    ]


def test_an_unknown_value_proposes_the_nearest(copy: Path) -> None:
    edit(copy, PORTAL, "values: {}", "values:\n  taglin: Bonjour")
    (found,) = problems(copy)
    assert "unknown value 'taglin' (did you mean 'tagline'?)" in found


def test_a_wrong_value_names_the_line_that_set_it(copy: Path) -> None:
    edit(copy, "stacks/defaults.yaml", '"#0f4c81"', "bleu")
    (found,) = problems(copy)
    assert found.startswith("stacks/defaults.yaml:5: theme.accent:")


GROUP = """\
summary: Communes that share one reception desk
members: [schiltigheim, bischheim]
values:
  portal:
    tagline: Un accueil pour deux communes.
"""


def test_a_group_comes_after_the_defaults_and_before_its_communes(copy: Path) -> None:
    (copy / "stacks/groups/accueil.yaml").write_text(GROUP)
    project = load_project(copy)
    value = project.values(project.requests["67447-schiltigheim/portal"])["tagline",]
    assert (value.value, str(value.origin)) == ("Un accueil pour deux communes.", "stacks/groups/accueil.yaml:5")
    edit(copy, SCHILTIGHEIM, "values: {}", "values:\n  portal:\n    tagline: Bienvenue à Schilick.")
    project = load_project(copy)
    value = project.values(project.requests["67447-schiltigheim/portal"])["tagline",]
    assert value.origin.layer == "commune"
    assert [s.origin.layer for s in value.overrode] == ["group accueil", "schema"]


def test_a_group_of_an_unknown_commune_is_refused(copy: Path) -> None:
    (copy / "stacks/groups/accueil.yaml").write_text(GROUP.replace("bischheim", "bischeim"))
    assert problems(copy) == [
        "stacks/groups/accueil.yaml:2: members: there is no commune 'bischeim' (did you mean 'bischheim'?)"
    ]


def test_two_communes_with_one_insee_code(copy: Path) -> None:
    other = copy / "stacks/communes/67447-schilick"
    shutil.copytree(copy / "stacks/communes/67447-schiltigheim", other)
    edit(copy, "stacks/communes/67447-schilick/commune.yaml", "slug: schiltigheim", "slug: schilick")
    assert any("67447 is" in found for found in problems(copy))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a: [1", "is not YAML"),
        ("a: 1\na: 2", "has the key 'a' twice"),
        ("\tx: 1", "is not YAML"),
        ("a: &x {b: 1}\nc: *x", "uses an alias"),
        ("!!python/object/apply:os.system [id]", ""),
        ("{" * 5000, ""),
        ("\0", ""),
        ("[]", ""),
        ("", ""),
    ],
)
def test_hostile_files_give_errors(copy: Path, text: str, reason: str) -> None:
    (copy / PORTAL).write_text(text)
    assert reason in problems(copy)[0]


def test_other_encodings_give_errors(copy: Path) -> None:
    (copy / PORTAL).write_bytes("service: été\n".encode("latin-1"))
    assert "portal.yaml:1: is not UTF-8 text" in problems(copy)[0]


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=200) | st.sampled_from(["values: {{7*7}}", "values: [", "service: &a [*a]"]))
def test_any_text_is_an_error_or_a_request(copy: Path, text: str) -> None:
    (copy / PORTAL).write_text(text, encoding="utf-8", errors="surrogatepass")
    with pytest.raises(InvalidInput):
        load_project(copy)


def test_the_root_is_found_upwards(root: Path, tmp_path: Path) -> None:
    assert find_root(root / "stacks" / "communes") == root
    with pytest.raises(UsageError):
        find_root(tmp_path)


def test_this_metropolis_has_its_33_communes(root: Path) -> None:
    project = load_project(root)
    assert len(project.communes) == 33
    assert sum(c.population.count for c in project.communes.values()) == 517_386
    assert project.communes["67482"].name == "Strasbourg"
