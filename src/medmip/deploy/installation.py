"""The configuration folder: the answers, secrets as files of age, certificates; nothing else."""

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from medmip.catalogue.atomic_file import alone, write_atomically
from medmip.deploy import machine, portal_certificate
from medmip.deploy.answers import Answers, parsed, read
from medmip.deploy.blocks.declaration import BlockName
from medmip.deploy.blocks.registry import (
    ACCOUNT_KEY,
    AUTHORITY_KEY,
    DATABASE_AUTHORITY_KEY,
    NOTICES,
    OIDC,
    PORTAL_KEY,
    REPORT_KEY,
)
from medmip.deploy.database_trust import DatabaseTrust
from medmip.deploy.errors import DeployError
from medmip.deploy.placement import of_node, placements
from medmip.deploy.server_files import used_secrets
from medmip.deploy.vault import IDENTITY, Vault
from medmip.federation.identity import Identity, PublicIdentity

_README = """\
The configuration of an installation of MIP, written by `mip deploy configure`.

answers.toml    what was answered: change it, then `mip deploy configure --answers answers.toml`
secrets/        secrets, each a file of age, readable by the recipients in answers.toml
portal.pem      the portal's certificate
authority.pem   the authority that vouches for it, where it is our own: give it to browsers
authorities.pem the authority that signs it by ACME, where not everybody knows that
database-*.pem  what node and database know each other by, where they are on two servers
report-key.pub  proves reports of `mip deploy validate`: give it to whoever reads them
identity.txt    what `mip deploy setup` reads the secrets with: in no repository, in no backup

All but identity.txt may be pushed to a private repository.
"""
_IDENTITY = "identity"
DATABASE_KEYS = "database-keys"
"""All three by which node and database know each other, where they are on two servers."""
_GIVEN_KEY = "portal-key-given"
"""The hospital's own key, beside ours, which is there again when the hospital's is not used."""
_IGNORED = f"{IDENTITY}\n*.partial\n"


