"""`mip data`: cards, the catalogue, what changed, what is kept, who is behind a pseudonym."""

import json
from datetime import UTC, datetime
from getpass import getuser
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from medmip.cli.options import HomeOption, JsonOption, opened

if TYPE_CHECKING:
    from medmip.catalogue.home import Home
    from medmip.privacy.ledger import Ledger
    from medmip.stewardship.card import Card

_Key = Annotated[str, typer.Argument(metavar="MODEL", help="The data model: code:version.")]
_Code = Annotated[str, typer.Argument(metavar="DATASET", help="The dataset's code.")]
_Reason = Annotated[str, typer.Option(help="Why, in words; it is written in the ledger.")]


def card(key: _Key, code: _Code, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Show a dataset's card: what it is, who may use it, what was done to it."""
    from medmip.catalogue.model_store import ModelStore
    from medmip.stewardship.card import card as card_of
    from medmip.store.placed import Holdings

    place = opened(home)
    made = card_of(place, ModelStore(place).get(key), Holdings(place).current(key, code))
    if as_json:
        typer.echo(made.model_dump_json(indent=2))
    else:
        _print_card(made)


def policy(key: _Key, code: _Code, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Show the policy in force for a dataset, and the file that says so."""
    from medmip.stewardship.policy import DatasetPolicy, stated_policy

    place = opened(home)
    stated = stated_policy(place, key, code)
    if not as_json:
        own, every = place.dataset_policy(key, code), place.policies / "default.toml"
        said = [file for file in (own, every) if file.exists()]
        typer.echo(f"From {said[0]}" if said else f"Built in; to change it, write {own}")
    typer.echo((stated or DatasetPolicy()).model_dump_json(indent=2))


def catalogue(
    format_: Annotated[
        Literal["dcat", "schema.org"],
        typer.Option("--format", help="DCAT-AP, or Schema.org; both as JSON-LD."),
    ] = "dcat",
    home: HomeOption = None,
) -> None:
    """Print the catalogue of the published datasets as linked data; no values, no patients."""
    from medmip.catalogue.model_store import ModelStore
    from medmip.stewardship.card import card as card_of
    from medmip.stewardship.linked_data import Vocabulary
    from medmip.stewardship.linked_data import catalogue as catalogue_of
    from medmip.store.snapshots import Datasets

    place = opened(home)
    models = {model.key: model for model in ModelStore(place).list()}
    cards = [
        card_of(place, models[snapshot.model], snapshot) for snapshot in Datasets(place).list()
    ]
    made = catalogue_of(cards, models, Vocabulary(format_))
    typer.echo(json.dumps(made, indent=2, ensure_ascii=False))


def diff(
    key: _Key,
    code: _Code,
    before: Annotated[int, typer.Argument(metavar="V1", min=1, help="The earlier version.")],
    after: Annotated[int, typer.Argument(metavar="V2", min=1, help="The later version.")],
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell what changed between two versions; small numbers are withheld."""
    from medmip.catalogue.model_store import ModelStore
    from medmip.ingest.versions import difference

    place = opened(home)
    found = difference(place, ModelStore(place).get(key), code, before, after)
    if as_json:
        typer.echo(found.model_dump_json(indent=2))
        return
    for what, count in (("added", found.added), ("changed", found.changed), ("gone", found.gone)):
        typer.echo(f"Records {what}: {'not comparable' if count is None else count}")
    for what, names in (("New", found.new_variables), ("Gone", found.gone_variables)):
        if names:
            typer.echo(f"{what} variables: {', '.join(names)}")
    for moved in found.moved[:20]:
        mean = "" if moved.moved is None else f", mean moved by {moved.moved:+.2f} sd"
        typer.echo(f"  {moved.code}: PSI {moved.psi:.3f}{mean}")


def retain(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only tell what would be removed.")
    ] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Remove the former versions that the datasets' policies keep no longer."""
    from medmip.stewardship.retention import outdated, remove_outdated

    place, now = opened(home), datetime.now(UTC)
    done = (
        outdated(place, now) if dry_run else remove_outdated(place, _ledger(place), getuser(), now)
    )
    rows = [
        {
            "model": each.current.model,
            "dataset": each.current.dataset,
            "versions": [version.version for version in each.versions],
        }
        for each in done
    ]
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    verb = "would go" if dry_run else "removed"
    for row in rows:
        typer.echo(f"{row['model']} {row['dataset']}: versions {row['versions']} {verb}")
    if not rows:
        typer.echo("Nothing is older than the policies keep.")


def reidentify(
    key: _Key,
    code: _Code,
    pseudonyms: Annotated[list[str], typer.Argument(metavar="PSEUDONYM…")],
    reason: _Reason,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell the hospital's own codes of patients; for the key's holder, with a row in the ledger."""
    from medmip.privacy.guard import Access
    from medmip.privacy.site_key import site_key
    from medmip.stewardship.patients import KEY, codes_of
    from medmip.stewardship.policy import DatasetPolicy, stated_policy
    from medmip.store.snapshots import Datasets

    place = opened(home)
    snapshot = Datasets(place).current(key, code)
    stated = stated_policy(place, key, code) or DatasetPolicy()
    allowed = stated.anonymisation.reidentification
    _ledger(place).record(
        Access(
            user=getuser(), experiment="", algorithm="", snapshots={snapshot.dataset: snapshot.hash}
        ),
        statistic="reidentify",
        verdict="released" if allowed else "refused",
        rule="" if allowed else "reidentification",
        reason=f"{len(pseudonyms)} pseudonyms of {key} {code}: {reason}",
        suppressed=0,
    )
    if not allowed:
        from medmip.privacy.guard import Refused

        raise Refused(
            f"The policy of {key} {code} lets nobody go back to its patients",
            rule="reidentification",
            remedy="Ask whoever answers for the dataset.",
        )
    found = codes_of(place, site_key(place, KEY), key, code, pseudonyms)
    if as_json:
        typer.echo(json.dumps(found, indent=2, ensure_ascii=False))
    else:
        for pseudonym in pseudonyms:
            typer.echo(f"{pseudonym}  {found.get(pseudonym, 'not known')}")
    if len(found) < len({*pseudonyms}):
        raise typer.Exit(1)


def _ledger(home: "Home") -> "Ledger":
    from medmip.privacy.ledger import Ledger
    from medmip.privacy.ledger_head import LedgerHead
    from medmip.store.state import open_state

    return Ledger(open_state(home), LedgerHead(home))


def _print_card(made: "Card") -> None:
    about = made.description
    rows = {
        "": f"{made.title} ({made.model} {made.dataset}, version {made.version})",
        "About": about.description,
        "Patients": f"{made.patients:,}, {made.records:,} records, {len(made.variables)} variables",
        "Source": about.source,
        "Consent": about.consent,
        "Terms": about.terms,
        "Contact": " ".join(filter(None, (about.contact_name, about.contact_email))),
        "Access": ", ".join((*made.access.roles, *made.access.users)),
        "Published": made.published,
    }
    for name, value in rows.items():
        if value:
            typer.echo(f"{name:<10} {value}".strip())
    typer.echo("What was done:")
    for sentence in made.sentences():
        typer.echo(f"  - {sentence}")
