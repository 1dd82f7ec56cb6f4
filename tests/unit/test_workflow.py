"""The story, on fakes: what runs, in which order, and what a rerun does after each kind of stop."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pydantic import ValidationError

from agglo import workflow
from agglo.catalog import Catalog
from agglo.errors import ConfigureFailed, EngineFailed, Locked, UsageError, VaultSealed
from agglo.metro import Acme, DnsApi
from agglo.plan import Action, Plan
from agglo.project import Project
from agglo.stack import Kind, StackId
from agglo.testing import Fakes, make_fakes

METRO = StackId(Kind.METRO, "RegionOne")
COMMUNE = StackId(Kind.COMMUNE, "67447")
PORTAL = StackId(Kind.INSTANCE, "67447-portal")


@pytest.fixture
def fakes(project: Project) -> Fakes:
    return make_fakes(project)


def yes(_: Plan) -> bool:
    return True


def apply(fakes: Fakes, selector: str = "schiltigheim") -> workflow.Outcome:
    return workflow.apply(fakes.world, selector, yes)


def test_apply_goes_from_metro_to_instance_and_verifies(fakes: Fakes) -> None:
    outcome = apply(fakes)
    assert outcome.applied
    assert fakes.engine.runs == [("up", METRO), ("up", COMMUNE), ("up", PORTAL)]
    assert fakes.configurator.runs == [("bastion", "edge-1", "edge-2", "ops", "schiltigheim-portal")]
    assert fakes.checks.runs == [
        (("bastion", "edge-1", "edge-2", "ops", "schiltigheim-portal"), ("portail.schiltigheim.agglo.localhost",))
    ]
    record = fakes.records.kept[PORTAL]
    assert record.release == "1.0.0"
    assert record.verified
    assert record.intent is None


def test_a_second_apply_starts_nothing(fakes: Fakes) -> None:
    apply(fakes)
    before = (list(fakes.engine.runs), list(fakes.configurator.runs), list(fakes.checks.runs))
    outcome = apply(fakes)
    assert not outcome.applied
    assert outcome.plan.pending == ()
    assert (fakes.engine.runs, fakes.configurator.runs, fakes.checks.runs) == before


def test_the_plan_after_an_apply_is_empty(fakes: Fakes) -> None:
    apply(fakes)
    assert workflow.plan(fakes.world, "schiltigheim").pending == ()


def test_a_plan_writes_nothing(fakes: Fakes) -> None:
    planned = workflow.plan(fakes.world, "schiltigheim")
    assert [c.action for c in planned.changes] == [Action.CREATE] * 3
    assert fakes.records.kept == {}
    assert fakes.vault.secrets == {}


def test_a_refused_plan_changes_nothing(fakes: Fakes) -> None:
    outcome = workflow.apply(fakes.world, "schiltigheim", lambda _: False)
    assert not outcome.applied
    assert fakes.engine.runs == []


def test_communes_act_with_their_own_credential_and_token(fakes: Fakes) -> None:
    apply(fakes)
    by_stack = {work.stack: work for work in fakes.engine.works}
    assert by_stack[PORTAL].environment["OS_APPLICATION_CREDENTIAL_ID"] == "agglo-67447-1"
    assert by_stack[PORTAL].environment["VAULT_SERVER_TOKEN"] == "token-67447"
    assert by_stack[PORTAL].key == "agglo-67447"
    assert by_stack[METRO].environment["VAULT_SERVER_TOKEN"] == "token-operator"


def test_no_secret_is_in_inputs_or_records(fakes: Fakes) -> None:
    apply(fakes)
    everything = "".join(r.model_dump_json() for r in fakes.records.kept.values())
    everything += "".join(str(dict(w.inputs)) + repr(w) for w in fakes.engine.works)
    assert "canary-credential" not in everything


def test_a_failed_engine_leaves_an_intent_and_the_rerun_resumes(fakes: Fakes) -> None:
    fakes.engine.fail_on = COMMUNE
    broken = apply(fakes).broken
    assert isinstance(broken[COMMUNE], EngineFailed)
    assert "needs commune/67447 first" in broken[PORTAL].message
    assert fakes.records.kept[COMMUNE].intent
    fakes.engine.fail_on = None
    planned = workflow.plan(fakes.world, "schiltigheim")
    assert {c.stack: c.action for c in planned.changes}[COMMUNE] is Action.RESUME
    fakes.engine.runs.clear()
    apply(fakes)
    assert fakes.engine.runs == [("up", COMMUNE), ("up", PORTAL)]


def test_a_broken_guest_is_configured_again_alone(fakes: Fakes) -> None:
    fakes.configurator.broken.add("edge-2")
    outcome = apply(fakes)
    assert isinstance(outcome.broken[METRO], ConfigureFailed)
    assert str(outcome.broken[METRO]) == "edge-2: task: it broke"
    assert fakes.records.kept[PORTAL].verified  # the others are configured and checked all the same
    fakes.configurator.broken.clear()
    apply(fakes)
    assert fakes.configurator.runs[-1] == ("edge-2",)
    assert fakes.engine.runs.count(("up", METRO)) == 1


def test_a_failed_verification_is_reported_and_repeated(fakes: Fakes) -> None:
    fakes.checks.failing.add(PORTAL)
    assert apply(fakes).failures == {PORTAL: ("nginx: is down",)}
    fakes.checks.failing.clear()
    outcome = apply(fakes)
    assert [c.action for c in outcome.plan.pending] == [Action.VERIFY]
    assert len(fakes.configurator.runs) == 1
    assert apply(fakes).plan.pending == ()


def test_a_new_secret_version_configures_the_guest_again(fakes: Fakes) -> None:
    apply(fakes)
    fakes.vault.secrets["communes/67447/portal/admin_password"] = 2
    apply(fakes)
    assert fakes.configurator.runs[-1] == ("schiltigheim-portal",)


def test_a_state_that_somebody_changed_is_not_skipped(fakes: Fakes) -> None:
    apply(fakes)
    fakes.engine.states[PORTAL] = "somebody else's"
    assert [c.title for c in workflow.plan(fakes.world, "schiltigheim").pending] == ["67447-schiltigheim/portal"]


def test_a_sealed_vault_stops_before_anything(fakes: Fakes) -> None:
    fakes.vault.sealed = True
    with pytest.raises(VaultSealed):
        apply(fakes)
    assert fakes.engine.runs == []


def test_a_held_stack_stops_before_anything(fakes: Fakes) -> None:
    fakes.records.held.add(COMMUNE)
    with pytest.raises(Locked):
        apply(fakes)
    assert fakes.engine.runs == []


def test_the_edges_follow_the_routes(fakes: Fakes) -> None:
    apply(fakes, "metro")
    assert fakes.configurator.routes[-1] == []
    apply(fakes)
    assert fakes.configurator.runs[-1] == ("edge-1", "edge-2", "ops", "schiltigheim-portal")
    assert [r["host"] for r in fakes.configurator.routes[-1]] == ["portail.schiltigheim.agglo.localhost"]  # type: ignore[union-attr,index,call-overload]


def test_destroying_an_instance_takes_its_route_away_first(fakes: Fakes) -> None:
    apply(fakes)
    workflow.destroy(fakes.world, "schiltigheim/portal", yes)
    assert fakes.configurator.routes[-1] == []
    assert ("destroy", PORTAL) in fakes.engine.runs
    assert PORTAL not in fakes.records.kept
    assert COMMUNE in fakes.records.kept
    asked = fakes.with_project(replace(fakes.world.project, requests={}))
    assert workflow.plan(asked.world, "metro").pending == (), "nobody of the metropolis's guests remembers it"


def test_destroy_all_goes_backwards_and_leaves_nothing(fakes: Fakes) -> None:
    apply(fakes)
    workflow.destroy(fakes.world, "all", yes)
    assert [s for what, s in fakes.engine.runs if what == "destroy"] == [PORTAL, COMMUNE, METRO]
    assert fakes.cloud.disabled == ["domain-67447", "domain-0"]
    assert fakes.records.kept == {}
    assert fakes.vault.secrets == {}
    assert fakes.vault.zones == set()


def test_an_instance_that_nobody_asks_for_any_more_can_be_destroyed(fakes: Fakes) -> None:
    apply(fakes)
    forgotten = replace(fakes.world, project=replace(fakes.world.project, requests={}))
    workflow.destroy(forgotten, "all", yes)
    assert [s for what, s in fakes.engine.runs if what == "destroy"] == [PORTAL, COMMUNE, METRO]
    assert fakes.vault.secrets == {}


def test_an_instance_whose_service_left_the_catalogue_can_be_destroyed(fakes: Fakes) -> None:
    apply(fakes)
    emptied = replace(fakes.world.project, requests={}, catalog=Catalog({}))
    workflow.destroy(replace(fakes.world, project=emptied), "schiltigheim/portal", yes)
    assert PORTAL not in fakes.records.kept


def test_an_apply_after_a_stopped_destroy_brings_the_route_back(fakes: Fakes, monkeypatch: pytest.MonkeyPatch) -> None:
    apply(fakes)
    with monkeypatch.context() as patch:
        patch.setattr(fakes.engine, "destroy", _interrupted)
        with pytest.raises(KeyboardInterrupt):
            workflow.destroy(fakes.world, "schiltigheim/portal", yes)
    assert fakes.records.kept[PORTAL].route is None
    apply(fakes)
    assert fakes.records.kept[PORTAL].route
    assert fakes.configurator.routes[-1] != []


def _interrupted(*_: object) -> None:
    raise KeyboardInterrupt


def test_metro_is_not_pulled_from_under_its_communes(fakes: Fakes) -> None:
    apply(fakes)
    with pytest.raises(UsageError, match="commune/67447"):
        workflow.destroy(fakes.world, "metro", yes)


def test_verify_needs_something_applied(fakes: Fakes) -> None:
    with pytest.raises(UsageError):
        workflow.verify(fakes.world, "schiltigheim")
    apply(fakes)
    fakes.checks.failing.add(PORTAL)
    assert workflow.verify(fakes.world, "schiltigheim").failures
    assert fakes.records.kept[PORTAL].verified.failed == 1  # type: ignore[union-attr]


def test_edges_that_answer_in_the_dns_have_a_credential_for_that_zone_alone(project: Project) -> None:
    api = DnsApi(identity="https://cloud.example:5000/v3", dns="https://cloud.example:9001")
    metro = project.metro.model_copy(update={"acme": Acme(challenge="dns-01", dns_api=api)})
    fakes = make_fakes(replace(project, metro=metro))
    apply(fakes)
    sets = "/v2/zones/zone-0/recordsets"
    assert {(r.service, r.method, r.path) for r in fakes.cloud.bound["agglo-acme"]} == {
        ("dns", "GET", sets), ("dns", "POST", sets), ("dns", "PUT", f"{sets}/*"), ("dns", "DELETE", f"{sets}/*"),
    }  # fmt: skip
    (portal,) = [w for w in fakes.engine.works if w.stack == PORTAL]
    assert portal.inputs["challenge"] == "portail.schiltigheim.acme.agglo.localhost."
    made = fakes.vault.for_dns
    workflow.apply(fakes.world, "schiltigheim", yes, force=True)
    assert fakes.vault.for_dns is made


def test_answers_in_the_dns_need_to_know_where_it_is_served() -> None:
    with pytest.raises(ValidationError, match="dns_api"):
        Acme(challenge="dns-01")
    with pytest.raises(ValidationError, match="identity"):
        DnsApi(identity="cloud.example", dns="https://cloud.example")
