"""What the machine that MIP is installed on has, and what of the answers it cannot bear."""

import os
import shutil
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509

from medmip.deploy import portal_certificate
from medmip.deploy.answers import Answers
from medmip.deploy.blocks.declaration import CONFIGURATION, Audience
from medmip.deploy.errors import DeployError
from medmip.deploy.placement import Placement, placements
from medmip.errors import FieldProblem

DISK = 10 * 10**9
MEMORY = 35 * 10**8
"""Bytes: a machine sold as having four gigabytes tells of somewhat less."""
SSH = 22


@dataclass(frozen=True, slots=True)
class Machine:
    """Free bytes of disk, bytes of memory, whether MIP was set up here before."""

    disk: int
    memory: int
    is_set_up: bool

    @classmethod
    def this(cls) -> "Machine":
        """The machine that this runs on."""
        return cls(
            shutil.disk_usage("/var/lib").free,
            os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
            Path(CONFIGURATION, "applied").is_dir(),
        )


def problems(answers: Answers, machine: Machine | None, now: datetime) -> list[FieldProblem]:
    """All that is wrong with the answers at once; machine is None where it is another one."""
    found = [*_named(answers), *_files(answers, now)]
    for placed in placements(answers):
        found += _key(placed)
        if machine is not None and (placed.is_here or not answers.servers):
            found += _borne(placed, machine)
    return found


def _named(answers: Answers) -> Iterator[FieldProblem]:
    try:
        socket.getaddrinfo(answers.name, None)
    except OSError:
        yield FieldProblem(
            "name",
            f"{answers.name} has no address here: ask for an entry in the DNS, or add one to "
            "/etc/hosts",
        )


def _borne(placed: Placement, machine: Machine) -> Iterator[FieldProblem]:
    if machine.disk < DISK:
        yield FieldProblem(
            _field(placed),
            f"{machine.disk / 1e9:.1f} GB are free at /var/lib, {DISK / 1e9:.0f} needed",
        )
    if machine.memory < MEMORY:
        yield FieldProblem(
            _field(placed), f"the machine has {machine.memory / 1e9:.1f} GB of memory, 4 are needed"
        )
    if machine.is_set_up:
        return  # what listens at our ports is ours
    for block in placed.every_block:
        for port in block.every_port:
            if port.number != SSH and not _is_free(port.number, port.audience):
                yield FieldProblem(
                    "blocks",
                    f"{block.name} needs port {port.number}, which another program listens at: "
                    f"`ss -ltnp sport = {port.number}` names it",
                )


def _field(placed: Placement) -> str:
    """Where the answers say it of this server."""
    return f"servers.{placed.name}" if placed.answers.servers else "server"


def _key(placed: Placement) -> Iterator[FieldProblem]:
    own, field = placed.server.key, f"{_field(placed)}.key"
    if own and not os.access(own, os.R_OK):
        yield FieldProblem(field, "the file is not there or not readable")
    elif own and Path(own).stat().st_mode & 0o077:
        yield FieldProblem(field, f"others may read it, and ssh refuses it: chmod 600 {own}")


def _is_free(port: int, audience: Audience) -> bool:
    address = "127.0.0.1" if audience is Audience.NOBODY else "0.0.0.0"  # noqa: S104
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except PermissionError:
            return True  # low ports are root's to try
        except OSError:
            return False
    return True


def _files(answers: Answers, now: datetime) -> Iterator[FieldProblem]:
    certificate = answers.certificate
    if certificate.kind == "files":
        try:
            chain, key = Path(certificate.chain).read_bytes(), Path(certificate.key).read_bytes()
            portal_certificate.check(chain, key, answers.name, now)
        except OSError as error:
            yield FieldProblem("certificate", f"{error.filename}: {error.strerror}")
        except DeployError as error:
            yield FieldProblem("certificate", error.what)
    for field in ("authorities", "account_key_file"):
        path = getattr(certificate, field)
        if path and not os.access(path, os.R_OK):
            yield FieldProblem(f"certificate.{field}", "the file is not there or not readable")
    if certificate.authorities and os.access(certificate.authorities, os.R_OK):
        try:
            x509.load_pem_x509_certificates(Path(certificate.authorities).read_bytes())
        except ValueError:
            yield FieldProblem("certificate.authorities", "there is no certificate in PEM in it")
    oidc = answers.login.oidc
    if oidc and oidc.client_secret_file and not os.access(oidc.client_secret_file, os.R_OK):
        yield FieldProblem("login.oidc.client_secret_file", "the file is not there or not readable")
    for way, settings in answers.notices.channels.items():
        if settings.secret_file and not os.access(settings.secret_file, os.R_OK):
            yield FieldProblem(
                f"notices.{way}.secret_file", "the file is not there or not readable"
            )
    if answers.wheels and not list(Path(answers.wheels).glob("medmip-*.whl")):
        yield FieldProblem("wheels", "there is no wheel of medmip in that folder")
