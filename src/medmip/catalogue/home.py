"""The home folder: everything one installation keeps, in one place."""

import os
from dataclasses import dataclass
from pathlib import Path

HOME_VARIABLE = "MIP_HOME"
DEFAULT_HOME = "~/.local/share/mip"
PUBLISHED_RECORD = "published.json"


@dataclass(frozen=True, slots=True)
class Home:
    """The folders and files of one installation, below `path`."""

    path: Path

    @classmethod
    def default(cls) -> "Home":
        """The folder that the environment variable MIP_HOME names, else ~/.local/share/mip."""
        return cls(Path(os.environ.get(HOME_VARIABLE) or DEFAULT_HOME).expanduser().absolute())

    @property
    def models(self) -> Path:
        return self.path / "models"

    @property
    def datasets(self) -> Path:
        return self.path / "datasets"

    @property
    def partitions(self) -> Path:
        """Published versions divided for a cluster, unless `mip.toml` names another folder."""
        return self.path / "partitions"

    @property
    def in_place(self) -> Path:
        """What is known of datasets whose records are analysed in the hospital's own database."""
        return self.path / "in_place"

    @property
    def inbox(self) -> Path:
        return self.path / "inbox"

    @property
    def desk(self) -> Path:
        """What is known of the files in the inbox."""
        return self.path / "desk"

    @property
    def imaging(self) -> Path:
        """Scans, freed of identifiers, and the hospital's rules for them."""
        return self.path / "imaging"

    @property
    def scan_inbox(self) -> Path:
        """Where scans are dropped; what lies there is no table."""
        return self.inbox / "imaging"

    @property
    def received(self) -> Path:
        """Images that scanners and archives sent, until they are brought in."""
        return self.path / "received"

    @property
    def work(self) -> Path:
        """Temporary files of what runs."""
        return self.path / "work"

    @property
    def keys(self) -> Path:
        return self.path / "keys"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def state_db(self) -> Path:
        return self.path / "state.db"

    @property
    def policy(self) -> Path:
        return self.path / "policy.toml"

    @property
    def configuration(self) -> Path:
        """What the administrator says about this installation."""
        return self.path / "mip.toml"

    @property
    def algorithms(self) -> Path:
        """Which algorithms of installed packages may run."""
        return self.path / "algorithms.toml"

    @property
    def hub(self) -> Path:
        """What makes this node the hub of a federation; only there where it is one."""
        return self.path / "hub"

    @property
    def site(self) -> Path:
        """What makes this node a site of a federation; only there where it is one."""
        return self.path / "site"

    @property
    def policies(self) -> Path:
        """What the site says of its datasets: `<model>/<dataset>.toml`, `default.toml`."""
        return self.path / "policies"

    def dataset_policy(self, model: str, dataset: str) -> Path:
        """What the site says of one dataset; model is a key."""
        return self.policies / model.replace(":", "_") / f"{dataset}.toml"

    def patients_table(self, model: str, dataset: str) -> Path:
        """Where the sealed tables of pseudonyms and patients' codes of a dataset lie."""
        return self.keys / "patients" / model.replace(":", "_") / dataset

    def dataset_folder(self, model: str, dataset: str) -> Path:
        """Where the snapshots of a dataset lie, and its `published.json`; model is a key."""
        return dataset_folder(self.datasets, model, dataset)

    def published(self, model: str) -> list[str]:
        """The datasets published under a model's key, by code."""
        records = self.dataset_folder(model, "").glob(f"*/{PUBLISHED_RECORD}")
        return sorted(record.parent.name for record in records)

    def prepare(self) -> "Home":
        """Make the folders, readable by their owner alone; raises OSError where that is refused."""
        for folder in (
            self.path,
            self.models,
            self.datasets,
            self.inbox,
            self.keys,
            self.logs,
        ):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return self


def dataset_folder(root: Path, model: str, dataset: str) -> Path:
    """Where a dataset's versions lie below a folder of datasets; model is a key."""
    return root / model.replace(":", "_") / dataset
