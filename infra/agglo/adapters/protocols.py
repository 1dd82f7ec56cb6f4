"""The roles that ``workflow`` works with. Each has a real adapter beside this file and a fake in ``agglo.testing``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from pydantic import JsonValue

from agglo.capabilities import Capabilities
from agglo.diagnosis import Examination
from agglo.domains import Answer
from agglo.drift import Listing, Managed
from agglo.guest import Guest
from agglo.metro import Metro
from agglo.plan import Step
from agglo.records import Record, Verified
from agglo.stack import Inputs, StackId

Say = Callable[[str], None]


@dataclass(frozen=True)
class Work:
    """One stack for the engine: ``environment`` carries the cloud's credential, ``key`` names the transit key.

    With ``refresh`` the engine looks first at what is in the cloud: it is known to differ from the state.
    """

    stack: StackId
    inputs: Inputs
    key: str
    environment: Mapping[str, str] = field(repr=False)
    assets: Mapping[str, Path] = field(default_factory=dict)
    refresh: bool = False


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
    """A page as a citizen opens it: ``host`` through the edges, expecting ``status`` and ``contains`` in the text."""

    stack: StackId
    host: str
    path: str
    contains: str
    status: int = 200


@dataclass(frozen=True)
class Credential:
    """An application credential of a commune's service user."""

    id: str
    secret: str = field(repr=False)


@dataclass(frozen=True)
class AccessRule:
    """Calls that an application credential is good for: ``*`` in ``path`` is one part of it."""

    service: str  # its type: dns
    method: str
    path: str


@dataclass(frozen=True)
class Content:
    """One thing in a project that its landing zone did not make; ``data`` is what cannot be made again."""

    kind: str  # server, port, floating IP, volume, container
    name: str
    data: bool = False

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


class Engine(Protocol):
    """Brings stacks to what their inputs say."""

    def checkpoint(self, stack: StackId) -> str | None:
        """sha256 of the stack's state; None when it has none."""

    def owned(self, stack: StackId) -> frozenset[str]:
        """Ids of the resources that the stack's state holds."""

    def resources(self, stack: StackId) -> Sequence[Managed]:
        """Those of them whose types drift is looked for in, with the properties that they were applied with."""

    def preview(self, work: Work) -> tuple[Step, ...]:
        """What ``up`` would do. Raises EngineFailed."""

    def up(self, work: Work, say: Say) -> UpResult:
        """Make it so. Raises EngineFailed; what was done is kept in the state."""

    def destroy(self, work: Work, say: Say) -> Mapping[str, int]:
        """Delete all of the stack's resources and its state; resources by operation. Raises EngineFailed."""


class Cloud(Protocol):
    """The few things of OpenStack that do not belong in a stack's state."""

    def environment(self) -> Mapping[str, str]:
        """Environment with which OpenStack clients act as the operator, in the metro project once it is there."""

    def ensure_metro_project(self) -> None:
        """Domain and project of the metropolis, with the operator as its administrator."""

    def remove_metro_project(self) -> None:
        """Remove that project and its domain."""

    def commune_environment(self, credential: Credential) -> Mapping[str, str]:
        """Environment with which OpenStack clients act as a commune's service user."""

    def check(self) -> float:
        """Seconds that a token takes. Raises NotConnected when the cloud does not answer or refuses the operator."""

    def capabilities(self, zone: str, image: str | None) -> Capabilities:
        """What the cloud can do, and what is there of DNS ``zone`` and ``image`` (its name or id)."""

    def examine(self, metro: Metro) -> Examination:
        """What ``doctor`` looks at. Changes nothing."""

    def listing(self) -> Listing:
        """What is in all projects, of the types that drift is looked for in."""

    def make_credential(self, user: str, project: str, name: str, only: Sequence[AccessRule] = ()) -> Credential:
        """An application credential made as ``user``, whose password nobody knows afterwards.

        With ``only``, it is good for these calls alone.
        """

    def credential_works(self, credential: Credential) -> bool:
        """True when the cloud accepts it."""

    def host_keys(self, servers: Iterable[str], say: Say) -> Mapping[str, tuple[str, ...]]:
        """Public ssh host keys of servers from their console logs; waits until they are there."""

    def close_network(self, network: str) -> None:
        """Take an external network from everybody whom nothing else gives it."""

    def disable_domain(self, domain: str) -> None:
        """Disable a domain, so that it may be deleted."""

    def contents(self, project: str, credential: Credential | None) -> Sequence[Content]:
        """What is in a project that its landing zone did not make; containers as its service user sees them."""

    def clear(self, project: str) -> None:
        """Delete the servers, floating IPs and ports that ``contents`` tells of; wait until they are gone."""


