"""Pulumi's engine through its Automation API: inline programs, state in files, secrets under transit keys."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import JsonValue

from agglo import drift
from agglo.adapters.interrupt import uninterrupted
from agglo.adapters.protocols import Say, UpResult, Work
from agglo.adapters.toolchain import Toolchain
from agglo.drift import Managed
from agglo.errors import EngineFailed
from agglo.plan import Step
from agglo.stack import Kind, StackId

if TYPE_CHECKING:
    from pulumi import automation as auto

_Result = TypeVar("_Result")
_MODULES = (
    "blockstorage",
    "compute",
    "dns",
    "identity",
    "images",
    "loadbalancer",
    "networking",
    "objectstorage",
)
_PROVIDER = "openstack"
_LOADING = Lock()
_QUIET = ("same", "read", "refresh")
_NOISE = re.compile(r"^(?:update failed|preview failed|resource .*destroy|\d+ errors? occurred:?)$")


class PulumiEngine:
    """Stacks in ``<state>/pulumi``; ``tools`` finds the pinned engine and provider when they are needed."""

    def __init__(self, state: Path, tools: Callable[[], Toolchain]) -> None:
        self._state = state / "pulumi"
        self._home = state / "pulumi-home"
        self._tools = tools

    def checkpoint(self, stack: StackId) -> str | None:
        """sha256 of the stack's state; None when it has none."""
        path = self._path(stack)
        return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None

    def owned(self, stack: StackId) -> frozenset[str]:
        """Ids of the resources that the stack's state holds; what was only read ("external") is not the stack's."""
        return frozenset(str(resource["id"]) for resource in self._resources(stack))

    def resources(self, stack: StackId) -> Sequence[Managed]:
        """Those of them whose types drift is looked for in, with the properties that they were applied with."""
        kinds = {f"{_PROVIDER}:{kind}": kind for kind in drift.Kind}
        return [
            Managed(kinds[r["type"]], str(r["id"]), str(r["urn"]).rpartition("::")[2], r.get("outputs") or {})
            for r in self._resources(stack)
            if r["type"] in kinds
        ]

    def _resources(self, stack: StackId) -> Iterator[dict[str, Any]]:
        path = self._path(stack)
        deployment = json.loads(path.read_bytes())["checkpoint"]["latest"] if path.is_file() else None
        for resource in (deployment or {}).get("resources") or ():
            if "id" in resource and not resource.get("external"):
                yield resource

    def _path(self, stack: StackId) -> Path:
        return self._state / ".pulumi" / "stacks" / stack.kind / f"{stack.name}.json"

    def preview(self, work: Work) -> tuple[Step, ...]:
        """What ``up`` would do. Raises EngineFailed."""
        steps: list[Step] = []
        self._run(work, lambda stack: stack.preview(on_event=_listener(steps.append), refresh=work.refresh))
        return tuple(steps)

    def up(self, work: Work, say: Say) -> UpResult:
        """Make it so. Raises EngineFailed; what was done is kept in the state."""
        changes: Counter[str] = Counter()
        note = _listener(partial(_count, changes, say))
        result = self._run(work, lambda stack: stack.up(on_event=note, show_secrets=False, refresh=work.refresh))
        outputs: dict[str, JsonValue] = {k: o.value for k, o in result.outputs.items() if not o.secret}
        checkpoint = self.checkpoint(work.stack)
        if checkpoint is None:
            raise EngineFailed(f"{work.stack}: the engine left no state", hint="agglo doctor")
        return UpResult(outputs, checkpoint, dict(changes))

    def destroy(self, work: Work, say: Say) -> Mapping[str, int]:
        """Delete all of the stack's resources and its state; resources by operation. Raises EngineFailed."""
        changes: Counter[str] = Counter()
        if self.checkpoint(work.stack):
            note = _listener(partial(_count, changes, say))
            self._run(work, lambda stack: stack.destroy(on_event=note, show_secrets=False, remove=True))
        return dict(changes)

    def _run(self, work: Work, operation: Callable[[auto.Stack], _Result]) -> _Result:
        """Run one operation to its end. The caller holds the stack's lock, so what a dead run left may be cleared."""
        os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")  # its handlers may fail a child that Ansible's run forks
        from pulumi import automation as auto  # noqa: PLC0415  a second that a skip does not need

        try:
            return uninterrupted(partial(self._operate, work, operation))
        except auto.CommandError as error:
            raise EngineFailed(
                f"{work.stack}: {'; '.join(_reasons(str(error)))}",
                hint="mend the cause and run the same command again",
            ) from error

    def _operate(self, work: Work, operation: Callable[[auto.Stack], _Result]) -> _Result:
        with TemporaryDirectory(prefix="agglo-engine-") as folder:
            stack = self._stack(work, folder)
            for lock in (self._state / ".pulumi" / "locks").rglob(f"{work.stack.kind}/{work.stack.name}/*.json"):
                lock.unlink()
            _forget_pending(stack)
            return operation(stack)

    def _stack(self, work: Work, folder: str) -> auto.Stack:
        from pulumi import automation as auto  # noqa: PLC0415

        self._state.mkdir(parents=True, exist_ok=True, mode=0o700)
        tools = self._tools()
        backend = f"file://{self._state}"
        secrets = f"hashivault://{work.key}"
        return auto.create_or_select_stack(
            stack_name=work.stack.name,
            project_name=work.stack.kind.value,
            program=partial(_program(work.stack.kind), work.inputs, work.assets),
            opts=auto.LocalWorkspaceOptions(
                work_dir=folder,
                secrets_provider=secrets,
                pulumi_home=str(self._home),
                pulumi_command=auto.PulumiCommand(root=str(tools.engine.parent.parent), skip_version_check=True),
                project_settings=auto.ProjectSettings(
                    name=work.stack.kind.value, runtime="python", backend=auto.ProjectBackend(url=backend)
                ),
                stack_settings={work.stack.name: auto.StackSettings(secrets_provider=secrets)},
                env_vars=self._environment(work.environment, tools),
            ),
        )

    def _environment(self, environment: Mapping[str, str], tools: Toolchain) -> dict[str, str]:
        return {
            **environment,
            "PATH": f"{tools.path}:/usr/local/bin:/usr/bin:/bin",
            "PULUMI_BACKEND_URL": f"file://{self._state}",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            "PULUMI_AUTOMATION_API_SKIP_VERSION_CHECK": "true",
        }


