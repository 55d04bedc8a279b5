"""The catalogue of datasets as JSON-LD: DCAT-AP for data portals, Schema.org for search engines.

Sources: DCAT-AP 3.0 (SEMIC); Schema.org, Dataset and DataCatalog.
"""

from collections.abc import Sequence
from enum import StrEnum

from medmip.catalogue.cdes_rules import Json
from medmip.catalogue.data_model import DataModel
from medmip.stewardship.card import Card

_RESTRICTED = "http://publications.europa.eu/resource/authority/access-right/RESTRICTED"
_HEALTH = "http://publications.europa.eu/resource/authority/data-theme/HEAL"
_COUNTRY = "http://publications.europa.eu/resource/authority/country/"
_DCAT: dict[str, Json] = {
    "dcat": "http://www.w3.org/ns/dcat#",
    "dct": "http://purl.org/dc/terms/",
    "foaf": "http://xmlns.com/foaf/0.1/",
    "vcard": "http://www.w3.org/2006/vcard/ns#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
}


class Vocabulary(StrEnum):
    """The words that a catalogue is written in."""

    DCAT = "dcat"
    SCHEMA_ORG = "schema.org"


def catalogue(
    cards: Sequence[Card], models: dict[str, DataModel], vocabulary: Vocabulary
) -> dict[str, Json]:
    """The catalogue of these datasets; only meta data, and nothing that the cards do not tell."""
    if vocabulary is Vocabulary.DCAT:
        return {
            "@context": _DCAT,
            "@id": "urn:mip:catalogue",
            "@type": "dcat:Catalog",
            "dct:title": "Datasets of the Medical Informatics Platform",
            "dct:description": "Datasets for analysis inside the hospital that holds them.",
            "dct:publisher": _agent(_publisher(cards)),
            "dcat:dataset": [_dcat(card) for card in cards],
        }
    return {
        "@context": "https://schema.org",
        "@type": "DataCatalog",
        "name": "Datasets of the Medical Informatics Platform",
        "dataset": [_schema_org(card, models.get(card.model)) for card in cards],
    }


def _dcat(card: Card) -> dict[str, Json]:
    about = card.description
    entry: dict[str, Json] = {
        "@id": _identity(card),
        "@type": "dcat:Dataset",
        "dct:identifier": _identity(card),
        "dct:title": card.title,
        "dct:description": about.description or f"{card.model_label}: {card.dataset}",
        "dcat:version": str(card.version),
        "dct:issued": {"@value": card.published, "@type": "xsd:dateTime"},
        "dct:accessRights": {"@id": _RESTRICTED},
        "dcat:theme": {"@id": _HEALTH},
        "dct:conformsTo": {"@id": f"urn:mip:model:{card.model}"},
        "dcat:keyword": [*about.keywords, card.model_label],
    }
    if about.publisher:
        entry["dct:publisher"] = _agent(about.publisher)
    if about.contact_name or about.contact_email:
        name = about.contact_name or about.publisher or about.contact_email
        contact: dict[str, Json] = {"@type": "vcard:Kind", "vcard:fn": name}
        if about.contact_email:
            contact["vcard:hasEmail"] = {"@id": f"mailto:{about.contact_email}"}
        entry["dcat:contactPoint"] = contact
    if about.source:
        entry["dct:provenance"] = _statement("ProvenanceStatement", about.source)
    rights = " ".join(filter(None, (about.consent, about.terms)))
    if rights:
        entry["dct:rights"] = _statement("RightsStatement", rights)
    if about.license:
        entry["dct:license"] = about.license
    if about.country:
        entry["dct:spatial"] = {"@id": _COUNTRY + about.country}
    return entry


def _schema_org(card: Card, model: DataModel | None) -> dict[str, Json]:
    about = card.description
    known = {} if model is None else model.all_variables
    entry: dict[str, Json] = {
        "@type": "Dataset",
        "@id": _identity(card),
        "identifier": _identity(card),
        "name": card.title,
        "description": about.description or f"{card.model_label}: {card.dataset}",
        "version": str(card.version),
        "datePublished": card.published,
        "isAccessibleForFree": False,
        "conditionsOfAccess": about.terms or "Analysis inside the hospital that holds the data.",
        "keywords": [*about.keywords, card.model_label],
        "variableMeasured": [
            {
                "@type": "PropertyValue",
                "name": known[name].label,
                "propertyID": name,
                "unitText": known[name].units,
                "description": known[name].description,
            }
            for name in card.variables
            if name in known
        ],
    }
    if about.publisher:
        entry["publisher"] = {"@type": "Organization", "name": about.publisher}
    if about.contact_email or about.contact_name:
        entry["creator"] = {
            "@type": "Organization",
            "name": about.contact_name or about.publisher or about.contact_email,
            "email": about.contact_email,
        }
    if about.license:
        entry["license"] = about.license
    if about.country:
        entry["spatialCoverage"] = about.country
    return entry


def _publisher(cards: Sequence[Card]) -> str:
    """Whoever publishes all of them; DCAT-AP wants a name."""
    named = {card.description.publisher for card in cards} - {""}
    return named.pop() if len(named) == 1 else "The hospital that holds the datasets"


def _agent(name: str) -> dict[str, Json]:
    return {"@type": "foaf:Agent", "foaf:name": name}


def _statement(kind: str, text: str) -> dict[str, Json]:
    return {"@type": f"dct:{kind}", "dct:description": text}


def _identity(card: Card) -> str:
    return f"urn:mip:dataset:{card.model}:{card.dataset}"
