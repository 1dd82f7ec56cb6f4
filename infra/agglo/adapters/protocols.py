"""The roles that ``workflow`` works with. Each has a real adapter beside this file and a fake in ``agglo.testing``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from pydantic import JsonValue

from agglo.guest import Guest
from agglo.plan import Step
from agglo.records import Record, Verified
from agglo.stack import Inputs, StackId

Say = Callable[[str], None]


@dataclass(frozen=True)
class Work:
    """One stack for the engine: ``environment`` carries the cloud's credential, ``key`` names the transit key."""

    stack: StackId
    inputs: Inputs
    key: str
    environment: Mapping[str, str] = field(repr=False)
    assets: Mapping[str, Path] = field(default_factory=dict)


@dataclass(frozen=True)
class UpResult:
    """What a run of the engine left: outputs without secrets, sha256 of the checkpoint, resources by operation."""

    outputs: Mapping[str, JsonValue]
    checkpoint: str
    changes: Mapping[str, int]


@dataclass(frozen=True)
class RunReport:
    """What the configurator did on one guest: tasks that changed something; ``failure`` is empty when all went well."""

    changed: int
    failure: str = ""


@dataclass(frozen=True)
class HttpCheck:
    """A page as a citizen opens it: ``host`` through the edge, expecting 200 and ``contains`` in the text."""

    stack: StackId
    host: str
    path: str
    contains: str


@dataclass(frozen=True)
class Credential:
    """An application credential of a commune's service user."""

    id: str
    secret: str = field(repr=False)


class Engine(Protocol):
    """Brings stacks to what their inputs say."""

    def checkpoint(self, stack: StackId) -> str | None:
        """sha256 of the stack's state; None when it has none."""

    def preview(self, work: Work) -> tuple[Step, ...]:
        """What ``up`` would do. Raises EngineFailed."""

    def up(self, work: Work, say: Say) -> UpResult:
        """Make it so. Raises EngineFailed; what was done is kept in the state."""

    def destroy(self, work: Work, say: Say) -> None:
        """Delete all of the stack's resources and its state. Raises EngineFailed."""


class Cloud(Protocol):
    """The few things of OpenStack that do not belong in a stack's state."""

    def environment(self) -> Mapping[str, str]:
        """Environment with which OpenStack clients act as the operator."""

    def commune_environment(self, credential: Credential) -> Mapping[str, str]:
        """Environment with which OpenStack clients act as a commune's service user."""

    def check(self) -> None:
        """Raises NotConnected when the cloud does not answer or refuses the operator."""

    def make_credential(self, user: str, project: str, name: str) -> Credential:
        """An application credential made as ``user``, whose password nobody knows afterwards."""

    def credential_works(self, credential: Credential) -> bool:
        """True when the cloud accepts it."""

    def host_keys(self, servers: Iterable[str], say: Say) -> Mapping[str, tuple[str, ...]]:
        """Public ssh host keys of servers from their console logs; waits until they are there."""

    def disable_domain(self, domain: str) -> None:
        """Disable a domain, so that it may be deleted."""


class Vault(Protocol):
    """Secrets: made, versioned and signed by the Vault."""

    def check(self) -> None:
        """Raises VaultSealed or NotConnected."""

    def engine_environment(self, insee: str | None) -> Mapping[str, str]:
        """Environment with which the engine reaches transit: the operator's, or only one commune's."""

    def ensure_landing_zone(self, insee: str) -> None:
        """Transit key, policy and AppRole of a commune."""

    def remove_landing_zone(self, insee: str) -> None:
        """Remove a commune's secrets, policy, AppRole and key."""

    def ensure_metro_key(self) -> None:
        """Transit key of the metro stack."""

    def credential(self, insee: str) -> Credential | None:
        """The commune's application credential, if there is one."""

    def keep_credential(self, insee: str, credential: Credential) -> None:
        """Keep a commune's application credential."""

    def version(self, path: str) -> int:
        """Version of the secret at ``path`` (0: none), without reading it."""

    def ensure_secret(self, path: str, alphabet: str, length: int) -> int:
        """Generate the secret at ``path`` when there is none; its version. The value is never returned."""

    def remove_secrets(self, prefix: str) -> None:
        """Delete every secret below ``prefix``, all versions."""

    def commune_token(self, insee: str) -> str:
        """A token of some minutes that opens one commune's secrets only."""

    def ssh_ca(self) -> str:
        """Public key that signs operators' ssh certificates."""

    def sign_ssh(self, public_key: str, user: str) -> str:
        """A certificate of some minutes for ``public_key``."""

    def client_environment(self) -> Mapping[str, str]:
        """Address and CA of the Vault, without a token."""


class Configurator(Protocol):
    """Configures guests and knows the way to them."""

    def session(self, guests: Sequence[Guest], keys: Mapping[str, tuple[str, ...]]) -> AbstractContextManager[Path]:
        """A folder with a short-lived key, its certificate, ``ssh_config`` and known hosts; gone afterwards."""

    def run(self, guests: Sequence[Guest], due: Sequence[str], session: Path, say: Say) -> Mapping[str, RunReport]:
        """Run the playbooks on the ``due`` guests in one go."""


class Checks(Protocol):
    """Looks whether guests and pages are as they should be."""

    def run(
        self, guests: Sequence[Guest], pages: Sequence[HttpCheck], session: Path, say: Say
    ) -> Mapping[StackId, Verified]:
        """Verify; results by stack."""


class Records(Protocol):
    """Remembers what was applied."""

    def load(self, stack: StackId) -> Record | None:
        """The stack's record, if it has one."""

    def load_all(self) -> Mapping[StackId, Record]:
        """All records."""

    def save(self, stack: StackId, record: Record) -> None:
        """Replace the stack's record in one step."""

    def remove(self, stack: StackId) -> None:
        """Forget a stack."""

    def lock(self, stacks: Iterable[StackId]) -> AbstractContextManager[None]:
        """Hold the stacks alone. Raises Locked, naming who holds one."""