def _program(kind: str) -> Callable[[dict[str, JsonValue], Mapping[str, Path]], None]:
    with _LOADING:
        import pulumi_openstack as provider  # noqa: PLC0415  a second that a skip does not need

        from agglo.programs import commune, instance, metro  # noqa: PLC0415

        for name in _MODULES:
            hasattr(getattr(provider, name), "anything")  # loads it now: several threads at once would fail

    programs = {Kind.METRO: metro.program, Kind.COMMUNE: commune.program, Kind.INSTANCE: instance.program}
    return programs[Kind(kind)]


def _forget_pending(stack: auto.Stack) -> None:
    """Clear operations that a killed run left pending: the next update would refuse to start."""
    state = stack.export_stack()
    if state.deployment and state.deployment.get("pending_operations"):
        state.deployment = {k: v for k, v in state.deployment.items() if k != "pending_operations"}
        stack.import_stack(state)


def _listener(act: Callable[[Step], None]) -> Callable[[auto.EngineEvent], None]:
    """Calls ``act`` with each step that changes something."""

    def listen(event: auto.EngineEvent) -> None:
        step = _step(event)
        if step and step.operation not in _QUIET:
            act(step)

    return listen


def _count(changes: Counter[str], say: Say, step: Step) -> None:
    changes[step.operation] += 1
    say(f"{step.operation} {step.type} {step.name}")


def _step(event: auto.EngineEvent) -> Step | None:
    """The step that an engine event announces; None for events of another kind and for the stack itself."""
    if event.resource_pre_event is None:
        return None
    data = event.resource_pre_event.metadata
    if data.type.startswith("pulumi:"):
        return None
    return Step(str(getattr(data.op, "value", data.op)), data.type.rpartition(":")[2], data.urn.rpartition("::")[2])


def _reasons(output: str) -> list[str]:
    """The engine's own words on what failed, each once: the provider's reasons where it gave some."""
    lines = [line.strip() for line in (output.partition("\nDiagnostics:\n")[2] or output).splitlines()]
    given = [line.removeprefix("* ") for line in lines if line.startswith("* ")]
    errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    kept = dict.fromkeys(given or [line for line in errors if not _NOISE.match(line)])
    return list(kept) or [output.strip().splitlines()[-1] if output.strip() else "no reason was given"]
