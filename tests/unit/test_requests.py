"""Requests: what is wrong with one, what its questions are, how its story goes."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from agglo import review
from agglo.adapters.files import load_project, read_project, sound
from agglo.errors import InvalidInput
from agglo.project import Project
from agglo.questions import AnswerError, questions, rest, typed_value
from agglo.records import EngineResult, GuestResult, Intent, Record, Verified
from agglo.request import Refusal, Request
from agglo.story import Asked, State, tell, unreadable
from tests.trees import add_release, ask, enter, metropolis

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PLACE = "communes/67447-schiltigheim"
WHY = {"fr": "une faille de sécurité", "en": "a security hole"}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A service in three versions, beside the portal."""
    root = metropolis(tmp_path)
    for version, reached in (("1.0.0", ""), ("1.1.0", ">=1.0.0"), ("1.2.0", ">=1.0.0")):
        add_release(root, "info", version, upgrade={"from": reached})
    return root


def said(root: Path) -> list[str]:
    return [str(problem).removeprefix(f"{root}/stacks/{PLACE}/") for problem in read_project(root).problems]


def test_a_withdrawn_version_is_refused_with_its_reason_and_the_next_one(tree: Path) -> None:
    enter(tree, "info", "1.0.0", "withdrawn", why=WHY)
    ask(tree, PLACE, "info", version="1.0.0")
    assert said(tree) == ["info.yaml:2: version: info 1.0.0 is withdrawn: a security hole (write: version: 1.1.0)"]
    (problem,) = read_project(tree).problems
    assert "info 1.0.0 est retirée : une faille de sécurité (écrivez : version: 1.1.0)" in problem.say("fr")


def test_the_index_may_say_what_to_use_instead(tree: Path) -> None:
    enter(tree, "info", "1.0.0", "withdrawn", why=WHY, use="1.2.0")
    ask(tree, PLACE, "info", version="1.0.0")
    assert "(write: version: 1.2.0)" in said(tree)[0]


def test_a_deprecated_version_may_be_kept_and_is_told(tree: Path) -> None:
    enter(tree, "info", "1.0.0", "deprecated", why=WHY)
    ask(tree, PLACE, "info", version="1.0.0")
    assert said(tree) == []
    (note,) = review.notes(load_project(tree), "67447-schiltigheim/info")
    assert note.say("fr") == "la version 1.0.0 est dépréciée : une faille de sécurité ; demandez 1.1.0"


def test_a_draft_is_for_those_who_try_it(tree: Path) -> None:
    enter(tree, "info", "1.2.0", "draft", communes=["bischheim"])
    ask(tree, PLACE, "info", version="1.2.0")
    assert "info 1.2.0 is a draft, only for bischheim (write: version: 1.1.0)" in said(tree)[0]
    ask(tree, "communes/67043-bischheim", "info", version="1.2.0")
    (tree / "stacks" / PLACE / "info.yaml").unlink()
    assert said(tree) == []


def test_all_that_is_wrong_with_a_request_comes_at_once(tree: Path) -> None:
    enter(tree, "info", "1.0.0", "withdrawn", why=WHY)
    ask(tree, PLACE, "info", version="1.0.0", values={"message": "", "mesage": "x"}, why={"colour": "Because."})
    assert len(said(tree)) == 4


def test_a_release_that_this_metropolis_or_this_agglo_cannot_apply_is_refused(tree: Path) -> None:
    add_release(tree, "next", "1.0.0", requires={"agglo": ">=99.0.0"}, resources={"flavor": "SCS-99V-1"})
    ask(tree, PLACE, "next", version="1.0.0")
    reasons = " ".join(said(tree))
    assert "needs agglo >=99.0.0" in reasons
    assert "there is no flavor 'SCS-99V-1'" in reasons


def test_one_communes_mistake_does_not_stop_the_others(tree: Path) -> None:
    ask(tree, PLACE, "info", version="9.9.9")
    reading = read_project(tree)
    assert "67447-schiltigheim/info" not in sound(reading, "bischheim").requests
    assert "67447-schiltigheim/portal" in sound(reading, "schiltigheim/portal").requests
    for selector in ("all", "schiltigheim", "schiltigheim/info", "*/info", "*/*"):
        with pytest.raises(InvalidInput):
            sound(reading, selector)


def test_what_stands_on_a_wrong_request_is_held_back_as_well(tree: Path) -> None:
    add_release(tree, "guide", "1.0.0", requires={"agglo": ">=0.1.0", "services": {"info": ">=1.0.0"}})
    ask(tree, PLACE, "guide", version="1.0.0")
    ask(tree, PLACE, "info", version="1.0.0", values={"message": 3})
    assert read_project(tree).requests.keys() == {"67447-schiltigheim/info", "67447-schiltigheim/guide"}


def test_every_real_value_is_tried_against_a_version(tree: Path) -> None:
    ask(tree, PLACE, "info", version="1.0.0", values={"message": "x" * 150})
    folder = tree / "catalog/info/1.1.0/values.schema.json"
    folder.write_text(folder.read_text().replace('"maxLength": 200', '"maxLength": 100'))
    project = load_project(tree)
    refused = review.try_release(project, project.catalog.release("info", "1.1.0"))
    assert [words.en for _, words in refused["67447-schiltigheim/info"]] == ["at most 100 characters, not 150"]


# -- questions


