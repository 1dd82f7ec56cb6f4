"""One stack brought to what its inputs say, or destroyed; with what belongs to it outside of the engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

from agglo.adapters.protocols import Credential, Work
from agglo.errors import AggloError
from agglo.project import Request
from agglo.records import EngineResult, Intent, Record, Route
from agglo.stack import Kind, Outputs, Spec, Target
from agglo.world import World

METRO_KEY = "agglo-metro"


def apply_stack(world: World, spec: Spec) -> Record:
    """Run the engine on one stack and record it; the intent stays recorded when that fails."""
    target, say = spec.target, _voice(world, spec.target)
    _prepare(world, target)
    record = _with_intent(world, target, "engine")
    result = world.engine.up(make_work(world, spec), say)
    _finish(world, target, result.outputs)
    record = record.model_copy(
        update={
            "engine": EngineResult(
                digest=spec.digest, checkpoint=result.checkpoint, at=world.now(), changes=dict(result.changes)
            ),
            "outputs": dict(result.outputs),
            "release": target.request.asked.version if target.request else None,
            "route": _route(world, target.request, result.outputs) if target.request else None,
            "intent": None,
        }
    )
    world.records.save(target.id, record)
    return record


def destroy_stack(world: World, target: Target) -> None:
    """Destroy one stack and all that belongs to it; the record goes last."""
    record = world.records.load(target.id)
    if record is None and world.engine.checkpoint(target.id) is None:
        return
    _with_intent(world, target, "destroy")
    if target.id.kind is Kind.COMMUNE and record and record.outputs.get("domain"):
        world.cloud.disable_domain(str(record.outputs["domain"]))
    world.engine.destroy(make_work(world, Spec(target, {})), _voice(world, target))
    if target.request:
        world.vault.remove_secrets(target.request.secrets_path)
    elif target.commune:
        world.vault.remove_landing_zone(target.commune.insee)
    world.records.remove(target.id)


def make_work(world: World, spec: Spec) -> Work:
    """The engine's work on a stack: who acts in the cloud, and which key guards the state."""
    target = spec.target
    if target.commune is None:
        vault, cloud, key = world.vault.engine_environment(None), world.cloud.environment(), METRO_KEY
    else:
        insee = target.commune.insee
        vault, key = world.vault.engine_environment(insee), f"agglo-{insee}"
        cloud = _commune_cloud(world, insee) if target.request else world.cloud.environment()
    return Work(target.id, spec.inputs, key, {**cloud, **vault}, world.assets)


def secret_versions(request: Request, world: World) -> dict[str, int]:
    """Versions of an instance's secrets (0: not made yet), without reading any."""
    names = [secret.name for secret in world.project.release(request).manifest.secrets]
    return {name: world.vault.version(request.secret_path(name)) for name in names}


def _prepare(world: World, target: Target) -> None:
    """What has to be there before the engine starts."""
    if target.commune is None:
        world.vault.ensure_metro_key()
    elif target.request is None:
        world.vault.ensure_landing_zone(target.commune.insee)
    else:
        request = target.request
        for secret in world.project.release(request).manifest.secrets:
            world.vault.ensure_secret(
                request.secret_path(secret.name), secret.generate.alphabet, secret.generate.length
            )


def _finish(world: World, target: Target, outputs: Outputs) -> None:
    """A landing zone is complete when its service user has a credential that works."""
    if target.id.kind is not Kind.COMMUNE or target.commune is None:
        return
    insee = target.commune.insee
    known = world.vault.credential(insee)
    if known is None or not world.cloud.credential_works(known):
        made = world.cloud.make_credential(str(outputs["user"]), str(outputs["project"]), f"agglo-{insee}")
        world.vault.keep_credential(insee, made)


def _commune_cloud(world: World, insee: str) -> Mapping[str, str]:
    credential: Credential | None = world.vault.credential(insee)
    if credential is None:
        raise AggloError(f"the Vault holds no cloud credential of commune {insee}", hint=f"agglo apply {insee} --force")
    return world.cloud.commune_environment(credential)


def _route(world: World, request: Request, outputs: Outputs) -> Route:
    web = world.project.release(request).manifest.web
    return Route(
        host=world.project.metro.host(request.commune, web.host),
        address=str(outputs["address"]),
        port=web.port,
        instance=request.instance,
        health=web.health,
    )


def _with_intent(world: World, target: Target, step: Literal["engine", "destroy"]) -> Record:
    known = world.records.load(target.id) or Record(stack=str(target.id), title=target.title)
    record = known.model_copy(update={"intent": Intent(at=world.now(), step=step)})
    world.records.save(target.id, record)
    return record


def _voice(world: World, target: Target) -> Callable[[str], None]:
    return lambda text: world.say(f"{target.title}: {text}")
