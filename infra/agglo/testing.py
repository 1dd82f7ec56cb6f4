"""Fakes of every adapter, for tests of what is built on agglo. They keep state in memory and can be told to fail."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import cast

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    SSHCertificateBuilder,
    SSHCertificateType,
    load_ssh_public_key,
)
from pydantic import JsonValue

from agglo import digest, ops
from agglo.adapters.protocols import AccessRule, Content, Credential, HttpCheck, RunReport, Say, UpResult, Work
from agglo.capabilities import EXTENSIONS, SERVICES, Capabilities, Part, Service
from agglo.diagnosis import RIGHTS, TESTED, Examination
from agglo.domains import Answer
from agglo.drift import Listing, Managed
from agglo.errors import EngineFailed, Locked, NotConnected, VaultSealed
from agglo.guest import Guest
from agglo.metro import Metro
from agglo.plan import Step
from agglo.project import Project
from agglo.records import Record, Verified
from agglo.stack import Kind, Site, StackId
from agglo.world import Progress, World

WHOLE = Capabilities(
    regions=("RegionOne",),
    services={kind: Service(version=TESTED.get(kind, "")) for kind in (*SERVICES, *Part)},
    extensions=tuple(EXTENSIONS),
    external_networks=("public",),
    reseller=True,
    availability_zones=("nova",),
)


@dataclass
class FakeEngine:
    """Remembers stacks; ``fail_on`` makes one stack fail after its state was touched."""

    states: dict[StackId, str] = field(default_factory=dict)
    runs: list[tuple[str, StackId]] = field(default_factory=list)
    works: list[Work] = field(default_factory=list)
    fail_on: StackId | None = None
    managed: dict[StackId, list[Managed]] = field(default_factory=dict)

    def checkpoint(self, stack: StackId) -> str | None:
        """Digest of the remembered state."""
        return self.states.get(stack)

    def owned(self, stack: StackId) -> frozenset[str]:
        """Ids that the stack's outputs name, where it was applied."""
        return frozenset({"flavor-1", "image-1", "zone-1"}) if stack in self.states else frozenset()

    def resources(self, stack: StackId) -> Sequence[Managed]:
        """What a test put there."""
        return self.managed.get(stack, [])

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
        say("create Instance server")
        self.states[work.stack] = digest.of_json([str(work.stack), work.inputs])
        return UpResult(_outputs(work), self.states[work.stack], {"create": 1})

    def destroy(self, work: Work, say: Say) -> Mapping[str, int]:
        """Forget the stack."""
        self.runs.append(("destroy", work.stack))
        if self.fail_on == work.stack:
            raise EngineFailed(f"{work.stack}: network is in use", hint="free it")
        say("delete Instance server")
        self.states.pop(work.stack, None)
        return {"delete": 1}


@dataclass
class FakeCloud:
    """Accepts every credential it made; can do what ``able`` says; ``inside`` is what is in projects, by their id."""

    made: list[str] = field(default_factory=list)
    bound: dict[str, tuple[AccessRule, ...]] = field(default_factory=dict)
    disabled: list[str] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)
    metro_project: bool = False
    inside: dict[str, list[Content]] = field(default_factory=dict)
    able: Capabilities = WHOLE
    asked: int = 0  # times that it was asked what it can do
    live: Listing = field(default_factory=lambda: Listing({}))

    def environment(self) -> Mapping[str, str]:
        """The operator's."""
        return {"OS_CLOUD": "fake", **({"OS_PROJECT_ID": "metro"} if self.metro_project else {})}

    def ensure_metro_project(self) -> None:
        """It is there."""
        self.metro_project = True

    def remove_metro_project(self) -> None:
        """It is gone."""
        self.metro_project = False

    def commune_environment(self, credential: Credential) -> Mapping[str, str]:
        """A commune's."""
        return {"OS_APPLICATION_CREDENTIAL_ID": credential.id}

    def check(self) -> float:
        """Always there, at once."""
        return 0.0

    def capabilities(self, zone: str, image: str | None) -> Capabilities:
        """What it was told to be able to do."""
        self.asked += 1
        return self.able

    def examine(self, metro: Metro) -> Examination:
        """A look at what it is able to do; the operator may do everything."""
        return Examination(self.able, rights=dict.fromkeys(RIGHTS, True), capacity=(9999, 9_999_999, 9999))

    def listing(self) -> Listing:
        """What a test put there."""
        return self.live

    def make_credential(self, user: str, project: str, name: str, only: Sequence[AccessRule] = ()) -> Credential:
        """A new one each time."""
        self.made.append(name)
        self.bound[name] = tuple(only)
        return Credential(f"{name}-{len(self.made)}", "canary-credential")

    def credential_works(self, credential: Credential) -> bool:
        """True for what was made here."""
        return bool(self.made)

    def host_keys(self, servers: Iterable[str], say: Say) -> Mapping[str, tuple[str, ...]]:
        """One key per server, always the same."""
        return {server: (_public(_key(server)),) for server in servers}

    def close_network(self, network: str) -> None:
        """Remember it."""
        self.closed.append(network)

    def disable_domain(self, domain: str) -> None:
        """Remember it."""
        self.disabled.append(domain)

    def contents(self, project: str, credential: Credential | None) -> Sequence[Content]:
        """What a test put inside. Raises NotConnected when a credential of a disabled domain is used."""
        if credential and project.replace("project", "domain") in self.disabled:
            raise NotConnected("the cloud refuses the commune", hint="enable its domain")
        return self.inside.get(project, [])

    def clear(self, project: str) -> None:
        """Only data stay."""
        self.inside[project] = [item for item in self.inside.get(project, []) if item.data]


