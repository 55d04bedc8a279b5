"""What `mip.toml` may say of the engine."""

import pytest

from medmip.catalogue.configuration import SettingsError
from medmip.store.engine_settings import engine_settings
from medmip.store.partition_folders import SharedFolder, partition_folder

FILES = 'ca_file = "/etc/ca"\ncertificate_file = "/etc/c"\nkey_file = "/etc/k"\n'
SHARED = 'folder = "/shared"\n'


def said(home, text):
    home.configuration.write_text(f"[engine]\n{text}")
    return engine_settings(home)


def test_silence_is_the_embedded_engine(home):
    assert engine_settings(home).kind == "duckdb"
    assert said(home, "").kind == "duckdb"


def test_a_cluster_on_this_machine_needs_one_line(home):
    found = said(home, 'kind = "dask"\n')
    assert (found.scheduler, found.workers) == ("local", 2)
    assert partition_folder(found, home) == SharedFolder(home.partitions)


@pytest.mark.parametrize("address", ["tls://cluster.example:8786", "tls://[2001:db8::1]:8786"])
def test_a_cluster_elsewhere_is_reached_by_tls(home, address):
    found = said(home, f'kind = "dask"\nscheduler = "{address}"\n{SHARED}{FILES}')
    assert found.scheduler == address
    assert str(partition_folder(found, home)) == "/shared"


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "localhost"])
def test_tcp_stays_on_this_machine(home, host):
    said(home, f'kind = "dask"\nscheduler = "tcp://{host}:8786"\n{SHARED}')


def test_partitions_may_lie_in_an_object_store(home):
    store = 'folder = "s3://hospital/mip/a"\nendpoint = "https://store:8333"\n'
    found = said(home, f'kind = "dask"\n{store}region = "eu-central-1"\n')
    assert str(partition_folder(found, home)) == "s3://hospital/mip/a"
    assert (found.bucket.url, found.bucket.region) == ("https://store:8333", "eu-central-1")
    amazon = said(home, 'kind = "dask"\nfolder = "s3://hospital"\nregion = "eu-central-1"\n')
    assert amazon.bucket.url == "https://s3.eu-central-1.amazonaws.com"


def test_a_share_of_free_memory_keeps_records_whatever_the_engine(home, monkeypatch):
    monkeypatch.setattr("medmip.store.engine_settings.available", lambda: 1000)
    assert said(home, "").kept(200) == 300
    assert said(home, "memory_share = 0.5\n").kept(0) == 500
    assert said(home, 'kind = "dask"\nmemory_share = 0.1\n').kept(0) == 100


@pytest.mark.parametrize(
    "text, told",
    [
        ('kind = "spark"\n', "engine.kind: Input should be 'duckdb' or 'dask'"),
        ('scheduler = "local"\n', "scheduler is of a cluster, and kind is duckdb"),
        (f'kind = "dask"\n{FILES}', "ca_file is not needed"),
        ('kind = "dask"\nfolder = "shared"\n', "folder begins with /"),
        (f'kind = "dask"\nscheduler = "tls://h:1"\n{FILES}', "folder is needed"),
        (f'kind = "dask"\nscheduler = "tls://h:1"\n{SHARED}', "ca_file is needed"),
        (f'kind = "dask"\nscheduler = "tcp://10.0.0.1:1"\n{SHARED}', "tcp:// is not encrypted"),
        (f'kind = "dask"\nscheduler = "tls://h:1"\nworkers = 2\n{SHARED}{FILES}', "workers are"),
        ("memory_share = 0.8\n", "memory_share: Input should be less than or equal to 0.75"),
        ("memory = 512\n", "memory is of a cluster"),
        ('kind = "dask"\nendpoint = "https://s"\n', "endpoint is of an object store"),
        (f'kind = "dask"\n{SHARED}region = "x"\n', "region is of an object store"),
        (
            'kind = "dask"\nfolder = "s3://hos"\ncredential = "c"\ncredentials_file = "/f"\n',
            "keys are either in",
        ),
        *[
            (f'kind = "dask"\nfolder = "{folder}"\n', "folder is s3://bucket/prefix")
            for folder in (
                "s3://",
                "s3://UP/x",
                "s3://ab/../c",
                "s3://hos//x",
                "s3://k:secret@hos/x",
            )
        ],
        *[
            (f'kind = "dask"\nfolder = "s3://h-1/x"\nendpoint = "{endpoint}"\n', told)
            for endpoint, told in (
                ("http://10.0.0.1:9000", "http:// is not encrypted"),
                ("s:9000", "https://host:port"),
                ("https://k:secret@s", "https://host:port"),
                ("https://s:0x1", "https://host:port"),
                ("https://s/path", "https://host:port"),
            )
        ],
        *[
            (f'kind = "dask"\nscheduler = "{address}"\n{SHARED}{FILES}', "local or tls://host:port")
            for address in ("tls://host", "http://h:1", "tls://u:secret@h:1", "tls://h:1/x", "h:1")
        ],
    ],
)
def test_what_cannot_be_used_is_named(home, text, told):
    with pytest.raises(SettingsError) as refused:
        said(home, text)
    assert told in str(refused.value)
    assert "secret" not in str(refused.value)
