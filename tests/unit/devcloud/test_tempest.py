"""Tempest's tests against an embedded cloud: which are run, what became of them, what is said."""

from __future__ import annotations

import configparser
from pathlib import Path

import pytest

from agglo_devcloud import config, settings
from agglo_devcloud.errors import DevCloudError
from agglo_devcloud.layout import Layout
from agglo_devcloud.tempest import conf, exclusions, report, results, selection
from agglo_devcloud.tempest.__main__ import main
from agglo_devcloud.tempest.exclusions import Excluded, Exclusions
from agglo_devcloud.tempest.prepare import Prepared
from agglo_devcloud.tempest.results import Event, Row
from agglo_devcloud.tempest.selection import Case, Selection

CREATE = "tempest.api.image.v2.test_images.Images.test_create[id-1,smoke]"
DELETE = "tempest.api.image.v2.test_images.Images.test_delete[id-2]"
AGGREGATE = "tempest.serial_tests.api.compute.admin.test_aggregates.Aggregates.test_add[id-3]"
SCENARIO = "tempest.scenario.test_network.Basic.test_ping[compute,id-4,network,smoke]"
SLOW = "tempest.scenario.test_network.Basic.test_slow[compute,id-5,network,slow]"
ALL = [CREATE, DELETE, AGGREGATE, SCENARIO, SLOW]

REASON = "a reason that says enough"
NOTHING = Exclusions(switched_off={}, does_not_apply=(), known_failures=())


def test_a_test_belongs_to_its_api_and_to_smoke_by_attribute() -> None:
    suites = [Case(name).suites for name in ALL]
    assert suites == [("smoke", "image"), ("image",), ("compute",), ("smoke",), ()]


def test_suites_are_selected_and_what_is_excluded_has_its_reason() -> None:
    excluded = Exclusions(
        switched_off={},
        does_not_apply=(Excluded(match=r".*\.test_ping$", reason=REASON),),
        known_failures=(Excluded(match=r"tempest\.api\.image\..*_delete", reason=REASON),),
    )
    chosen = selection.select(ALL, ("smoke", "image"), excluded)
    assert [test.id for test in chosen.run] == [CREATE]
    assert [(test.id, why, reason) for test, why, reason in chosen.excluded] == [
        (DELETE, "known failure", REASON),
        (SCENARIO, "does not apply", REASON),
    ]


def test_a_part_of_the_names_narrows_the_selection() -> None:
    assert [test.id for test in selection.select(ALL, ("smoke", "image"), NOTHING, "Images.*delete").run] == [DELETE]


def test_an_exclusion_that_matches_no_test_is_told() -> None:
    excluded = NOTHING.model_copy(update={"known_failures": (Excluded(match="tempest.api.gone", reason=REASON),)})
    assert excluded.unused(Case(name).name for name in ALL) == ["tempest.api.gone"]


def test_the_exclusions_of_this_project_are_readable() -> None:
    found = exclusions.load()
    assert all("." in switch and reason for switch, reason in found.switched_off.items())


@pytest.mark.parametrize("text", ["switched_off: [", "known: []", "switched_off: {}\ndoes_not_apply: [{match: x}]"])
def test_a_wrong_file_of_exclusions_is_one_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "exclusions.yaml").write_text(text)
    with pytest.raises(DevCloudError, match=r"exclusions\.yaml cannot be used"):
        exclusions.load(tmp_path / "exclusions.yaml")


def settle(*events: Event, run: tuple[str, ...] = (CREATE, DELETE)) -> dict[str, str]:
    """Name to state of what became of tests of which ``events`` tell."""
    selected = Selection(("image",), tuple(map(Case, run)), ())
    return {result.test.name.rpartition(".")[2]: result.state for result in results.settle(selected, events)}


def test_each_test_has_the_state_of_its_event() -> None:
    assert settle(Event(CREATE, "success"), Event(DELETE, "skip")) == {
        "test_create": "passed",
        "test_delete": "skipped",
    }


def test_a_test_that_was_begun_or_never_told_of_failed() -> None:
    assert settle(Event(CREATE, "inprogress")) == {"test_create": "failed", "test_delete": "failed"}


@pytest.mark.parametrize(("status", "state"), [("skip", "skipped"), ("fail", "failed")])
def test_a_class_decides_for_its_tests(status: str, state: str) -> None:
    event = Event("setUpClass (tempest.api.image.v2.test_images.Images)", status)
    assert settle(event) == {"test_create": state, "test_delete": state}


def test_a_class_that_could_not_clean_up_is_a_failure_of_its_own() -> None:
    event = Event("tearDownClass (tempest.api.image.v2.test_images.Images)", "fail")
    told = settle(Event(CREATE, "success"), Event(DELETE, "success"), event)
    assert told == {"test_create": "passed", "test_delete": "passed", "tearDownClass": "failed"}