@dataclass(frozen=True, slots=True)
class Installation:
    """A configuration folder."""

    folder: Path

    @property
    def answers(self) -> Answers:
        """What was answered; raises DeployError where nothing was."""
        if not self._answered.is_file():
            raise DeployError(
                "Nothing is configured there",
                where=str(self.folder),
                remedy="Run `mip deploy configure`, or name the folder with --folder.",
            )
        return read(self._answered)

    @property
    def vault(self) -> Vault:
        return Vault(self.folder / "secrets", self.folder / IDENTITY)

    @property
    def certificate(self) -> Path:
        return self.folder / "portal.pem"

    @property
    def authority(self) -> Path:
        """The certificate of our own authority; missing where the hospital's is used."""
        return self.folder / "authority.pem"

    @property
    def authorities(self) -> Path:
        """What an authority that signs by ACME is known by; missing where everybody knows it."""
        return self.folder / "authorities.pem"

    @property
    def trusted(self) -> Path | None:
        """The certificates that vouch for the portal; None where everybody knows who does."""
        by = self.answers.certificate
        if by.kind == "own":
            return self.authority
        return self.authorities if by.authorities else None

    @property
    def database_trust(self) -> DatabaseTrust:
        """What node and database know each other by, where they are on two servers."""
        return DatabaseTrust(self.folder, self.vault)

    @property
    def report_key(self) -> Path:
        """What proves reports of the acceptance test; see `reporter`."""
        return self.folder / "report-key.pub"

    @property
    def _answered(self) -> Path:
        return self.folder / "answers.toml"

    def secret(self, name: str) -> bytes:
        """A secret as the server needs it; raises DeployError."""
        given = name == PORTAL_KEY and self.answers.certificate.kind == "files"
        return self.vault.read(_GIVEN_KEY if given else name)

    def reporter(self) -> Identity:
        """Who signs reports of the acceptance test; made where a former version made none.

        Raises DeployError.
        """
        with alone(self.folder):
            return self._report_key()

    def configure(self, text: str, where: str) -> list[str]:
        """Takes the answers of a TOML text, and makes the secrets that are missing.

        Every answer is checked, and nothing is written where one cannot be used. After a kill at
        any moment it can be run again; no secret that is there is made anew. Returns what was
        done, a sentence each. Raises DeployError that names every answer that is wrong.
        """
        answers = parsed(text, where)
        now = datetime.now(UTC)
        here = machine.Machine.this() if any(one.is_here for one in placements(answers)) else None
        if wrong := machine.problems(answers, here, now):
            raise DeployError(
                "The machine or the network cannot bear these answers:",
                where=where,
                fields=tuple(wrong),
                remedy="Nothing was written. Change them, or what they ask for, and run it again.",
            )
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        with alone(self.folder):
            return self._taken(answers, text, now)

    def renew(self, names: Sequence[str]) -> list[str]:
        """Makes keys of portal, authority, reports or database anew, or the identity.

        Returns what was done, a sentence each. Raises DeployError.
        """
        answers, now = self.answers, datetime.now(UTC)
        did = []
        with alone(self.folder):
            if AUTHORITY_KEY in names:
                # Missing, it is made of the key that is there: never of one that was.
                self.authority.unlink(missing_ok=True)
                self.vault.renew(AUTHORITY_KEY, portal_certificate.new_key())
                did.append("The authority is a new one: give authority.pem to browsers again")
            if PORTAL_KEY in names:
                self.vault.renew(PORTAL_KEY, portal_certificate.new_key())
                did.append("The portal's key is a new one")
            if {AUTHORITY_KEY, PORTAL_KEY} & {*names}:
                self._sign(answers.name, now)
            if DATABASE_KEYS in names:
                self.database_trust.renew()
                self._trust(answers, now)
                did.append("Node and database know each other by new keys")
            if REPORT_KEY in names:
                self.vault.renew(REPORT_KEY, Identity.made().seed)
                self._report_key()
                did.append("Reports are signed by a new key: give report-key.pub to their readers")
            if _IDENTITY in names:
                self.vault.renew_identity(answers.recipients)
                did.append("The identity is a new one, and reads all secrets")
            if did:
                _committed(self.folder)
        return did

    def _taken(self, answers: Answers, text: str, now: datetime) -> list[str]:
        did = []
        _write(self.folder / "README", _README.encode())
        _write(self.folder / ".gitignore", _IGNORED.encode())
        if self.vault.open_to(answers.recipients):
            did.append("Secrets are encrypted anew, since recipients came or went")
        self._take_secrets(answers, now)
        if _write(self._answered, text.encode()):
            did.append(f"The answers are in {self._answered}")
        if _committed(self.folder):
            did.append("The change is committed in git")
        return did or ["Nothing changed"]

    def _take_secrets(self, answers: Answers, now: datetime) -> None:
        used = {secret.name for one in placements(answers) for secret in used_secrets(one)}
        oidc = answers.login.oidc
        if OIDC in used and oidc:
            self.vault.keep(OIDC, Path(oidc.client_secret_file).read_bytes().strip())
        for way, settings in answers.notices.channels.items():
            if settings.secret_file:
                self.vault.keep(
                    NOTICES[way], Path(settings.secret_file).read_bytes().strip(b"\r\n")
                )
        by = answers.certificate
        if ACCOUNT_KEY in used:
            self.vault.keep(ACCOUNT_KEY, Path(by.account_key_file).read_bytes().strip())
        if by.authorities:
            _write(self.authorities, Path(by.authorities).read_bytes())
        else:
            self.authorities.unlink(missing_ok=True)
        if by.kind == "files" and PORTAL_KEY in used:
            self.vault.keep(_GIVEN_KEY, Path(by.key).read_bytes())
            _write(self.certificate, Path(by.chain).read_bytes())
            self.authority.unlink(missing_ok=True)
        elif PORTAL_KEY in used:
            self._sign(answers.name, now)
        if DATABASE_AUTHORITY_KEY in used:
            self._trust(answers, now)
        self._report_key()

    def _trust(self, answers: Answers, now: datetime) -> None:
        at = of_node(answers).address_of(BlockName.HOSPITAL_DATABASE)
        self.database_trust.sign(answers.name, str(at), now)

    def _report_key(self) -> Identity:
        signer = Identity(self.vault.once(REPORT_KEY, lambda: Identity.made().seed))
        _write(self.report_key, f"{signer.public.hex}\n".encode())
        return signer

    def _sign(self, name: str, now: datetime) -> None:
        key = self.vault.once(PORTAL_KEY, portal_certificate.new_key)
        signer = self.vault.once(AUTHORITY_KEY, portal_certificate.new_key)
        if not self.authority.exists():
            write_atomically(self.authority, portal_certificate.authority(signer, name, now))
            self.certificate.unlink(missing_ok=True)
        held = self.certificate.read_bytes() if self.certificate.exists() else b""
        if not held or portal_certificate.is_due(held, key, name, now):
            issuer = self.authority.read_bytes()
            signed = portal_certificate.signed(key, signer, issuer, name, now)
            write_atomically(self.certificate, signed)


def report_key(path: Path) -> PublicIdentity:
    """The public key in a file; raises DeployError where there is none."""
    try:
        return PublicIdentity.from_hex(path.read_text(encoding="ascii").strip())
    except (OSError, UnicodeDecodeError):
        raise DeployError(
            "The key that proves reports cannot be read",
            where=str(path),
            remedy="`mip deploy configure` or `validate --report` on the server makes it; "
            "--key names a copy.",
        ) from None


def _write(path: Path, content: bytes) -> bool:
    if path.exists() and path.read_bytes() == content:
        return False
    write_atomically(path, content)
    return True


def _committed(folder: Path) -> bool:
    """Whether a change was committed; false where there is no git or no change."""
    git = shutil.which("git")
    if git is None:
        return False
    if not (folder / ".git").is_dir():
        _git(git, folder, "init", "--quiet", "--initial-branch=main")
    _git(git, folder, "add", "--all")
    if not _git(git, folder, "status", "--porcelain"):
        return False
    who = ("-c", "user.name=mip deploy configure", "-c", "user.email=mip@localhost")
    _git(git, folder, *who, "commit", "--quiet", "--message", "Configure MIP")
    return True


def _git(git: str, folder: Path, *words: str) -> str:
    command: Sequence[str] = (git, "-C", str(folder), *words)
    ended = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if ended.returncode:
        raise DeployError(
            f"git {words[0]} failed: {ended.stderr.strip()[:300]}",
            where=str(folder),
            remedy="All files are written; see to git and run it again.",
        )
    return ended.stdout
