"""Policies: what the metropolis asks of its stacks, judged before anything is changed. One per module, a page each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

from pydantic import JsonValue

from agglo.capabilities import Capabilities
from agglo.exemptions import Exemption, Standing, standing
from agglo.policies import (
    data_stays_in_region,
    image_from_the_channel,
    names_and_tags,
    no_port_open_to_the_world,
    override_has_a_reason,
    quotas_fit_the_cloud,
    server_has_a_security_group,
    volumes_are_encrypted,
)
from agglo.policies.override_has_a_reason import unexplained
from agglo.policies.policy import Policy, Severity, Stack
from agglo.project import Project
from agglo.selector import select
from agglo.stack import StackId, Target, declared
from agglo.words import Lang, Words

__all__ = [
    "POLICIES",
    "Finding",
    "Given",
    "Policy",
    "Severity",
    "Stack",
    "Verdict",
    "judge",
    "judge_stacks",
    "unexplained",
]

POLICIES: tuple[Policy, ...] = (
    no_port_open_to_the_world.POLICY,
    server_has_a_security_group.POLICY,
    volumes_are_encrypted.POLICY,
    image_from_the_channel.POLICY,
    data_stays_in_region.POLICY,
    names_and_tags.POLICY,
    quotas_fit_the_cloud.POLICY,
    override_has_a_reason.POLICY,
)


@dataclass(frozen=True)
class Given:
    """An exemption with the line that gives it and what it does today."""

    exemption: Exemption
    origin: str
    standing: Standing

    @property
    def in_force(self) -> bool:
        """True when what it is for is not refused."""
        return self.standing is Standing.IN_FORCE

    @property
    def words(self) -> Words:
        """What it does today."""
        until = self.exemption.until
        does = {
            Standing.IN_FORCE: Words(f"in force until {until}", f"valable jusqu’au {until}"),
            Standing.ENDED: Words(f"ended {until} and does not count", f"terminée le {until}, elle ne compte plus"),
            Standing.TOO_LONG: Words(
                f"{until} is more than a year ahead, so it does not count",
                f"le {until} est à plus d’un an, elle ne compte pas",
            ),
            Standing.IDLE: Words(
                f"exempts nothing (until {until}); delete it", f"ne dispense de rien (jusqu’au {until}) ; à retirer"
            ),
        }[self.standing]
        return Words(f"{self.origin}: {does.en}", f"{self.origin} : {does.fr}")

    def to_json(self) -> dict[str, JsonValue]:
        """As plain data."""
        return {
            **self.exemption.model_dump(mode="json"),
            "set_by": self.origin,
            "standing": str(self.standing),
        }


@dataclass(frozen=True)
class Finding:
    """What a policy says of a stack; ``given`` is the exemption for it, which may no longer count."""

    policy: str
    severity: Severity
    stack: StackId
    where: str
    words: Words
    given: Given | None = None

    @property
    def exempted(self) -> bool:
        """True while an exemption is in force for it."""
        return self.given is not None and self.given.in_force

    @property
    def refused(self) -> bool:
        """True when the stack may not be applied."""
        return self.severity is Severity.REFUSES and not self.exempted

    @property
    def result(self) -> str:
        """``refused``, ``advised`` or ``exempted``."""
        return "exempted" if self.exempted else "refused" if self.refused else "advised"

    def say(self, lang: Lang) -> str:
        """On one line: where, what, which policy, and the exemption that does not help any more."""
        colon, word = (" : ", "dispense") if lang == "fr" else (": ", "exemption")
        lapsed = f" ({word} {self.given.words.say(lang)})" if self.given and not self.exempted else ""
        return f"{self.where}{colon}{self.words.say(lang)} [{self.policy}]{lapsed}"

    def __str__(self) -> str:
        return self.say("en")

    def to_json(self) -> dict[str, JsonValue]:
        """As plain data."""
        return {
            "policy": self.policy,
            "stack": str(self.stack),
            "where": self.where,
            "result": self.result,
            "fr": self.words.say("fr"),
            "en": self.words.en,
            "exemption": self.given.to_json() if self.given else None,
        }


@dataclass(frozen=True)
class Verdict:
    """All that the policies find, in the order of policies, and what each exemption does."""

    findings: tuple[Finding, ...]
    exemptions: tuple[Given, ...]


def judge(project: Project, today: date, cloud: Capabilities | None = None) -> Verdict:
    """Judge every stack of the project, also those that do not exist yet, on this ``cloud`` if it was asked."""
    return judge_stacks(project, [Stack(t, declared(project, t), cloud) for t in select(project, "all")], today)


def judge_stacks(project: Project, stacks: Sequence[Stack], today: date) -> Verdict:
    """Judge all of ``stacks`` as they are declared; an exemption holds while it counts on ``today``."""
    found = [
        (target, Finding(policy.id, policy.severity, target.id, target.title, words))
        for policy in POLICIES
        for target, words in policy.check(project, stacks)
    ]
    exemptions = [
        Given(exemption, origin, standing(exemption, today, used=any(_holds(exemption, *one) for one in found)))
        for origin, exemption in project.exemptions.items()
    ]
    best_first = sorted(exemptions, key=lambda given: not given.in_force)
    findings = (
        replace(finding, given=next((g for g in best_first if _holds(g.exemption, target, finding)), None))
        for target, finding in found
    )
    return Verdict(tuple(findings), tuple(exemptions))


def _holds(exemption: Exemption, target: Target, finding: Finding) -> bool:
    """True when ``exemption`` is for what was found at ``target``."""
    return exemption.policy == finding.policy and covers(exemption.where, target)


def covers(where: str, target: Target) -> bool:
    """True when ``target`` is among what ``where`` means."""
    word, _, service = where.partition("/")
    tenant, request = target.tenant, target.request
    if tenant is None:
        return where == "metro"
    if word not in ("*", tenant.code, tenant.slug, tenant.key):
        return False
    return not service or (request is not None and request.service == service)
