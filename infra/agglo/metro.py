"""The metropolis's own settings: ``stacks/metro.yaml``."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

from pydantic import Field, field_validator, model_validator

from agglo.commune import Commune, Strict


class Public(Strict):
    """The external network; ``bastion`` and ``edge`` are their floating IPs on it, ``dns`` the guests' resolver."""

    network: str
    bastion: IPv4Address
    edge: IPv4Address
    dns: IPv4Address


class Transit(Strict):
    """The private external network between metropolis and communes: a VLAN, so that sources cannot be forged."""

    cidr: IPv4Network
    physical_network: str
    vlan: int = Field(ge=1, le=4094)
    gateway: IPv4Address
    bastion: IPv4Address
    edge: IPv4Address

    @model_validator(mode="after")
    def _inside(self) -> Transit:
        outside = [str(a) for a in (self.gateway, self.bastion, self.edge) if a not in self.cidr]
        if outside:
            raise ValueError(f"{', '.join(outside)} outside of {self.cidr}")
        return self


class CommuneNetwork(Strict):
    """The network that every commune has for itself; the same range in each, behind its own router."""

    cidr: IPv4Network


class Image(Strict):
    """The guests' image in Glance and the user that cloud-init makes."""

    name: str
    user: str = "debian"


class Flavor(Strict):
    """A flavor, named as SCS-0100 says; RAM in MiB, disk in GiB."""

    name: str = Field(pattern=r"^SCS-\d+[CTVL]+-\d+(\.\d)?(-\d+)?$")
    vcpus: int = Field(ge=1)
    ram_mib: int = Field(ge=256)
    disk_gib: int = Field(ge=0)


class MetroFlavors(Strict):
    """Flavors of the metropolis's own guests."""

    bastion: str
    edge: str


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


class QuotaClass(Strict):
    """Quotas of a project by the commune's size: up to ``up_to`` inhabitants; None for the largest class."""

    up_to: int | None = Field(default=None, gt=0)
    compute: ComputeQuota
    network: NetworkQuota
    volume: VolumeQuota
    dns: DnsQuota


class Metro(Strict):
    """What ``stacks/metro.yaml`` says."""

    name: str
    siren: str
    region: str
    zone: str
    public: Public
    transit: Transit
    commune_network: CommuneNetwork
    image: Image
    flavors: tuple[Flavor, ...] = Field(min_length=1)
    flavor: MetroFlavors
    quota_classes: dict[str, QuotaClass] = Field(min_length=1)

    @field_validator("zone")
    @classmethod
    def _zone(cls, value: str) -> str:
        if not value.endswith("."):
            raise ValueError(f"'{value}' is not a zone: it ends with a dot")
        return value

    @model_validator(mode="after")
    def _known_flavors(self) -> Metro:
        unknown = {self.flavor.bastion, self.flavor.edge} - {f.name for f in self.flavors}
        if unknown:
            raise ValueError(f"flavor {', '.join(sorted(unknown))} is not in flavors")
        return self

    @property
    def domain(self) -> str:
        """The zone without its last dot: ``agglo.localhost``."""
        return self.zone.rstrip(".")

    def host(self, commune: Commune, label: str) -> str:
        """Public host name of a commune's service: ``portail.schiltigheim.agglo.localhost``."""
        return f"{label}.{commune.slug}.{self.domain}"

    def quota_class(self, commune: Commune) -> str:
        """Name of the smallest class that holds the commune's population."""
        bounds = sorted((q.up_to or 10**9, name) for name, q in self.quota_classes.items())
        return next((name for bound, name in bounds if commune.population.count <= bound), bounds[-1][1])