@dataclass
class FakeVault:
    """Secrets by path with their version; ``sealed`` makes everything fail as a sealed Vault does."""

    secrets: dict[str, int] = field(default_factory=dict)
    credentials: dict[str, Credential] = field(default_factory=dict)
    zones: set[str] = field(default_factory=set)
    for_dns: tuple[str, Credential] | None = None
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

    def credential(self, insee: str) -> Credential | None:
        """What was kept."""
        return self.credentials.get(insee)

    def keep_credential(self, insee: str, credential: Credential) -> None:
        """Keep it."""
        self.credentials[insee] = credential

    def dns_credential(self) -> tuple[str, Credential] | None:
        """What was kept."""
        return self.for_dns

    def keep_dns_credential(self, zone: str, credential: Credential) -> None:
        """Keep it."""
        self.for_dns = (zone, credential)
        self.secrets[ops.DNS_KEY] = self.secrets.get(ops.DNS_KEY, 0) + 1

    def version(self, path: str) -> int:
        """0 when there is none."""
        return self.secrets.get(path, 0)

    def ensure_secret(self, path: str, alphabet: str, length: int) -> int:
        """Version 1, once."""
        return self.secrets.setdefault(path, 1)

    def ensure_mail_key(self) -> None:
        """Version 1, once."""
        self.secrets.setdefault(ops.MAIL_KEY, 1)

    def mail_key(self) -> str:
        """Something, once it was made."""
        return "public" if ops.MAIL_KEY in self.secrets else ""

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

    def host_ca(self) -> str:
        """A key."""
        return "ssh-ed25519 AAAA host-ca"

    def sign_host(self, public_key: str, names: Sequence[str]) -> str:
        """A real one, of 90 days from the fakes' first of January on."""
        start = datetime(2026, 1, 1, tzinfo=UTC)
        key = load_ssh_public_key(public_key.encode())
        assert isinstance(key, Ed25519PublicKey)
        made = (
            SSHCertificateBuilder()
            .public_key(key)
            .type(SSHCertificateType.HOST)
            .key_id(b"fake")
            .valid_principals([name.encode() for name in names])
            .valid_after(int(start.timestamp()))
            .valid_before(int((start + timedelta(days=90)).timestamp()))
        )
        return made.sign(_key("host-ca")).public_bytes().decode()


@dataclass
class FakeConfigurator:
    """Remembers what it configured; ``broken`` guests fail, and so do ``broken_migrations`` (names)."""

    runs: list[tuple[str, ...]] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)
    routes: list[JsonValue] = field(default_factory=list)
    migrations: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    broken_migrations: set[str] = field(default_factory=set)
    files: dict[tuple[str, str], str] = field(default_factory=dict)
    variables: dict[str, Mapping[str, JsonValue]] = field(default_factory=dict)

    @contextmanager
    def session(self, guests: Sequence[Guest], keys: Mapping[str, tuple[str, ...]]) -> Iterator[Path]:
        """No folder is made."""
        yield Path("/nonexistent")

    def run(
        self, guests: Sequence[Guest], due: Sequence[str], session: Path, say: Say, only: str | None = None
    ) -> Mapping[str, RunReport]:
        """Everything changes once; ``only`` is remembered apart."""
        if only:
            self.migrations.append((only, tuple(due)))
            broken = Path(only).stem in self.broken_migrations
            return {name: RunReport(1, "migration: it broke" if broken else "") for name in due}
        self.runs.append(tuple(due))
        for guest in guests:
            self.variables[guest.name] = guest.variables
            if guest.name == "edge-1":
                self.routes.append(guest.variables["edge_routes"])
        return {name: RunReport(1, "task: it broke" if name in self.broken else "") for name in due}

    def put(self, guest: str, path: str, text: str, session: Path) -> None:
        """Remember it."""
        self.files[guest, path] = text


