"""What `mip.toml` may say of the engine."""

import pytest

from medmip.catalogue.configuration import SettingsError
from medmip.store.engine_settings import engine_settings

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
    assert found.partitions(home) == home.partitions


@pytest.mark.parametrize("address", ["tls://cluster.example:8786", "tls://[2001:db8::1]:8786"])
def test_a_cluster_elsewhere_is_reached_by_tls(home, address):
    found = said(home, f'kind = "dask"\nscheduler = "{address}"\n{SHARED}{FILES}')
    assert found.scheduler == address
    assert str(found.partitions(home)) == "/shared"


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "localhost"])
def test_tcp_stays_on_this_machine(home, host):
    said(home, f'kind = "dask"\nscheduler = "tcp://{host}:8786"\n{SHARED}')


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
