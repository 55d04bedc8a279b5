"""`mip deploy configure` and what follows: a server from its answers."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medmip.errors import MipError

if TYPE_CHECKING:
    from medmip.deploy.installation import Installation

FolderOption = Annotated[
    Path, typer.Option("--folder", help="The configuration folder of the installation.")
]
FOLDER = Path("/etc/mip/installation")


def configure(
    answers: Annotated[
        Path | None, typer.Option(help="A TOML file of answers; else they are asked for.")
    ] = None,
    folder: FolderOption = FOLDER,
) -> None:
    """Take the answers of an installation, check them all, make the secrets that are missing.

    Run it again to change an answer: no secret that is there is made anew.
    """
    text = _asked() if answers is None else _read(answers)
    installation = installation_at(folder)
    where = "the answers" if answers is None else answers.name
    for done in installation.configure(text, where):
        typer.echo(done)
    typer.echo("Next: mip deploy setup --plan", err=True)


def setup(
    plan: Annotated[
        bool, typer.Option("--plan", help="Tell what would change, and change nothing.")
    ] = False,
    folder: FolderOption = FOLDER,
) -> None:
    """Make the server what its configuration says; a second run changes nothing."""
    from medmip.deploy.setup import set_up

    done = set_up(installation_at(folder), typer.echo, plan=plan)
    word = "would be changed" if plan else "changed"
    typer.echo(f"{done.looked_at} steps looked at, {done.changed} {word}")


def installation_at(folder: Path) -> "Installation":
    """The installation whose configuration is in this folder."""
    from medmip.deploy.installation import Installation

    return Installation(folder.expanduser().absolute())


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise MipError(
            f"The answers cannot be read: {type(error).__name__}", where=str(path)
        ) from None


def _asked() -> str:
    """The answers that somebody gives at the terminal, as TOML."""
    import tomlkit

    from medmip.deploy.blocks.declaration import BlockName
    from medmip.deploy.blocks.registry import BLOCKS

    given: dict[str, object] = {
        "name": typer.prompt("The name that people will type, such as mip.hospital.example"),
    }
    typer.echo("Building blocks:")
    for block in BLOCKS:
        if block.name is BlockName.CERTIFICATE_RENEWAL:
            continue  # a question of its own, below
        typer.echo(f"  {block.name}: {block.what}")
    usual = "hospital-database reference web-analytics"
    blocks = typer.prompt("Which blocks, with blanks between", default=usual).split()
    given["blocks"] = blocks
    typer.echo("Backups and secrets are encrypted to public keys (age1… or ssh-ed25519 …).")
    typer.echo("`mip deploy keys --out FILE`, on another machine, makes one.")
    recipients = [typer.prompt("A public key")]
    while more := typer.prompt("A further public key, or nothing", default="", show_default=False):
        recipients.append(more)
    given["recipients"] = recipients
    given["server"] = {
        "host": typer.prompt("The server: localhost, or a host", default="localhost")
    }
    given["who"] = {
        "maintainers": typer.prompt(
            "Networks that maintain the server over SSH, such as 10.1.2.0/24"
        ).split(),
        "people": typer.prompt(
            "Networks that may use the portal", default="0.0.0.0/0 ::/0"
        ).split(),
    }
    if typer.confirm("Does the hospital give a certificate for that name?", default=False):
        given["certificate"] = {
            "kind": "files",
            "chain": typer.prompt("The file of the certificate and its chain, PEM"),
            "key": typer.prompt("The file of its private key, PEM"),
        }
    elif typer.confirm("Is it to come by ACME, as of Let's Encrypt?", default=False):
        given["certificate"] = _asked_authority()
    given["login"] = _asked_login()
    if notices := _asked_notices():
        given["notices"] = notices
    if BlockName.FEDERATION_HUB in blocks:
        given["federation"] = {"name": typer.prompt("The federation's name")}
    return tomlkit.dumps(given)


def _asked_notices() -> dict[str, object]:
    """Whom to tell of failures and of what is done; nobody where nothing is answered."""
    if not typer.confirm("Are people to be told of failures by e-mail or webhook?", default=False):
        return {}
    told: dict[str, object] = {"language": typer.prompt("In en, de or fr", default="en")}
    if host := typer.prompt("The mail server, or nothing", default="", show_default=False):
        email: dict[str, object] = {
            "host": host,
            "security": typer.prompt("starttls, tls, or none on this machine", default="starttls"),
            "sender": typer.prompt("The address that notices come from"),
            "to": typer.prompt("Addresses that they go to, with blanks between").split(),
        }
        if user := typer.prompt("The user there, or nothing", default="", show_default=False):
            email |= {"user": user, "secret_file": typer.prompt("The file of its password")}
        told["email"] = email
    if url := typer.prompt("A webhook's URL, or nothing", default="", show_default=False):
        key = typer.prompt("The file of its signing key (openssl rand -base64 32)")
        told["webhook"] = {"url": url, "secret_file": key}
    if slack := typer.prompt(
        "The file of a Slack webhook's URL, or nothing", default="", show_default=False
    ):
        told["slack"] = {"secret_file": slack}
    return told


def _asked_authority() -> dict[str, object]:
    """Which authority signs by ACME; it comes by port 80, which is opened for it."""
    from medmip.deploy.answers import EVERYBODY

    told: dict[str, object] = {
        "kind": "acme",
        "directory": typer.prompt("The address of its directory", default=EVERYBODY),
        "terms_agreed": typer.confirm("Do you agree to the terms of that authority?"),
    }
    for name, question in {
        "contact": "An e-mail address that it may write to, or nothing",
        "authorities": "The file of its own certificates, PEM, or nothing where all know it",
        "account": "The identifier of an account that it gave, or nothing",
    }.items():
        if given := typer.prompt(question, default="", show_default=False):
            told[name] = given
    if "account" in told:
        told["account_key_file"] = typer.prompt("The file of that account's key")
    return told


def _asked_login() -> dict[str, object]:
    if not typer.confirm("Do people log in by an OpenID provider?", default=False):
        return {"kind": "local"}
    oidc = {
        "issuer": typer.prompt("The provider's address (issuer)"),
        "client_id": typer.prompt("The client's name there"),
    }
    if secret := typer.prompt(
        "The file that holds the client's secret, or nothing", default="", show_default=False
    ):
        oidc["client_secret_file"] = secret
    return {"kind": "oidc", "oidc": oidc}
