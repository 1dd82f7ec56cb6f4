"""The register of processing of personal data (GDPR, article 30), from what is installed."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from agglo.manifest import LegalBasis, Processing
from agglo.metro import Epci, Tenant
from agglo.project import Project
from agglo.records import Record
from agglo.request import Request, Role
from agglo.stack import StackId, instance_id
from agglo.words import Lang, Words

_BASES: Mapping[LegalBasis, Words] = {
    "consent": Words("consent (art. 6-1-a)", "consentement (art. 6-1-a)"),
    "contract": Words("contract (art. 6-1-b)", "contrat (art. 6-1-b)"),
    "legal_obligation": Words("legal obligation (art. 6-1-c)", "obligation légale (art. 6-1-c)"),
    "vital_interests": Words("vital interests (art. 6-1-d)", "sauvegarde des intérêts vitaux (art. 6-1-d)"),
    "public_task": Words("public task (art. 6-1-e)", "mission d’intérêt public (art. 6-1-e)"),
    "legitimate_interests": Words("legitimate interests (art. 6-1-f)", "intérêts légitimes (art. 6-1-f)"),
}


@dataclass(frozen=True)
class Line:
    """One service that is installed: what it processes, or why it processes nothing; ``since`` its first record."""

    service: str
    version: str
    shared: bool
    since: datetime.date | None
    processing: tuple[Processing, ...]
    none: str


@dataclass(frozen=True)
class Register:
    """A tenant's register: who is responsible, who processes on its behalf, and one line per installed service."""

    controller: Tenant
    processor: Epci
    dpo: str
    lines: tuple[Line, ...]


def make_register(project: Project, tenant: Tenant, records: Mapping[StackId, Record], lang: Lang) -> Register:
    """What ``tenant`` has installed: applied and recorded, in the version that is there now."""
    mine = [r for r in project.requests.values() if r.tenant == tenant and r.role is not Role.SHARED]
    lines = [line for r in mine if (line := _line(project, r, records, lang))]
    return Register(tenant, project.epci, _dpo(project, mine), tuple(lines))


def installed(request: Request, records: Mapping[StackId, Record], host: Request | None) -> str | None:
    """The version that citizens meet now; None when the service is not there yet."""
    record = records.get(instance_id(request))
    if record is None or record.engine is None:
        return None
    if request.role is not Role.MEMBER:
        return record.configured
    there = records.get(instance_id(host)) if host else None
    return there.configured if there else None


def _line(project: Project, request: Request, records: Mapping[StackId, Record], lang: Lang) -> Line | None:
    version = installed(request, records, project.shared_instance(request.service))
    if version is None:
        return None
    personal = project.catalog.release(request.service, version).manifest.personal_data
    record = records[instance_id(request)]
    since = record.engine.at.date() if record.engine else None
    why = personal.why.say(lang) if personal.why else ""
    return Line(request.service, version, request.role is Role.MEMBER, since, personal.processing, why)


def _dpo(project: Project, requests: Iterable[Request]) -> str:
    """The data protection officer's address, where a service's values give one."""
    for request in requests:
        value = project.values(request).get(("legal", "dpo_email"))
        if value and isinstance(value.value, str):
            return value.value
    return ""


def as_markdown(register: Register, lang: Lang, today: datetime.date) -> str:
    """The register as a document for people, after the model of the CNIL."""
    return "\n".join(_document(register, lang, today)) + "\n"


def _document(register: Register, lang: Lang, today: datetime.date) -> Iterable[str]:
    french = lang == "fr"
    name, host = register.controller, register.processor
    commune = name.name if isinstance(name, Epci) else f"Commune : {name.name}" if french else f"Commune: {name.name}"
    yield "# Registre des activités de traitement" if french else "# Register of processing activities"
    yield ""
    yield (
        f"Article 30 du règlement (UE) 2016/679 (RGPD) – établi le {today:%d/%m/%Y} d’après les services installés."
        if french
        else f"Article 30 of regulation (EU) 2016/679 (GDPR) – made on {today} from the services that are installed."
    )
    yield ""
    yield f"- {'Responsable de traitement' if french else 'Controller'} : {commune}, SIREN {name.siren}"
    yield f"- {'Sous-traitant' if french else 'Processor'} (art. 28) : {host.name}, SIREN {host.siren}"
    unknown = "à compléter (valeur legal.dpo_email)" if french else "to be completed (value legal.dpo_email)"
    dpo = register.dpo or unknown
    yield f"- {'Délégué à la protection des données' if french else 'Data protection officer'} : {dpo}"
    if not register.lines:
        yield ""
        yield "Aucun service n’est installé." if french else "No service is installed."
    for line in register.lines:
        yield from _service(line, lang)


def _service(line: Line, lang: Lang) -> Iterable[str]:
    french = lang == "fr"
    place = ("instance partagée" if french else "shared instance") if line.shared else (
        "instance dédiée" if french else "instance of its own"
    )  # fmt: skip
    since = f"{line.since:%d/%m/%Y}" if line.since and french else str(line.since or "")
    yield ""
    yield f"## {line.service} {line.version}"
    yield ""
    yield f"{place.capitalize()}, {'depuis le' if french else 'since'} {since}."
    if line.none:
        yield ""
        nothing = "Aucun traitement de données personnelles" if french else "No personal data is processed"
        yield f"{nothing} : {line.none}."
    for processing in line.processing:
        yield ""
        yield f"### {processing.name.say(lang)}"
        yield ""
        yield "| | |"
        yield "|---|---|"
        for head, text in _rows(processing, lang):
            yield f"| {head} | {text.replace('|', '/')} |"


def _rows(processing: Processing, lang: Lang) -> Sequence[tuple[str, str]]:
    def several(texts: Iterable[object]) -> str:
        return " ; ".join(getattr(text, lang) for text in texts)

    none = "aucun" if lang == "fr" else "none"
    heads = {
        "fr": ("Finalité", "Base légale", "Personnes concernées", "Catégories de données", "Destinataires",
               "Transferts hors de l’Union européenne", "Durée de conservation", "Mesures de sécurité"),
        "en": ("Purpose", "Legal basis", "People concerned", "Categories of data", "Recipients",
               "Transfers outside of the European Union", "Retention", "Security measures"),
    }[lang]  # fmt: skip
    texts = (
        processing.purpose.say(lang),
        _BASES[processing.legal_basis].say(lang),
        several(processing.people),
        several(processing.categories),
        several(processing.recipients),
        processing.transfers.say(lang) if processing.transfers else none,
        processing.retention.say(lang),
        several(processing.security) or none,
    )
    return list(zip(heads, texts, strict=True))