def test_a_second_try_replaces_the_first() -> None:
    selected = Selection(("image",), (Case(CREATE), Case(DELETE)), ())
    first = results.settle(selected, [Event(CREATE, "fail"), Event(DELETE, "success")])
    again = results.settle(Selection(("image",), (Case(CREATE),), ()), [Event(CREATE, "success")])
    assert [result.state for result in results.replace(first, again)] == ["passed", "passed"]


def test_figures_count_known_failures_against_the_share() -> None:
    selected = Selection(
        ("smoke", "image"),
        (Case(CREATE),),
        ((Case(DELETE), "known failure", REASON), (Case(SCENARIO), "does not apply", REASON)),
    )
    settled = results.settle(selected, [Event(CREATE, "success", 2.0)])
    assert list(results.rows(selected, settled)) == [
        Row("smoke", 1, 0, 0, 1, 0, 2.0),
        Row("image", 1, 0, 0, 0, 1, 2.0),
        Row("all", 1, 0, 0, 1, 1, 2.0),
    ]


def test_a_suite_is_good_when_enough_passed_and_nothing_else_failed() -> None:
    assert Row("image", 95, 0, 3, 9, 5, 0).good
    assert not Row("image", 94, 0, 0, 0, 6, 0).good
    assert not Row("image", 1000, 1, 0, 0, 0, 0).good
    assert Row("image", 0, 0, 4, 0, 0, 0).good


def test_the_report_names_what_was_left_out_and_what_failed() -> None:
    excluded = NOTHING.model_copy(update={"switched_off": {"compute-feature-enabled.resize": REASON}})
    selected = Selection(("image",), (Case(CREATE), Case(DELETE)), ((Case(SCENARIO), "does not apply", REASON),))
    events = [
        Event(CREATE, "fail", 1.5, {"traceback": "Traceback:\n  x\nConflict: 409\n"}),
        Event(DELETE, "skip", 0, {"reason": "no import"}),
    ]
    settled = results.settle(selected, events)
    assert list(report.left_out(selected, settled, excluded)) == [
        f"    1  does not apply: {REASON}",
        "    1  skipped by Tempest: no import",
        f"       switched off: compute-feature-enabled.resize: {REASON}",
    ]
    name = "tempest.api.image.v2.test_images.Images.test_create"
    assert list(report.failures(settled, whole=False)) == [f"{name}\n    Conflict: 409"]
    assert "Traceback" in next(report.failures(settled, whole=True))
    assert list(report.table(results.rows(selected, settled)))[1].split() == [
        *("image", "0", "1", "0", "0.0%", "1", "0", "2"),
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nova"], "there is no suite 'nova'; there is smoke, identity"),
        (["--match", "("], "'(' is no regular expression"),
        (["--concurrency", "0"], "'0' is no number from 1"),
    ],
)
def test_a_wrong_argument_is_one_error(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


def test_tempest_is_told_of_the_filters_that_nova_has(tmp_path: Path) -> None:
    layout = Layout("blue", 2, tmp_path)
    nova = configparser.RawConfigParser()
    nova.read_string(config.render(layout, settings.load_or_make(layout), Path("/opt/venv"))["nova/nova.conf"])
    assert rendered(layout).get("compute-feature-enabled", "scheduler_enabled_filters") == nova.get(
        "filter_scheduler", "enabled_filters"
    )


def rendered(layout: Layout) -> configparser.RawConfigParser:
    """``tempest.conf`` of a cloud, with one switch off."""
    made = Prepared(
        image="image-1",
        other_image="image-2",
        flavor="flavor-1",
        other_flavor="flavor-2",
        network="network-1",
        network_extensions=("router", "qos"),
        object_features=("slo",),
    )
    off = {"image-feature-enabled.import_image": REASON}
    parser = configparser.RawConfigParser(strict=True)
    parser.read_string(conf.text(layout, settings.load_or_make(layout), made, layout.run / "tempest-1", off))
    return parser


def test_tempest_conf_has_the_clouds_facts_and_its_switches(tmp_path: Path) -> None:
    layout = Layout("blue", 2, tmp_path)
    parser = rendered(layout)
    assert parser.get("identity", "uri_v3") == "http://127.0.0.1:20200/v3"
    assert parser.get("auth", "admin_password") == settings.load_or_make(layout).secrets["admin"]
    assert parser.get("compute", "image_ref_alt") == "image-2"
    assert parser.get("network", "public_network_id") == "network-1"
    assert parser.get("network-feature-enabled", "api_extensions") == "router,qos"
    assert parser.get("image-feature-enabled", "import_image") == "false"
