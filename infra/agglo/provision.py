"""One stack brought to what its inputs say, or destroyed; with what belongs to it outside of the engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from threading import Lock
from typing import Literal

from agglo import ops
from agglo.adapters.protocols import AccessRule, Content, Credential, Work
from agglo.capabilities import Capabilities
from agglo.errors import AggloError
from agglo.guest import route
from agglo.manifest import Secret
from agglo.records import EngineResult, Intent, Record
from agglo.request import Request, Role
from agglo.stack import Kind, Outputs, Spec, StackId, Target
from agglo.world import World

METRO_KEY = f"agglo-{ops.TENANT}"
_CLIENTS = Lock()  # the clients of cloud and Vault are one for all stacks, and not made for several threads


def apply_stack(world: World, spec: Spec) -> Record:
    """Run the engine on one stack and record it; the intent stays recorded when that fails."""
    target, say = spec.target, _voice(world, spec.target)
    with _CLIENTS:
        _prepare(world, target)
        work = make_work(world, spec)
    record = _with_intent(world, target, "engine", spec.capabilities)
    result = world.engine.up(work, say)
    with _CLIENTS:
        _finish(world, target, result.outputs)
    record = record.model_copy(
        update={
            "engine": EngineResult(
                digest=spec.digest, checkpoint=result.checkpoint, at=world.now(), changes=dict(result.changes)
            ),
            "outputs": dict(result.outputs),
            "release": target.request.version if target.request else None,
            "route": route(world.project, target.request, result.outputs) if target.request else None,
            "verified": None if result.changes else record.verified,
            "intent": None,
            "looked": record.looked and record.looked.model_copy(update={"differs": ()}),
        }
    )
    world.records.save(target.id, record)
    return record


def destroy_stack(world: World, target: Target, *, purge: bool = False) -> Mapping[str, int]:
    """Destroy one stack and all that belongs to it; the record goes last. Resources by operation.

    With ``purge``, what a landing zone holds beside agglo's own goes too. Raises AggloError where that is data.
    """
    record = world.records.load(target.id)
    outputs = record.outputs if record else {}
    with _CLIENTS:
        if purge and target.id.kind is Kind.COMMUNE and target.tenant and "project" in outputs:
            _clear(world, target.tenant.code, str(outputs["project"]))
        _with_intent(world, target, "destroy")
        if outputs.get("domain"):
            world.cloud.disable_domain(str(outputs["domain"]))
        work = make_work(world, Spec(target, {}))
    changes = world.engine.destroy(work, _voice(world, target))
    with _CLIENTS:
        if target.request:
            world.vault.remove_secrets(target.request.secrets_path)
        elif target.tenant:
            world.vault.remove_landing_zone(target.tenant.code)
        else:
            world.vault.remove_landing_zone(ops.TENANT)
            world.cloud.remove_metro_project()
    world.records.remove(target.id)
    return changes


def contents(world: World, code: str) -> Sequence[Content]:
    """What is in a tenant's project beside its landing zone; nothing where it has none.

    Once a destroy has begun, its domain is disabled: containers were asked for before, and cannot be again.
    """
    record = world.records.load(StackId(Kind.COMMUNE, code))
    if record is None or "project" not in record.outputs:
        return ()
    begun = record.intent and record.intent.step == "destroy"
    return world.cloud.contents(str(record.outputs["project"]), None if begun else world.vault.credential(code))


def _clear(world: World, code: str, project: str) -> None:
    """Empty a project of what can be made again. Raises AggloError when there is data in it."""
    data = [str(item) for item in contents(world, code) if item.data]
    if data:
        raise AggloError(f"there is data in the project: {', '.join(data)}", hint="keep it elsewhere and delete it")
    world.cloud.clear(project)


def make_work(world: World, spec: Spec) -> Work:
    """The engine's work on a stack: who acts in the cloud, and which key guards the state."""
    target = spec.target
    if target.tenant is None:
        vault, cloud, key = world.vault.engine_environment(None), world.cloud.environment(), METRO_KEY
    else:
        code = target.tenant.code
        vault, key = world.vault.engine_environment(code), f"agglo-{code}"
        cloud = _commune_cloud(world, code) if target.request else world.cloud.environment()
    record = world.records.load(target.id)
    return Work(target.id, spec.inputs, key, {**cloud, **vault}, world.assets, bool(record and record.drifted))


def secret_versions(request: Request, world: World) -> dict[str, int]:
    """Versions of an instance's secrets (0: not made yet), without reading any."""
    return {s.name: world.vault.version(request.secret_path(s.name)) for s in _secrets(world, request)}


def _secrets(world: World, request: Request) -> tuple[Secret, ...]:
    """Secrets of an instance; a membership has none of its own."""
    return () if request.role is Role.MEMBER else world.project.release(request).manifest.secrets


def _prepare(world: World, target: Target) -> None:
    """What has to be there before the engine starts."""
    if target.tenant is None:
        world.vault.ensure_landing_zone(ops.TENANT)
        world.cloud.ensure_metro_project()
    elif target.request is None:
        world.vault.ensure_landing_zone(target.tenant.code)
    else:
        request = target.request
        for secret in _secrets(world, request):
            world.vault.ensure_secret(
                request.secret_path(secret.name), secret.generate.alphabet, secret.generate.length
            )


def _finish(world: World, target: Target, outputs: Outputs) -> None:
    """A landing zone is complete when its service user has a credential that works; transit is for those named."""
    if target.tenant is None:
        world.cloud.close_network(str(outputs["transit_network"]))
        _ensure_dns_credential(world, outputs)
    if target.id.kind is not Kind.COMMUNE or target.tenant is None:
        return
    code = target.tenant.code
    known = world.vault.credential(code)
    if known is None or not world.cloud.credential_works(known):
        made = world.cloud.make_credential(str(outputs["user"]), str(outputs["project"]), f"agglo-{code}")
        world.vault.keep_credential(code, made)


def _ensure_dns_credential(world: World, outputs: Outputs) -> None:
    """Edges that answer challenges in the DNS have a credential for record sets of that zone and nothing else."""
    zone = outputs.get("challenges_zone")
    if zone is None:
        return
    known = world.vault.dns_credential()
    if known and known[0] == zone and world.cloud.credential_works(known[1]):
        return
    sets = f"/v2/zones/{zone}/recordsets"
    rules = [
        *(AccessRule("dns", method, sets) for method in ("GET", "POST")),
        *(AccessRule("dns", method, f"{sets}/*") for method in ("PUT", "DELETE")),
    ]
    made = world.cloud.make_credential(str(outputs["challenges_user"]), str(outputs["project"]), "agglo-acme", rules)
    world.vault.keep_dns_credential(str(zone), made)


def _commune_cloud(world: World, code: str) -> Mapping[str, str]:
    credential: Credential | None = world.vault.credential(code)
    if credential is None:
        raise AggloError(f"the Vault holds no cloud credential of commune {code}", hint=f"agglo apply {code} --force")
    return world.cloud.commune_environment(credential)


def _with_intent(
    world: World, target: Target, step: Literal["engine", "destroy"], found: Capabilities | None = None
) -> Record:
    known = world.records.load(target.id) or Record(stack=str(target.id), title=target.title)
    record = known.model_copy(
        update={"intent": Intent(at=world.now(), step=step), "capabilities": found or known.capabilities}
    )
    world.records.save(target.id, record)
    return record


def _voice(world: World, target: Target) -> Callable[[str], None]:
    return lambda text: world.say(f"{target.title}: {text}")
