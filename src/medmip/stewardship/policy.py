"""What a site says of one dataset: where it comes from, who may use it, what is done to it."""

import tomllib
from collections.abc import Mapping
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from medmip.anonymise.settings import Anonymisation
from medmip.catalogue.home import Home
from medmip.errors import FieldProblem, MipError
from medmip.quality.thresholds import Thresholds


class DatasetPolicyError(MipError):
    """A dataset's policy cannot be used; nothing is published under it."""

    title: ClassVar[str] = "The dataset's policy cannot be read"
    status: ClassVar[int] = 422


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Description(_Part):
    """What the dataset's card tells; contact is whom to ask, publisher who answers for it."""

    title: str = ""
    description: str = ""
    source: str = ""
    consent: str = ""
    contact_name: str = ""
    contact_email: str = Field("", pattern=r"^([^@\s]+@[^@\s]+)?$")
    publisher: str = ""
    terms: str = ""
    license: str = ""
    keywords: tuple[str, ...] = ()
    country: str = Field("", pattern=r"^([A-Z]{3})?$", description="ISO 3166-1, three letters")


class Access(_Part):
    """Who may analyse the dataset: everybody with one of the roles, and the users named."""

    roles: tuple[str, ...] = ("researcher",)
    users: tuple[str, ...] = ()


class Retention(_Part):
    """How long former versions are kept; the current one always is."""

    versions: int | None = Field(None, ge=1)
    days: int | None = Field(None, ge=1)


class Publication(_Part):
    """How versions come to be published, from the inbox and from the hospital's databases.

    automatic publishes a clean file without a click: harmonized_clinical_data.csv, and one that
    was published from the inbox before and has changed. in_place leaves the records of a database
    there, where analyses read them.
    """

    automatic: bool = False
    in_place: bool = False


class DatasetPolicy(_Part):
    """Everything that `policies/<model>/<dataset>.toml` may say; what it leaves out is strict."""

    description: Description = Description()
    access: Access = Access()
    publication: Publication = Publication()
    retention: Retention = Retention()
    quality: Thresholds = Thresholds()
    anonymisation: Anonymisation = Anonymisation()


def stated_policy(home: Home, model: str, dataset: str | None) -> DatasetPolicy | None:
    """The policy in the dataset's own file, else in `policies/default.toml`; None without either.

    model is a key; dataset is None where a file may hold several. Raises DatasetPolicyError,
    naming the fields.
    """
    files = [home.policies / "default.toml"]
    if dataset is not None:
        files.insert(0, home.dataset_policy(model, dataset))
    for path in files:
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            continue
        except (OSError, UnicodeDecodeError):
            raise DatasetPolicyError(
                "It cannot be read.",
                where=str(path),
                remedy="Save it as UTF-8, readable by the account that runs MIP.",
            ) from None
        return parsed(text, str(path))
    return None


def parsed(text: str, where: str) -> DatasetPolicy:
    """The policy in the text of a file; raises DatasetPolicyError."""
    try:
        stated: Mapping[str, object] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise DatasetPolicyError(f"It is not TOML: {error}.", where=where) from None
    try:
        return DatasetPolicy.model_validate(stated)
    except ValidationError as error:
        fields = tuple(
            FieldProblem(".".join(map(str, part["loc"])), part["msg"]) for part in error.errors()
        )
        raise DatasetPolicyError(
            "It says what a policy cannot say.",
            where=where,
            remedy="The fields are listed in the manual for data managers.",
            fields=fields,
        ) from None
