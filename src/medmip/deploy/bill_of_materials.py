"""What a bundle is made of, as CycloneDX: every wheel and every package of Debian."""

import hashlib
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from email.parser import BytesParser
from email.policy import compat32
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

from medmip.deploy.debian_package import PACKAGE, called
from medmip.deploy.errors import DeployError

try:
    from cyclonedx.model import HashAlgorithm, HashType
    from cyclonedx.model.bom import Bom
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.output import make_outputter
    from cyclonedx.schema import OutputFormat, SchemaVersion
    from packageurl import PackageURL
except ImportError:
    raise DeployError(
        "What writes a bill of materials is not installed",
        remedy="Install it beside MIP: pip install 'medmip[bundle]'.",
    ) from None


def bill_of_materials(version: str, wheels: Path, repository: Path, moment: int) -> str:
    """The bill of a folder of wheels and one of packages, in JSON; the same for the same files."""
    components = [*_wheels(wheels), *_packages(repository, moment)]
    bom = Bom(components=components)
    bom.metadata.component = Component(
        type=ComponentType.APPLICATION, name="mip", version=version, bom_ref=f"mip-{version}"
    )
    bom.metadata.timestamp = datetime.fromtimestamp(moment, UTC)
    held = "".join(sorted(one.content for part in components for one in part.hashes))
    bom.serial_number = uuid5(NAMESPACE_URL, held)
    bom.register_dependency(bom.metadata.component, components)
    return make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string(indent=1)


def _wheels(folder: Path) -> Iterator[Component]:
    for path in sorted(folder.glob("*.whl")):
        with zipfile.ZipFile(path) as wheel:
            name = next(one for one in wheel.namelist() if one.endswith(".dist-info/METADATA"))
            told = BytesParser(policy=compat32).parsebytes(wheel.read(name), headersonly=True)
        kind = PackageURL("pypi", name=str(told["Name"]).lower(), version=str(told["Version"]))
        yield _component(str(told["Name"]), str(told["Version"]), kind, path)


def _packages(folder: Path, moment: int) -> Iterator[Component]:
    for path in sorted(folder.glob("*.deb")):
        # dpkg-deb prints the fields in the order of the package, and with their names.
        said = called("dpkg-deb", "--field", str(path), "Package", "Version", "Architecture",
                      moment=moment).decode()  # fmt: skip
        told = dict(line.split(": ", 1) for line in said.splitlines())
        name, version = told["Package"], told["Version"]
        place = {"arch": told["Architecture"]}
        origin = "mip" if name == PACKAGE else "debian"
        kind = PackageURL("deb", origin, name, version, place)
        yield _component(name, version, kind, path)


def _component(name: str, version: str, kind: PackageURL, path: Path) -> Component:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Component(
        type=ComponentType.LIBRARY,
        name=name,
        version=version,
        purl=kind,
        bom_ref=kind.to_string(),
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest)],
    )
