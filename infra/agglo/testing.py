"""Fakes of every adapter, for tests of what is built on agglo. They keep state in memory and can be told to fail."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import JsonValue

from agglo import digest
from agglo.adapters.protocols import Credential, HttpCheck, RunReport, Say, UpResult, Work
from agglo.errors import EngineFailed, Locked, VaultSealed
from agglo.guest import Guest
from agglo.plan import Step
from agglo.project import Project
from agglo.records import Record, Verified
from agglo.stack import Kind, Site, StackId
from agglo.world import World


@dataclass
class FakeEngine:
    """Remembers stacks; ``fail_on`` makes one stack fail after its state was touched."""

    states: dict[StackId, str] = field(default_factory=dict)
    runs: list[tuple[str, StackId]] = field(default_factory=list)
    works: list[Work] = field(default_factory=list)
    fail_on: StackId | None = None

    def checkpoint(self, stack: StackId) -> str | None:
        """Digest of the remembered state."""
        return self.states.get(stack)

    def preview(self, work: Work) -> tuple[Step, ...]:
        """One update of the server."""
        self.runs.append(("preview", work.stack))
        return (Step("update", "Instance", work.stack.name),)

    def up(self, work: Work, say: Say) -> UpResult:
        """Remember the inputs; outputs are made up from the stack's name."""
        self.runs.append(("up", work.stack))
        self.works.append(work)
        if self.fail_on == work.stack:
            self.states[work.stack] = "half"
            raise EngineFailed(f"{work.stack}: quota exceeded", hint="raise the quota")
        self.states[work.stack] = digest.of_json([str(work.stack), work.inputs])
        return UpResult(_outputs(work), self.states[work.stack], {"create": 1})

    def destroy(self, work: Work, say: Say) -> None:
        """Forget the stack."""
        self.runs.append(("destroy", work.stack))
        self.states.pop(work.stack, None)


@dataclass
class FakeCloud:
    """Accepts every credential it made."""

    made: list[str] = field(default_factory=list)
    disabled: list[str] = field(default_factory=list)

    def environment(self) -> Mapping[str, str]:
        """The operator's."""
        return {"OS_CLOUD": "fake"}

    def commune_environment(self, credential: Credential) -> Mapping[str, str]:
        """A commune's."""
        return {"OS_APPLICATION_CREDENTIAL_ID": credential.id}

    def check(self) -> None:
        """Always there."""

    def make_credential(self, user: str, project: str, name: str) -> Credential:
        """A new one each time."""
        self.made.append(name)
        return Credential(f"{name}-{len(self.made)}", "canary-credential")

    def credential_works(self, credential: Credential) -> bool:
        """True for what was made here."""
        return bool(self.made)

    def host_keys(self, servers: Iterable[str], say: Say) -> Mapping[str, tuple[str, ...]]:
        """One key per server."""
        return {server: (f"ssh-ed25519 {server}",) for server in servers}

    def disable_domain(self, domain: str) -> None:
        """Remember it."""
        self.disabled.append(domain)


@dataclass
class FakeVault:
    """Secrets by path with their version; ``sealed`` makes everything fail as a sealed Vault does."""

    secrets: dict[str, int] = field(default_factory=dict)
    credentials: dict[str, Credential] = field(default_factory=dict)
    zones: set[str] = field(default_factory=set)
    sealed: bool = False

    def check(self) -> None:
        """Raises VaultSealed when told to."""
        if self.sealed:
            raise VaultSealed("the Vault is sealed", hint="unseal it")

    def engine_environment(self, insee: str | None) -> Mapping[str, str]:
        """A token that names whose it is."""
        return {"VAULT_SERVER_TOKEN": f"token-{insee or 'operator'}"}

    def client_environment(self) -> Mapping[str, str]:
        """No address."""
        return {}

    def ensure_landing_zone(self, insee: str) -> None:
        """Remember it."""
        self.zones.add(insee)

    def remove_landing_zone(self, insee: str) -> None:
        """Forget it and its secrets."""
        self.zones.discard(insee)
        self.credentials.pop(insee, None)
        self.remove_secrets(f"communes/{insee}")

    def ensure_metro_key(self) -> None:
        """Nothing to do."""

    def credential(self, insee: str) -> Credential | None:
        """What was kept."""
        return self.credentials.get(insee)

    def keep_credential(self, insee: str, credential: Credential) -> None:
        """Keep it."""
        self.credentials[insee] = credential

    def version(self, path: str) -> int:
        """0 when there is none."""
        return self.secrets.get(path, 0)

    def ensure_secret(self, path: str, alphabet: str, length: int) -> int:
        """Version 1, once."""
        return self.secrets.setdefault(path, 1)

    def remove_secrets(self, prefix: str) -> None:
        """Forget all below."""
        self.secrets = {p: v for p, v in self.secrets.items() if not p.startswith(f"{prefix}/")}

    def commune_token(self, insee: str) -> str:
        """Names whose it is."""
        return f"token-{insee}"

    def ssh_ca(self) -> str:
        """A key."""
        return "ssh-ed25519 AAAA ca"

    def sign_ssh(self, public_key: str, user: str) -> str:
        """A certificate."""
        return "certificate"


