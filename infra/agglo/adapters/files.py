"""Read the project's files: stacks and catalogue. All problems are found before any is reported."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from agglo import review
from agglo.adapters.catalog_files import folders, load_catalog
from agglo.adapters.models import read_model
from agglo.commune import Commune, clashes
from agglo.errors import InvalidInput, Problem, UsageError
from agglo.exemptions import Exemption, Exemptions
from agglo.metro import Metro, Tenant
from agglo.policies import POLICIES
from agglo.project import Defaults, Group, Project, SharedValues
from agglo.request import Request, RequestFile, Source
from agglo.selector import in_order, named
from agglo.words import Words
from agglo.wrong import nearest, nearest_fr


@dataclass
class Reading:
    """What the files hold, and everything that is wrong with them.

    ``files`` are problems of files that all stand on; ``requests`` those of one request each, by instance name (an
    unreadable request has its file's name). ``project`` has every request that could be read and is not refused.
    """

    project: Project | None = None
    files: list[Problem] = field(default_factory=list)
    requests: dict[str, list[Problem]] = field(default_factory=dict)
    refused: dict[str, Request] = field(default_factory=dict)

    @property
    def problems(self) -> list[Problem]:
        """All of them."""
        return [*self.files, *(problem for found in self.requests.values() for problem in found)]


def find_root(start: Path, given: str | None = None) -> Path:
    """The project's folder: ``given``, else the first folder from ``start`` upwards that holds ``stacks/metro.yaml``.

    Raises UsageError when there is none.
    """
    places = [Path(given).resolve()] if given else [start.resolve(), *start.resolve().parents]
    for place in places:
        if (place / "stacks" / "metro.yaml").is_file():
            return place
    raise UsageError(
        f"no stacks/metro.yaml in {places[0]}" + ("" if given else " or above"), hint="agglo --root FOLDER …"
    )


def load_project(root: Path) -> Project:
    """Read and check everything below ``root``. Raises InvalidInput with all problems of all files."""
    reading = read_project(root)
    if reading.problems:
        raise InvalidInput(reading.problems, hint=_hint(reading))
    return sound(reading)


def sound(reading: Reading, selector: str | None = None) -> Project:
    """The project without the requests that something is wrong with: one commune's mistake does not stop the others.

    With ``selector``, what it means has to be right, with everything that stands on it. Raises InvalidInput.
    """
    if reading.project is None or reading.files:
        raise InvalidInput(reading.files, hint=_hint(reading))
    good = {name: r for name, r in reading.project.requests.items() if name not in reading.requests}
    project = reading.project.with_requests(good)
    held = [name for name in reading.requests if selector and _concerns(reading, project, selector, name)]
    if held:
        raise InvalidInput([problem for name in held for problem in reading.requests[name]], hint=_hint(reading))
    return project


def _concerns(reading: Reading, project: Project, selector: str, name: str) -> bool:
    """True when a request that is wrong is among what ``selector`` means, or would be served by it."""
    tenant, _, service = name.partition("/")
    wanted, _, wanted_service = selector.partition("/")
    if selector == "all" or (wanted == "*" and wanted_service in ("*", service)):
        return True
    if selector == "metro" or wanted == "*":
        return False
    chosen = project.tenant(wanted)
    if chosen.key == tenant:
        return wanted_service in ("", "*", service)
    host = project.shared_instance(service)
    touched = {r.instance for r in in_order(project, named(project, selector))} if host else set()
    return bool(host and host.instance in touched)


def _hint(reading: Reading) -> str:
    return "mend these lines and run the same command again" if reading.files else "agglo request check"


def read_project(root: Path) -> Reading:
    """Read and check everything below ``root``, however much of it is wrong."""
    reading = Reading()
    metro = read_model(root / "stacks" / "metro.yaml", root, Metro, reading.files)
    defaults = _defaults(root, reading.files)
    catalog = load_catalog(root, reading.files)
    communes, values = _communes(root, metro[0] if metro else None, reading.files)
    groups = _groups(root, {commune.slug for commune in communes.values()}, reading.files)
    if metro is None:
        return reading
    project = Project(root, metro[0], communes, {}, (*defaults, *groups), values, catalog)
    project = replace(project, exemptions=_exemptions(project, reading.files))
    asked = review.settle(project.metro, {r.instance: r for r in _all_requests(project, reading)})
    reading.refused = {name: r for name, r in asked.items() if r.asked.refused}
    reading.project = project.with_requests({name: r for name, r in asked.items() if name not in reading.refused})
    for name, request in reading.project.requests.items():
        if found := review.problems(reading.project, request):
            reading.requests.setdefault(name, []).extend(found)
    _hold_what_stands_on(reading.project, reading.requests)
    return reading


def _hold_what_stands_on(project: Project, wrong: dict[str, list[Problem]]) -> None:
    """A request whose shared instance, or a service that it needs, is wrong cannot be granted either."""
    while True:
        more = {
            name: [review.stands_on(request, held[0])]
            for name, request in project.requests.items()
            if name not in wrong and (held := [f.instance for f in project.foundations(request) if f.instance in wrong])
        }
        if not more:
            return
        wrong.update(more)


def _all_requests(project: Project, reading: Reading) -> Iterator[Request]:
    """Requests of the communes and of the metropolis; those that cannot be read are told in ``reading``."""
    places: Mapping[str, Tenant] = {f"communes/{c.key}": c for c in project.communes.values()} | {"metro": project.epci}
    for place, tenant in places.items():
        for path in sorted((project.root / "stacks" / place).glob("*.y*ml")):
            if path.name == "commune.yaml":
                continue
            problems: list[Problem] = []
            loaded = read_model(path, project.root, RequestFile, problems)
            if loaded and loaded[0].service != path.stem:
                problems.append(_misnamed(loaded[1].problem, loaded[0].service, path.name))
            if problems:
                reading.requests[f"{tenant.key}/{path.stem}"] = problems
            elif loaded:
                yield Request(tenant, *loaded)


def _misnamed(problem: Callable[..., Problem], service: str, name: str) -> Problem:
    return problem(
        ("service",),
        Words(
            f"the file asks for '{service}' but is named {name}",
            f"le fichier demande « {service} » mais se nomme {name}",
        ),
    )


def _defaults(root: Path, problems: list[Problem]) -> tuple[SharedValues, ...]:
    path = root / "stacks" / "defaults.yaml"
    if not path.is_file():
        return ()
    loaded = read_model(path, root, Defaults, problems)
    return (SharedValues("defaults", loaded[1], loaded[0].values),) if loaded else ()


def _groups(root: Path, slugs: set[str], problems: list[Problem]) -> list[SharedValues]:
    groups = []
    for path in sorted((root / "stacks" / "groups").glob("*.y*ml")):
        loaded = read_model(path, root, Group, problems)
        if loaded is None:
            continue
        group, source = loaded
        for slug in sorted(set(group.members) - slugs):
            words = Words(
                f"there is no commune '{slug}'{nearest(slug, slugs)}",
                f"il n’y a pas de commune « {slug} »{nearest_fr(slug, slugs)}",
            )
            problems.append(source.problem(("members",), words))
        groups.append(SharedValues(f"group {path.stem}", source, group.values, group.members))
    return groups


def _exemptions(project: Project, problems: list[Problem]) -> dict[str, Exemption]:
    """By the file and line that give them."""
    path = project.root / "stacks" / "exemptions.yaml"
    loaded = read_model(path, project.root, Exemptions, problems) if path.exists() else None
    if loaded is None:
        return {}
    (found, source), given, known = loaded, {}, [policy.id for policy in POLICIES]
    for number, exemption in enumerate(found.exemptions):
        key = ("exemptions", str(number))
        if exemption.policy not in known:
            problems.append(
                source.problem(
                    (*key, "policy"),
                    Words(
                        f"there is no policy '{exemption.policy}'{nearest(exemption.policy, known)}",
                        f"il n’y a pas de politique « {exemption.policy} »{nearest_fr(exemption.policy, known)}",
                    ),
                    Words("see: agglo policy list", "voir : agglo policy list"),
                )
            )
        if words := _nowhere(project, exemption.where):
            problems.append(source.problem((*key, "where"), words))
        given[f"{source.name}:{source.lines[key]}"] = exemption
    return given


def _nowhere(project: Project, where: str) -> Words | None:
    """What is wrong with the place that an exemption names."""
    tenant, slash, service = where.partition("/")
    tenants = [name for t in project.tenants for name in (t.slug, t.code, t.key)]
    if where == "metro" or (tenant in tenants and not slash):
        return None
    if not (tenant in tenants or (tenant == "*" and slash)):
        return Words(
            f"'{where}' is none of metro, a commune, <commune>/<service>, */<service>{nearest(tenant, tenants)}",
            f"« {where} » n’est ni metro, ni une commune, ni <commune>/<service>, ni */<service>"
            f"{nearest_fr(tenant, tenants)}",
        )
    if service not in project.catalog.releases:
        services = list(project.catalog.releases)
        return Words(
            f"there is no service '{service}' in the catalogue{nearest(service, services)}",
            f"il n’y a pas de service « {service} » au catalogue{nearest_fr(service, services)}",
        )
    return None


def _communes(
    root: Path, metro: Metro | None, problems: list[Problem]
) -> tuple[dict[str, Commune], dict[str, SharedValues]]:
    communes: dict[str, Commune] = {}
    values: dict[str, SharedValues] = {}
    for folder in folders(root / "stacks" / "communes"):
        path = folder / "commune.yaml"
        if not path.is_file():
            problems.append(Problem(folder, Words("there is no commune.yaml in it")))
            continue
        loaded = read_model(path, root, Commune, problems)
        if loaded is None:
            continue
        commune, source = loaded
        if commune.key != folder.name:
            problems.append(
                source.problem(("insee",), Words(f"the folder is {folder.name}, but the file says {commune.key}"))
            )
            continue
        wrong = commune_problems(commune.model_dump(), source, metro, communes.values())
        problems += wrong
        if not wrong:
            communes[commune.insee] = commune
            values[commune.insee] = SharedValues("commune", source, commune.values)
    return communes, values


def commune_problems(
    commune: Mapping[str, object], source: Source, metro: Metro | None, others: Iterable[Commune]
) -> list[Problem]:
    """What is wrong with a commune beside the others and the metropolis, however much of it is known."""
    known = [(other.name, {"insee": other.insee, "siren": other.siren, "slug": other.slug}) for other in others]
    if metro:
        known.append((metro.name, {"siren": metro.siren, "slug": metro.tenant.slug}))
    found = [source.problem((key,), words) for key, words in clashes(commune, known)]
    own = commune.get("quota_class")
    name = str(own["name"]) if isinstance(own, dict) else ""
    if metro and name and name not in metro.quota_classes:
        classes = metro.quota_classes
        words = Words(
            f"'{name}' is not one of {', '.join(classes)}{nearest(name, classes)}",
            f"« {name} » n’est pas l’une des classes {', '.join(classes)}{nearest_fr(name, classes)}",
        )
        found.append(source.problem(("quota_class", "class"), words))
    return found