class Vault(Protocol):
    """Secrets: made, versioned and signed by the Vault."""

    def check(self) -> None:
        """Raises VaultSealed or NotConnected."""

    def engine_environment(self, insee: str | None) -> Mapping[str, str]:
        """Environment with which the engine reaches transit: the operator's, or only one commune's."""

    def ensure_landing_zone(self, insee: str) -> None:
        """Transit key, policy and AppRole of a commune, or of the metropolis's own stack (``metro``)."""

    def remove_landing_zone(self, insee: str) -> None:
        """Remove a commune's secrets, policy, AppRole and key."""

    def credential(self, insee: str) -> Credential | None:
        """The commune's application credential, if there is one."""

    def keep_credential(self, insee: str, credential: Credential) -> None:
        """Keep a commune's application credential."""

    def dns_credential(self) -> tuple[str, Credential] | None:
        """The edges' credential for the zone of challenges, with that zone's id, if there is one."""

    def keep_dns_credential(self, zone: str, credential: Credential) -> None:
        """Keep it."""

    def version(self, path: str) -> int:
        """Version of the secret at ``path`` (0: none), without reading it."""

    def ensure_secret(self, path: str, alphabet: str, length: int) -> int:
        """Generate the secret at ``path`` when there is none; its version. The value is never returned."""

    def ensure_mail_key(self) -> None:
        """Make the key that signs the metropolis's mail when there is none."""

    def mail_key(self) -> str:
        """Its public part: base64 of the DER form; empty when there is none."""

    def remove_secrets(self, prefix: str) -> None:
        """Delete every secret below ``prefix``, all versions."""

    def commune_token(self, insee: str) -> str:
        """A token of some minutes that opens one commune's secrets only."""

    def ssh_ca(self) -> str:
        """Public key that signs operators' ssh certificates."""

    def sign_ssh(self, public_key: str, user: str) -> str:
        """A certificate of some minutes for ``public_key``."""

    def host_ca(self) -> str:
        """Public key that signs guests' ssh certificates."""

    def sign_host(self, public_key: str, names: Sequence[str]) -> str:
        """A certificate of a guest, known by ``names``, for as long as the Vault's role says."""

    def client_environment(self) -> Mapping[str, str]:
        """Address and CA of the Vault, without a token."""


class Configurator(Protocol):
    """Configures guests and knows the way to them."""

    def session(self, guests: Sequence[Guest], keys: Mapping[str, tuple[str, ...]]) -> AbstractContextManager[Path]:
        """A folder with a short-lived key, its certificate, ``ssh_config`` and known hosts; gone afterwards."""

    def run(
        self, guests: Sequence[Guest], due: Sequence[str], session: Path, say: Say, only: str | None = None
    ) -> Mapping[str, RunReport]:
        """Run the playbooks on the ``due`` guests in one go: all, or ``only`` one (its path below the root)."""

    def put(self, guest: str, path: str, text: str, session: Path) -> None:
        """Replace a small file on a guest, readable by all. Raises ConfigureFailed."""


class Checks(Protocol):
    """Looks whether guests and pages are as they should be."""

    def run(
        self, guests: Sequence[Guest], pages: Sequence[HttpCheck], session: Path, say: Say
    ) -> Mapping[StackId, Verified]:
        """Verify; results by stack."""


class Names(Protocol):
    """Asks the DNS."""

    def look_up(self, names: Iterable[str]) -> Mapping[str, Answer]:
        """What it says of each name; an answer with ``error`` where it says nothing."""


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

    def lock(self, stacks: Iterable[StackId], shared: Iterable[StackId] = ()) -> AbstractContextManager[None]:
        """Hold the stacks alone, and the ``shared`` ones with others that share them. Raises Locked."""

    def edges(self, say: Say) -> AbstractContextManager[None]:
        """Have the edges alone, after whoever has them: their configuration and the record of their guests."""