@dataclass
class FakeConfigurator:
    """Remembers what it configured; ``broken`` guests fail."""

    runs: list[tuple[str, ...]] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)
    routes: list[JsonValue] = field(default_factory=list)

    @contextmanager
    def session(self, guests: Sequence[Guest], keys: Mapping[str, tuple[str, ...]]) -> Iterator[Path]:
        """No folder is made."""
        yield Path("/nonexistent")

    def run(self, guests: Sequence[Guest], due: Sequence[str], session: Path, say: Say) -> Mapping[str, RunReport]:
        """Everything changes once."""
        self.runs.append(tuple(due))
        for guest in guests:
            if guest.name == "edge":
                self.routes.append(guest.variables["edge_routes"])
        return {name: RunReport(1, "task: it broke" if name in self.broken else "") for name in due}


@dataclass
class FakeChecks:
    """Passes unless a stack is named in ``failing``."""

    now: datetime
    failing: set[StackId] = field(default_factory=set)
    runs: list[tuple[tuple[str, ...], tuple[str, ...]]] = field(default_factory=list)

    def run(
        self, guests: Sequence[Guest], pages: Sequence[HttpCheck], session: Path, say: Say
    ) -> Mapping[StackId, Verified]:
        """One result per stack."""
        self.runs.append((tuple(g.name for g in guests), tuple(p.host for p in pages)))
        return {stack: self._verified(stack) for stack in {g.stack for g in guests}}

    def _verified(self, stack: StackId) -> Verified:
        failed = stack in self.failing
        return Verified(at=self.now, passed=3, failed=int(failed), failures=("nginx: is down",) if failed else ())


@dataclass
class FakeRecords:
    """Records in memory; ``held`` stacks are another run's."""

    kept: dict[StackId, Record] = field(default_factory=dict)
    held: set[StackId] = field(default_factory=set)

    def load(self, stack: StackId) -> Record | None:
        """The record."""
        return self.kept.get(stack)

    def load_all(self) -> Mapping[StackId, Record]:
        """All records."""
        return dict(sorted(self.kept.items()))

    def save(self, stack: StackId, record: Record) -> None:
        """Through JSON, as on disk."""
        self.kept[stack] = Record.model_validate_json(record.model_dump_json(exclude_none=True))

    def remove(self, stack: StackId) -> None:
        """Forget it."""
        self.kept.pop(stack, None)

    @contextmanager
    def lock(self, stacks: Iterable[StackId]) -> Iterator[None]:
        """Raises Locked for held stacks."""
        taken = sorted(self.held & set(stacks))
        if taken:
            raise Locked(f"{taken[0]} is being changed by another run", hint="wait for it")
        yield


@dataclass(frozen=True)
class Fakes:
    """A world of fakes and its parts."""

    world: World
    engine: FakeEngine
    cloud: FakeCloud
    vault: FakeVault
    configurator: FakeConfigurator
    checks: FakeChecks
    records: FakeRecords
    said: list[str]


def make_fakes(project: Project) -> Fakes:
    """A world in which everything works, on 1 January 2026."""
    now = datetime(2026, 1, 1, tzinfo=UTC)
    engine, cloud, vault, records = FakeEngine(), FakeCloud(), FakeVault(), FakeRecords()
    configurator, checks = FakeConfigurator(), FakeChecks(now)
    said: list[str] = []
    ticks = iter(now + timedelta(seconds=n) for n in range(100_000))
    world = World(
        project=project,
        engine=engine,
        cloud=cloud,
        vault=vault,
        configurator=configurator,
        checks=checks,
        records=records,
        site=lambda: Site("0" * 64, vault.ssh_ca(), "https://acme.example/directory", ""),
        assets={},
        playbooks="playbooks-1",
        now=lambda: next(ticks),
        say=said.append,
    )
    return Fakes(world, engine, cloud, vault, configurator, checks, records, said)


def _outputs(work: Work) -> dict[str, JsonValue]:
    name = work.stack.name
    if work.stack.kind is Kind.METRO:
        return {
            "image": "image-1",
            "flavors": {"SCS-1L-1-5": "flavor-1"},
            "transit_network": "transit-1",
            "transit_network_name": "transit",
            "bastion_server": "bastion-1",
            "edge_server": "edge-1",
        }
    if work.stack.kind is Kind.COMMUNE:
        keys = ("domain", "project", "user", "network", "subnet", "security_group", "zone")
        return {key: f"{key}-{name}" for key in keys}
    return {"server": f"server-{name}", "address": "100.64.1.7"}