@dataclass
class FakeChecks:
    """Passes unless a stack is named in ``failing``."""

    now: datetime
    failing: set[StackId] = field(default_factory=set)
    runs: list[tuple[tuple[str, ...], tuple[str, ...]]] = field(default_factory=list)
    pages: list[Sequence[HttpCheck]] = field(default_factory=list)

    def run(
        self, guests: Sequence[Guest], pages: Sequence[HttpCheck], session: Path, say: Say
    ) -> Mapping[StackId, Verified]:
        """One result per stack."""
        self.runs.append((tuple(g.name for g in guests), tuple(p.host for p in pages)))
        self.pages.append(pages)
        return {stack: self._verified(stack) for stack in {*(g.stack for g in guests), *(p.stack for p in pages)}}

    def _verified(self, stack: StackId) -> Verified:
        failed = stack in self.failing
        return Verified(at=self.now, passed=3, failed=int(failed), failures=("nginx: is down",) if failed else ())


@dataclass
class FakeNames:
    """A DNS that knows what it was told."""

    known: dict[str, Answer] = field(default_factory=dict)

    def look_up(self, names: Iterable[str]) -> Mapping[str, Answer]:
        """Nothing is there unless it was told."""
        return {name: self.known.get(name, Answer()) for name in names}


@dataclass
class FakeRecords:
    """Records in memory; ``held`` stacks are another run's; ``locked`` remembers what was held alone."""

    kept: dict[StackId, Record] = field(default_factory=dict)
    held: set[StackId] = field(default_factory=set)
    locked: list[set[StackId]] = field(default_factory=list)

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
    def lock(self, stacks: Iterable[StackId], shared: Iterable[StackId] = ()) -> Iterator[None]:
        """Raises Locked for held stacks."""
        alone = set(stacks)
        taken = sorted(self.held & {*alone, *shared})
        if taken:
            raise Locked(f"{taken[0]} is being changed by another run", hint="wait for it")
        self.locked.append(alone)
        yield

    @contextmanager
    def edges(self, say: Say) -> Iterator[None]:
        """Nobody else has them."""
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
    names: FakeNames
    said: list[str]
    watched: list[Progress]

    def with_project(self, project: Project) -> Fakes:
        """The same world, with all that it remembers, after somebody changed the files."""
        return replace(self, world=replace(self.world, project=project))


def make_fakes(project: Project) -> Fakes:
    """A world in which everything works, on 1 January 2026."""
    now = datetime(2026, 1, 1, tzinfo=UTC)
    engine, cloud, vault, records = FakeEngine(), FakeCloud(), FakeVault(), FakeRecords()
    configurator, checks = FakeConfigurator(), FakeChecks(now)
    names = FakeNames()
    said: list[str] = []
    watched: list[Progress] = []
    ticks = count()
    world = World(
        project=project,
        engine=engine,
        cloud=cloud,
        vault=vault,
        configurator=configurator,
        checks=checks,
        records=records,
        names=names,
        site=lambda: Site("0" * 64, vault.ssh_ca(), "https://acme.example/directory", "", vault.mail_key()),
        assets={},
        playbooks="playbooks-1",
        now=lambda: now + timedelta(seconds=next(ticks)),
        say=said.append,
        watch=watched.append,
    )
    return Fakes(world, engine, cloud, vault, configurator, checks, records, names, said, watched)


def _key(name: str) -> Ed25519PrivateKey:
    """A key that follows from a name."""
    return Ed25519PrivateKey.from_private_bytes(sha256(name.encode()).digest())


def _public(key: Ed25519PrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


def _outputs(work: Work) -> dict[str, JsonValue]:
    name = work.stack.name
    if work.stack.kind is Kind.METRO:
        return {
            "image": str(cast(list[dict[str, JsonValue]], work.inputs["channel"])[-1]["key"]),
            "images": {
                str(build["key"]): {"id": f"image-{build['key']}", "date": build["date"], "adopted": build["adopted"]}
                for build in cast(list[dict[str, JsonValue]], work.inputs["channel"])
            },
            "server_images": work.inputs["server_images"],
            "flavors": {"SCS-1L-1-5": "flavor-1"},
            "domain": "domain-0",
            "project": "project-0",
            **({"challenges_user": "user-0", "challenges_zone": "zone-0"} if work.inputs["challenges"] else {}),
            "transit_network": "transit-1",
            "transit_network_name": "transit",
            "bastion_server": "bastion-1",
            "edge_servers": {"edge-1": "edge-1", "edge-2": "edge-2"},
            "ops_server": "ops-1",
        }
    if work.stack.kind is Kind.COMMUNE:
        keys = ("domain", "project", "user", "network", "subnet", "security_group", "zone")
        return {key: f"{key}-{name}" for key in keys}
    if work.inputs["role"] == "member":
        return {"address": work.inputs["served_from"]}
    server = f"server-{name}-{'-'.join(map(str, cast(dict[str, JsonValue], work.inputs['images']).values()))}"
    volumes = cast(dict[str, JsonValue], work.inputs.get("volumes", {}))
    ids: dict[str, JsonValue] = {volume: f"{volume}-{'0' * 20}" for volume in volumes}
    return {"server": server, "address": "100.64.1.7", "server_images": work.inputs["server_images"], "volumes": ids}