def test_the_portal_asks_for_what_fits_on_a_line_and_names_the_rest(project: Project) -> None:
    release = project.catalog.release("portal", "1.0.0")
    asked = [q.about.dotted for q in questions(release.schema, release.defaults())]
    assert asked == [
        "tagline", "tagline_en", "theme.accent", "town_hall.address", "town_hall.phone", "town_hall.email",
        "legal.director", "legal.dpo_email", "legal.accessibility",
    ]  # fmt: skip
    assert [p.dotted for p in rest(release.schema)] == ["alert", "opening_hours", "services"]


@pytest.mark.parametrize(
    ("key", "typed", "value"),
    [
        ("tagline", "3", "3"),
        ("town_hall.phone", "", None),
        ("town_hall.address", "Mairie; 1 rue X", ["Mairie", "1 rue X"]),
        ("legal.accessibility", "non conforme", "non conforme"),
    ],
)
def test_an_answer_means_what_the_schema_says(project: Project, key: str, typed: str, value: object) -> None:
    release = project.catalog.release("portal", "1.0.0")
    question = next(q for q in questions(release.schema, {}) if q.about.dotted == key)
    assert question.answer(typed) == value
    assert typed_value(release.schema, question.key, typed) == value


def test_a_wrong_answer_is_explained_in_french(project: Project) -> None:
    release = project.catalog.release("portal", "1.0.0")
    question = next(q for q in questions(release.schema, {}) if q.about.dotted == "legal.accessibility")
    with pytest.raises(AnswerError) as wrong:
        question.answer("conforme")
    assert "n’est pas l’une des valeurs non conforme," in wrong.value.words.say("fr")
    with pytest.raises(AnswerError):
        typed_value(release.schema, ("nothing",), "x")


def test_a_question_has_its_choices_and_what_is_there_now(project: Project) -> None:
    release = project.catalog.release("portal", "1.0.0")
    asked = {q.about.dotted: q for q in questions(release.schema, release.defaults())}
    assert asked["theme.accent"].now == "#0f4c81"
    assert "[non conforme, partiellement conforme, totalement conforme]" in asked["legal.accessibility"].text("fr")
    assert asked["tagline"].text("en").startswith("Tagline – One sentence")


# -- stories

ENGINE = EngineResult(digest="d", checkpoint="c", at=NOW)
DONE = {"schiltigheim-portal": GuestResult(digest="d", at=NOW)}
GOOD = Verified(at=NOW, passed=20, failed=0)
BAD = Verified(at=NOW, passed=19, failed=1, failures=("nginx: is down",))


def record(**fields: object) -> Record:
    return Record(stack="instance/67447-portal", title="67447-schiltigheim/portal").model_copy(update=fields)


@pytest.fixture
def request_(project: Project) -> Request:
    return project.requests["67447-schiltigheim/portal"]


@pytest.mark.parametrize(
    ("known", "state"),
    [
        (None, State.ASKED),
        (record(intent=Intent(at=NOW, step="engine")), State.PROVISIONING),
        (record(engine=ENGINE), State.CONFIGURING),
        (record(engine=ENGINE, configured="0.9.0", guests=DONE, verified=GOOD), State.UPGRADING),
        (record(engine=ENGINE, configured="1.0.0", guests=DONE, verified=BAD), State.FAILING),
        (record(engine=ENGINE, configured="1.0.0", guests=DONE), State.FAILING),
        (record(engine=ENGINE, configured="1.0.0", guests=DONE, verified=GOOD), State.VERIFIED),
    ],
)
def test_a_request_stands_where_its_record_says(request_: Request, known: Record | None, state: State) -> None:
    assert tell(request_, Asked(), (), known).state is state


def test_the_story_is_told_from_asked_to_verified(request_: Request) -> None:
    known = record(engine=ENGINE, configured="1.0.0", guests=DONE, verified=GOOD)
    story = tell(request_, Asked(NOW, "Camille"), (), known)
    assert [event.words.say("fr") for event in story.events] == [
        "demande de portal 1.0.0, une instance dédiée par Camille",
        "ressources créées dans le cloud",
        "configurée en version 1.0.0",
        "vérifiée : 20 contrôles réussis",
    ]
    assert story.next.say("fr") == "rien : le service est ouvert"


def test_a_failure_is_told_with_its_reason(request_: Request) -> None:
    known = record(engine=ENGINE, configured="1.0.0", guests=DONE, verified=BAD)
    assert "nginx: is down" in tell(request_, Asked(), (), known).events[-1].words.say("fr")


def test_a_refusal_is_told_with_its_reason(request_: Request) -> None:
    refused = request_.asked.model_copy(update={"refused": Refusal(why="Budget épuisé.", date=date(2026, 3, 1))})
    story = tell(Request(request_.tenant, refused, request_.source), Asked(), (), None)
    assert story.state is State.REFUSED
    assert story.events[-1].words.say("fr") == "refusée : Budget épuisé."


def test_a_file_that_cannot_be_read_has_a_story_too(tree: Path) -> None:
    (tree / "stacks" / PLACE / "portal.yaml").write_text("service: [")
    reading = read_project(tree)
    ((name, problems),) = reading.requests.items()
    story = unreadable(name, Asked(NOW, "Camille"), problems)
    assert (story.state, story.instance) == (State.TO_MEND, "67447-schiltigheim/portal")
    assert story.events[0].words.say("fr") == "demandée par Camille"


def test_a_refused_request_makes_no_instance(tree: Path) -> None:
    ask(tree, PLACE, "info", version="1.0.0", refused={"why": "Trop cher.", "date": "2026-03-01"})
    reading = read_project(tree)
    assert reading.problems == []
    assert list(reading.refused) == ["67447-schiltigheim/info"]
    assert reading.refused["67447-schiltigheim/info"].version == "1.0.0"
    assert reading.project and "67447-schiltigheim/info" not in reading.project.requests
