"""One signed file with all that a server needs, for where there is no internet."""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory

from medmip.catalogue.atomic_file import sync_folder
from medmip.deploy.bill_of_materials import bill_of_materials
from medmip.deploy.blocks.registry import BLOCKS
from medmip.deploy.debian_package import (
    NEEDS,
    build,
    called,
    moment_of,
    refuse_without_portal,
    version_of,
)
from medmip.deploy.errors import DeployError

INSTALLER = "install-mip.sh"
BILL = "sbom.cdx.json"
_SYSTEM = Path("/etc/os-release")


@dataclass(frozen=True, slots=True)
class Bundle:
    """What was made: the bundle, its signature, who can prove it and what installs it."""

    path: Path
    signature: Path
    key: Path
    installer: Path


def packages() -> list[str]:
    """The packages of Debian that any building block, or the program, needs."""
    every = {name for block in BLOCKS for name in block.packages}
    return sorted(every | {*NEEDS})


def make_bundle(wheels: Path, out: Path, signer: str, say: Callable[[str], None]) -> Bundle:
    """Makes the bundle for the release of Debian and the processor of this machine.

    signer names a secret key of gpg's. say is told each step. A bundle that is there already is
    replaced once the new one is whole. Raises DeployError.
    """
    version, moment = version_of(wheels), moment_of(wheels)
    refuse_without_portal(wheels)
    codename = _codename(_SYSTEM.read_text(encoding="utf-8"))
    public = called("gpg", "--batch", "--export", signer, moment=moment)
    if not public:
        raise DeployError(
            f"gpg has no key {signer}", remedy="Name one that `gpg --list-secret-keys` shows."
        )
    architecture = called("dpkg", "--print-architecture", moment=moment).decode().strip()
    out.mkdir(parents=True, exist_ok=True)
    # Beside the result, so that what is whole can be renamed.
    with TemporaryDirectory(prefix=".bundle-", dir=out) as name:
        workspace = Path(name)
        repository = workspace / "repository"
        repository.mkdir()
        say("Debian's packages")
        _gather(packages(), repository, workspace / "apt", moment)
        say("The package of MIP")
        build(wheels, repository, workspace, architecture)
        told = bill_of_materials(version, wheels, repository, moment)
        (repository / BILL).write_text(told, encoding="utf-8")
        (repository / "about").write_text(
            f"version={version}\ncodename={codename}\narchitecture={architecture}\n"
        )
        say("Lists and signatures")
        _list(repository, codename, signer, moment)
        whole = workspace / f"mip-{version}-{codename}-{architecture}.tar"
        called("tar", "--sort=name", f"--mtime=@{moment}", "--owner=0", "--group=0",
               "--numeric-owner", "--mode=u=rwX,go=rX", "-cf", str(whole), "-C", str(repository),
               *sorted(path.name for path in repository.iterdir()), moment=moment)  # fmt: skip
        _sign("--detach-sign", whole, Path(f"{whole}.asc"), signer, moment)
        (workspace / "mip.gpg").write_bytes(public)
        script = files("medmip.deploy") / INSTALLER
        (workspace / INSTALLER).write_bytes(script.read_bytes())
        return _published(workspace, out, whole.name)


def _codename(release: str) -> str:
    words = dict(line.split("=", 1) for line in release.splitlines() if "=" in line)
    codename = words.get("VERSION_CODENAME", "").strip('"')
    if not codename:
        raise DeployError(
            "This machine does not say of which release of Debian it is",
            where=str(_SYSTEM),
            remedy="Make the bundle on a machine with the release that it is for.",
        )
    return codename


def _gather(names: list[str], repository: Path, state: Path, moment: int) -> None:
    """Downloads packages with everything they need, whatever this machine has of it."""
    for folder in ("state/lists/partial", "cache/archives/partial"):
        (state / folder).mkdir(parents=True)
    (state / "status").touch()
    apt = (
        "apt-get", "-qq", "-o", f"Dir::State={state}/state", "-o", f"Dir::Cache={state}/cache",
        "-o", f"Dir::State::status={state}/status", "-o", "APT::Sandbox::User=root",
        "-o", "APT::Update::Error-Mode=any", "-o", "Acquire::Languages=none",
    )  # fmt: skip
    called(*apt, "update", moment=moment)
    called(*apt, "--no-install-recommends", "--download-only", "-y", "install", *names,
           moment=moment)  # fmt: skip
    for path in sorted((state / "cache/archives").glob("*.deb")):
        path.rename(repository / path.name)
    shutil.rmtree(state)


def _list(repository: Path, codename: str, signer: str, moment: int) -> None:
    """Writes what apt reads: which packages there are with their hashes, and who vouches."""
    listed = called("apt-ftparchive", "packages", ".", moment=moment, folder=repository)
    (repository / "Packages").write_bytes(listed)
    what = [f"-oAPT::FTPArchive::Release::{name}={value}" for name, value in (
        ("Origin", "MIP"), ("Label", "MIP"), ("Suite", codename), ("Codename", codename),
    )]  # fmt: skip
    release = called("apt-ftparchive", *what, "release", ".", moment=moment, folder=repository)
    unsigned = repository.with_name("Release")
    unsigned.write_bytes(release)
    _sign("--clearsign", unsigned, repository / "InRelease", signer, moment)


def _sign(how: str, path: Path, to: Path, signer: str, moment: int) -> None:
    called("gpg", "--batch", "--yes", "--armor", "--digest-algo", "SHA512", "--local-user", signer,
           "--output", str(to), how, str(path), moment=moment)  # fmt: skip


def _published(workspace: Path, out: Path, name: str) -> Bundle:
    # The signature last: a bundle without one is refused.
    made = [out / one for one in (name, "mip.gpg", INSTALLER, f"{name}.asc")]
    made[3].unlink(missing_ok=True)
    for path in made:
        with (workspace / path.name).open("rb") as file:
            os.fsync(file.fileno())
        (workspace / path.name).replace(path)
    sync_folder(out)
    return Bundle(made[0], made[3], made[1], made[2])
