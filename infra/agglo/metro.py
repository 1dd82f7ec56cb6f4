"""The metropolis's own settings: ``stacks/metro.yaml``."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator, model_validator

from agglo import scs
from agglo.commune import Commune, Population, Slug
from agglo.words import Strict

_LABEL = r"[a-z0-9]([a-z0-9-]*[a-z0-9])?"
_DOMAIN = rf"{_LABEL}(\.{_LABEL})*"
Domain = Annotated[str, Field(pattern=rf"^{_DOMAIN}$")]
HostName = Annotated[str, Field(pattern=rf"^\.?{_DOMAIN}$")]
RelayHost = Annotated[str, Field(pattern=rf"^{_DOMAIN}(:\d+)?$")]
Url = Annotated[str, Field(pattern=rf"^https?://{_DOMAIN}(:\d+)?(/[a-z0-9._/-]*)?$")]
Address = Annotated[str, Field(pattern=rf"^[^@\s]+@{_DOMAIN}$")]


class NamedNetwork(Strict):
    """A network with the name of those who are in it."""

    name: str = Field(min_length=3)
    cidr: IPv4Network


class Public(Strict):
    """The external network; ``bastion`` and ``edge`` are floating IPs on it (``edge`` of the edges' virtual address).

    ``dns`` is the guests' resolver. The bastion admits ssh from ``ssh_from`` alone: agglo's machines and operators'.
    """

    network: str
    bastion: IPv4Address
    edge: IPv4Address
    dns: IPv4Address
    ssh_from: tuple[NamedNetwork, ...] = Field(min_length=1)


RESERVED = 256  # addresses at the start of transit that the metropolis keeps for its own servers


class Transit(Strict):
    """The private external network between metropolis and communes: a VLAN, so that sources cannot be forged.

    One of the ``edges`` has the address ``vip`` as well; another one takes it over when that one fails.
    """

    cidr: IPv4Network
    physical_network: str
    vlan: int = Field(ge=1, le=4094)
    gateway: IPv4Address
    bastion: IPv4Address
    vip: IPv4Address
    edges: tuple[IPv4Address, ...] = Field(min_length=1, max_length=8)
    ops: IPv4Address

    @model_validator(mode="after")
    def _inside(self) -> Transit:
        fixed = [self.gateway, self.bastion, self.vip, *self.edges, self.ops]
        outside = [str(a) for a in fixed if a not in self.cidr]
        if outside:
            raise ValueError(f"{', '.join(outside)} outside of {self.cidr}")
        if len(set(fixed)) < len(fixed):
            raise ValueError("two of gateway, bastion, vip and edges have the same address")
        return self

    @property
    def reserved(self) -> IPv4Network:
        """Where the metropolis's own servers are; communes' floating IPs come after."""
        return IPv4Network((self.cidr.network_address, max(32 - (RESERVED - 1).bit_length(), self.cidr.prefixlen)))

    @property
    def edge_names(self) -> dict[str, IPv4Address]:
        """The edges' servers by name: ``edge-1`` is the first of ``edges``."""
        return {f"edge-{number}": address for number, address in enumerate(self.edges, 1)}


class CommuneNetwork(Strict):
    """The network that every commune has for itself; the same range in each, behind its own router."""

    cidr: IPv4Network


class Dns(Strict):
    """Whether names are made in the cloud: ``auto`` where it has a DNS service; else they are served elsewhere."""

    managed: Literal["auto"] | bool = "auto"


class DnsApi(Strict):
    """OpenStack's identity and DNS services as the edges reach them, by the way out: URLs with a scheme and a host."""

    identity: Url
    dns: Url


class Acme(Strict):
    """How the edges prove to the authority that a name is theirs: by HTTP at the name, or in the DNS by ``dns_api``."""

    challenge: Literal["http-01", "dns-01"] = "http-01"
    dns_api: DnsApi | None = None

    @model_validator(mode="after")
    def _with_its_api(self) -> Acme:
        if self.by_dns and self.dns_api is None:
            raise ValueError("dns-01 needs dns_api: where the edges reach identity and dns")
        return self

    @property
    def by_dns(self) -> bool:
        """True when challenges are answered in the DNS."""
        return self.challenge == "dns-01"

    @property
    def urls(self) -> tuple[str, ...]:
        """What the edges ask beside the authority."""
        return (self.dns_api.identity, self.dns_api.dns) if self.by_dns and self.dns_api else ()


class Image(Strict):
    """The guests' image in Glance and the user that cloud-init makes; ``adopt`` names one that is there (or its id).

    ``properties`` are those of SCS-0102; the user and, unless it is said, the day of the file are added to them.
    """

    name: str
    user: str = "debian"
    adopt: str | None = None
    min_disk_gib: int = Field(default=0, ge=0)
    min_ram_mib: int = Field(default=0, ge=0)
    properties: dict[str, str] = Field(default_factory=dict)

    @field_validator("properties")
    @classmethod
    def _known_values(cls, value: dict[str, str]) -> dict[str, str]:
        if problems := scs.image_values(value):
            raise ValueError("; ".join(problems))
        return value


class Flavor(Strict):
    """A flavor; RAM in MiB, disk in GiB. One that is there is adopted by its name; with ``adopt`` it has to be."""

    name: str
    vcpus: int = Field(ge=1)
    ram_mib: int = Field(ge=256)
    disk_gib: int = Field(ge=0)
    adopt: bool = False

    @model_validator(mode="after")
    def _as_it_is_named(self) -> Flavor:
        if not self.adopt and not self.name.startswith(scs.PREFIX):
            raise ValueError(f"'{self.name}' is no SCS-0100 name; a flavor that is there is taken with adopt: true")
        if problems := scs.flavor_problems(self.name, self.vcpus, self.ram_mib, self.disk_gib):
            raise ValueError("; ".join(problems))
        return self


class MetroFlavors(Strict):
    """Flavors of the metropolis's own guests."""

    bastion: str
    edge: str
    ops: str


class Monitoring(Strict):
    """Metrics of all guests and routes, kept for ``retention_days``; alerts go by mail to ``alerts_to``.

    A volume whose newest backup is older than ``backup_max_age_hours`` is worth one.
    """

    alerts_to: Address
    retention_days: int = Field(ge=1)
    backup_max_age_hours: int = Field(default=26, ge=1)  # once a day, and two hours to make it


class Logs(Strict):
    """The journals of all guests, kept for ``retention_days`` and no longer: they hold personal data."""

    retention_days: int = Field(ge=1, le=366)


class Egress(Strict):
    """Where guests may go by HTTP and HTTPS: host names; one that begins with a dot stands for all below it."""

    allowed: tuple[HostName, ...]


class Mail(Strict):
    """Outgoing mail: from ``senders`` (domains) only; through ``relayhost`` (``host[:port]``), else direct."""

    senders: tuple[Domain, ...] = Field(min_length=1)
    relayhost: RelayHost | None = None


class ComputeQuota(Strict):
    """Nova's quotas; RAM in MiB."""

    instances: int = Field(ge=1)
    cores: int = Field(ge=1)
    ram_mib: int = Field(ge=512)
    server_groups: int = Field(ge=0)


class NetworkQuota(Strict):
    """Neutron's quotas."""

    networks: int = Field(ge=1)
    subnets: int = Field(ge=1)
    routers: int = Field(ge=1)
    ports: int = Field(ge=5)
    floating_ips: int = Field(ge=1)
    security_groups: int = Field(ge=2)
    security_group_rules: int = Field(ge=10)


class VolumeQuota(Strict):
    """Cinder's quotas; sizes in GiB."""

    volumes: int = Field(ge=0)
    gigabytes: int = Field(ge=0)
    snapshots: int = Field(ge=0)
    backups: int = Field(ge=0)
    backup_gigabytes: int = Field(ge=0)


class DnsQuota(Strict):
    """Designate's quotas."""

    zones: int = Field(ge=0)
    zone_recordsets: int = Field(ge=0)
    recordset_records: int = Field(ge=0)


class LoadBalancerQuota(Strict):
    """Octavia's quotas."""

    load_balancers: int = Field(ge=0)
    listeners: int = Field(ge=0)
    pools: int = Field(ge=0)
    members: int = Field(ge=0)
    health_monitors: int = Field(ge=0)


class ObjectStorageQuota(Strict):
    """Swift's quota of an account; size in GiB."""

    gigabytes: int = Field(ge=0)


class OperatorNetworkQuota(NetworkQuota):
    """Neutron's quotas of the metropolis's own project; each commune takes one share of the transit network."""

    rbac_policies: int = Field(ge=1)


class OperatorQuota(Strict):
    """Quotas of the metropolis's own project, which holds a DNS zone and a share of transit for each commune."""

    network: OperatorNetworkQuota
    dns: DnsQuota


class QuotaClass(Strict):
    """Quotas of a project by the commune's size: up to ``up_to`` inhabitants; None for the largest class.

    Of load balancers and object storage the cloud's own defaults hold where the class says nothing.
    """

    up_to: int | None = Field(default=None, gt=0)
    compute: ComputeQuota
    network: NetworkQuota
    volume: VolumeQuota
    dns: DnsQuota
    load_balancer: LoadBalancerQuota | None = None
    object_storage: ObjectStorageQuota | None = None


Counted = Literal["cores", "ram_mib", "gigabytes", "backup_gigabytes", "floating_ips"]


class Capacity(Strict):
    """What the cloud holds: cores, RAM in MiB, volumes and their backups in GiB, transit's floating IPs.

    ``overcommit`` says how many times each may be promised by quotas: 1 where it says nothing.
    """

    cores: int = Field(ge=1)
    ram_mib: int = Field(ge=512)
    gigabytes: int = Field(ge=0)
    backup_gigabytes: int = Field(ge=0)
    floating_ips: int = Field(ge=1)
    overcommit: dict[Counted, Annotated[float, Field(ge=1, le=16)]] = Field(default_factory=dict)


class Sovereignty(Strict):
    """Where data may be: the ``regions`` of the cloud that the metropolis has chosen."""

    regions: tuple[str, ...] = Field(min_length=1)


class TenantOfItsOwn(Strict):
    """The metropolis as a tenant: ``slug`` names it beside the communes, ``quota_class`` is its size.

    Communes of the classes in ``shared_by_default`` are served by its shared instances, unless they ask for their own.
    """

    slug: Slug
    quota_class: str
    shared_by_default: tuple[str, ...] = ()


@dataclass(frozen=True)
class Epci:
    """The metropolis as a tenant like the communes: its landing zone holds the instances that communes share."""

    code: str  # SIREN
    slug: str
    name: str
    siren: str
    population: Population
    quota_class: str

    @property
    def key(self) -> str:
        """Name of the tenant: ``246700488-eurometropole``."""
        return f"{self.code}-{self.slug}"


Tenant = Commune | Epci


class Metro(Strict):
    """What ``stacks/metro.yaml`` says."""

    name: str
    siren: str
    tenant: TenantOfItsOwn
    region: str
    sovereignty: Sovereignty
    availability_zone: str | None = None
    volume_type: str | None = None  # of Cinder; None: the cloud's own default
    zone: str
    timezone: str = "Europe/Paris"  # of the times that people read
    dns: Dns = Dns()
    acme: Acme = Acme()
    public: Public
    transit: Transit
    commune_network: CommuneNetwork
    image: Image
    flavors: tuple[Flavor, ...] = Field(min_length=1)
    flavor: MetroFlavors
    monitoring: Monitoring
    logs: Logs
    egress: Egress
    mail: Mail
    operator_quota: OperatorQuota
    quota_classes: dict[str, QuotaClass] = Field(min_length=1)
    capacity: Capacity

    @field_validator("zone")
    @classmethod
    def _zone(cls, value: str) -> str:
        if not value.endswith("."):
            raise ValueError(f"'{value}' is not a zone: it ends with a dot")
        return value

    @field_validator("timezone")
    @classmethod
    def _timezone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ValueError, OSError, ZoneInfoNotFoundError) as error:
            raise ValueError(f"'{value}' is not a time zone, such as Europe/Paris") from error
        return value

    @model_validator(mode="after")
    def _known_flavors(self) -> Metro:
        unknown = {self.flavor.bastion, self.flavor.edge, self.flavor.ops} - {f.name for f in self.flavors}
        if unknown:
            raise ValueError(f"flavor {', '.join(sorted(unknown))} is not in flavors")
        return self

    @model_validator(mode="after")
    def _known_classes(self) -> Metro:
        unknown = {self.tenant.quota_class, *self.tenant.shared_by_default} - set(self.quota_classes)
        if unknown:
            raise ValueError(f"class {', '.join(sorted(unknown))} is not in quota_classes")
        return self

    @property
    def guests(self) -> dict[str, str]:
        """The metropolis's own guests: names and addresses on transit."""
        named = {"bastion": self.transit.bastion, **self.transit.edge_names, "ops": self.transit.ops}
        return {name: str(address) for name, address in named.items()}

    @property
    def domain(self) -> str:
        """The zone without its last dot: ``agglo.localhost``."""
        return self.zone.rstrip(".")

    @property
    def challenges(self) -> str:
        """The zone of answers to ACME's challenges."""
        return f"acme.{self.zone}"

    def challenge_name(self, host: str) -> str:
        """Where the answer for ``host`` is written: ``portail.schiltigheim.acme.agglo.localhost.``."""
        return f"{host.removesuffix(self.domain).rstrip('.')}.{self.challenges}"

    def host(self, commune: Tenant, label: str) -> str:
        """Public host name of a commune's service: ``portail.schiltigheim.agglo.localhost``."""
        return f"{label}.{commune.slug}.{self.domain}"

    def quota_class(self, commune: Tenant) -> str:
        """Name of the smallest class that holds the commune's population, unless it has one of its own, as the
        metropolis has.
        """
        if isinstance(commune, Epci):
            return commune.quota_class
        return commune.quota_class.name if commune.quota_class else self.class_by_size(commune)

    def class_by_size(self, commune: Commune) -> str:
        """Name of the smallest class that holds the commune's population."""
        bounds = sorted((q.up_to or 10**9, name) for name, q in self.quota_classes.items())
        return next((name for bound, name in bounds if commune.population.count <= bound), bounds[-1][1])
