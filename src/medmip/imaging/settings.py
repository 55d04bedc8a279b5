"""What the home's `mip.toml` says of scans: whose pseudonyms they get, and who may send them."""

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from pathlib import Path
from typing import Annotated, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    IPvAnyNetwork,
    model_validator,
)

from medmip.catalogue.configuration import section
from medmip.catalogue.home import Home
from medmip.imaging.volumetry.choice import SettingName
from medmip.store.cluster_address import ClusterAddress


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def _stripped(title: str) -> str:
    if title != title.strip():
        raise ValueError("a title has no blank at its ends")
    return title


Title = Annotated[str, Field(pattern=r"^[ -\[\]-~]{1,16}$"), AfterValidator(_stripped)]
"""An AE title (PS3.5, VR AE): up to 16 characters, none of them a backslash."""


class Peer(_Part):
    """Who may send: its AE title, and the address or network (CIDR) that it sends from."""

    title: Title
    address: IPvAnyNetwork

    def is_at(self, address: str) -> bool:
        """Whether an address, as a socket tells it, is this peer's."""
        told: IPv4Address | IPv6Address = ip_address(address.partition("%")[0])
        if isinstance(told, IPv6Address) and told.ipv4_mapped is not None:
            told = told.ipv4_mapped
        network = self.address
        return (told.version == 6) is isinstance(network, IPv6Network) and told in network


class TlsSettings(_Part):
    """The section `[imaging.receiver.tls]`: files in PEM, by whole paths or from the home folder.

    authority is the certificate of whoever signs those of peers; certificate is the receiver's
    own, with those between it and its authority, and key its private key.
    """

    certificate: Path
    key: Path
    authority: Path


class ReceiverSettings(_Part):
    """The section `[imaging.receiver]`: its own AE title, where it listens, and for whom.

    associations bounds the peers that are served at once, megabytes an instance. Below
    free_megabytes on the disk nothing more is taken. A study is brought in once nobody has sent of
    it for quiet_seconds; a peer that is silent for that long, and for 30 seconds, is cut off.
    With tls peers are heard by TLS alone, each with a certificate of its own.
    """

    title: Title = "MIP"
    address: IPv4Address | IPv6Address = IPv4Address("127.0.0.1")
    port: int = Field(11112, ge=0, le=65535)
    peers: tuple[Peer, ...] = ()
    associations: int = Field(4, ge=1, le=100)
    megabytes: int = Field(256, ge=1, le=2000)
    free_megabytes: int = Field(1024, ge=0)
    quiet_seconds: float = Field(60, gt=0, le=86_400)
    tls: TlsSettings | None = None


class MeasuringSettings(ClusterAddress):
    """The section `[imaging.measuring]`: where scans are measured, and what goes by itself.

    A worker measures one scan at a time. Below free_megabytes on the disk no step is begun. With
    automatic the server queues every scan that is taken and was not measured, by that atlas and
    setting; without an atlas by the only one there is.
    """

    workers: int = Field(1, ge=1, le=256)
    free_megabytes: int = Field(2048, ge=0)
    automatic: bool = False
    atlas: str | None = None
    setting: SettingName = SettingName.FAST

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        return self.refuse_unreachable()


class ImagingSettings(_Part):
    """The section `[imaging]`.

    model and dataset name the dataset whose patients' pseudonyms and dates scans get; without them
    these are those of all datasets that are `linkable`. age and sex name the variables of that
    model by which volumes are compared with those of patients like this one. A folder in the inbox
    is whole once nothing in it has changed for still_seconds. With keep_faces the faces stay in
    volumes.
    """

    model: str | None = None
    dataset: str | None = None
    age: str = "subjectageyears"
    sex: str = "gender"
    still_seconds: float = Field(30, gt=0, le=86_400)
    keep_faces: bool = False
    receiver: ReceiverSettings = ReceiverSettings()
    measuring: MeasuringSettings = MeasuringSettings()

    @model_validator(mode="after")
    def _named_together(self) -> "ImagingSettings":
        if (self.model is None) != (self.dataset is None):
            raise ValueError("model and dataset go together")
        return self


def imaging_settings(home: Home) -> ImagingSettings:
    """What the home says, the defaults for what it leaves out; raises SettingsError."""
    return section(home, "imaging", ImagingSettings) or ImagingSettings()
