"""What `mip.toml` may say of a hospital's database, and how it is reached."""

import datetime as dt
import ipaddress
import shutil

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from medmip.catalogue.configuration import SettingsError
from medmip.cli.main import main
from medmip.sources.publishing import check_source
from medmip.store.postgres import SourceFailure
from medmip.store.sources import SourceError, UnknownSource, source, sources

SOCKET = "host=/run/postgresql dbname=ward user=mip_reader"
TLS = "host=db.example dbname=ward user=mip_reader"
SECRET = "hunter2"


@pytest.mark.parametrize(
    "database, told",
    [
        (f"{SOCKET} password={SECRET}", "a password does not stand in mip.toml"),
        (f"postgresql://mip_reader:{SECRET}@/ward?host=/run", "a password does not stand"),
        (f"{SOCKET} pass word={SECRET}", "no libpq connection string"),
        (f"{SOCKET} options=-cdefault_transaction_read_only=off", "may not say options"),
        ("dbname=ward user=mip_reader", "says no host"),
        ("host=/run,db.example dbname=ward user=mip_reader", "one host"),
        (TLS, "sslrootcert"),
        (f"{TLS} sslmode=require sslrootcert=/etc/ca.pem", "verify-full or verify-ca"),
        (f"{SOCKET} hostaddr=10.0.0.1", "sslrootcert"),
    ],
)
def test_an_address_is_refused_that_tells_a_secret_or_sends_in_the_clear(home, database, told):
    home.configuration.write_text(
        f'[sources.ward]\ndatabase = "{database}"\nmodel = "ward:1.0"\ntable = "patients"\n'
    )
    with pytest.raises(SettingsError, match=told) as refused:
        sources(home)
    assert SECRET not in str(refused.value)
    assert "sources.ward" in str(refused.value)


@pytest.mark.parametrize(
    "more, told",
    [
        ("", "either a table or a mapping"),
        ('table = "t"\nmapping = "m.yaml"', "either a table or a mapping"),
        ('mapping = "m.yaml"\npatient = "pid"', "the mapping says"),
        ('table = "t"\ntables = { a = "b" }', "say table instead"),
        ('table = "t"\npassword_file = "/a"\ncredential = "b"', "either in password_file"),
        ('table = "t"\ncredential = "../b"', "credential"),
        ('table = "t"\nseconds = 0', "seconds"),
        ('table = "t"\nwritable = true', "writable"),
    ],
)
def test_settings_that_contradict_themselves_are_told_by_their_field(home, more, told):
    home.configuration.write_text(
        f'[sources.ward]\ndatabase = "{SOCKET}"\nmodel = "ward:1.0"\n{more}\n'
    )
    with pytest.raises(SettingsError, match=told):
        sources(home)


def test_a_source_that_is_not_named_is_told_with_those_that_are(home, capsys):
    assert sources(home) == {}
    home.configuration.write_text(
        f'[sources.ward]\ndatabase = "{SOCKET}"\nmodel = "ward:1.0"\ntable = "patients"\n'
    )
    with pytest.raises(UnknownSource, match="It names ward"):
        source(home, "clinic")
    with pytest.raises(SystemExit) as ended:
        main(["source", "publish", "clinic", "--home", str(home.path)])
    assert ended.value.code == 1
    assert "It names ward" in capsys.readouterr().err


def test_a_password_is_read_from_a_file_of_the_owner_s_alone_or_from_systemd(
    ward, clinic, monkeypatch
):
    good = clinic.read(ward)
    assert check_source(ward, good).clean
    (ward.path / "secret").chmod(0o640)
    with pytest.raises(SourceError, match="read by others"):
        check_source(ward, good)
    (ward.path / "secret").chmod(0o400)
    handed = good.settings.model_copy(update={"password_file": "", "credential": "secret"})
    handed = type(good)("clinic", handed)
    with pytest.raises(SourceError, match="LoadCredential=secret:FILE"):
        check_source(ward, handed)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(ward.path))
    assert check_source(ward, handed).clean
    (ward.path / "secret").chmod(0o600)
    (ward.path / "secret").write_text(SECRET)
    with pytest.raises(SourceFailure, match="does not let MIP in") as refused:
        check_source(ward, good)
    assert SECRET not in str(refused.value) + repr(good.address())


def test_over_a_network_the_server_proves_who_it_is(ward, clinics, tmp_path):
    clinic = clinics("system")
    own, other = (certificate(tmp_path / f"{name}.pem") for name in ("own", "other"))
    for name in ("own.pem", "own.key"):
        file = clinic.folder / name
        shutil.copy(tmp_path / name, file)
        shutil.chown(file, clinic.folder.owner())
        file.chmod(0o600)
    clinic.run(
        f"ALTER SYSTEM SET ssl_cert_file = '{clinic.folder}/own.pem'",
        f"ALTER SYSTEM SET ssl_key_file = '{clinic.folder}/own.key'",
        "ALTER SYSTEM SET ssl = on",
        "SELECT pg_reload_conf()",
    )
    address = f"host=127.0.0.1 port={clinic.port} dbname=postgres sslrootcert="
    assert check_source(ward, clinic.read(ward, database=f"{address}{own}")).clean
    with pytest.raises(SourceFailure, match="certificate verify failed"):
        check_source(ward, clinic.read(ward, database=f"{address}{other}"))


def certificate(file):
    """A certificate of 127.0.0.1 that vouches for itself, and beside it its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, file.stem)])
    now = dt.datetime.now(dt.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    file.with_suffix(".key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return file
