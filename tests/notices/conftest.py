"""Receivers, and a home whose notices go to them."""

import base64
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import tomlkit

from medmip.catalogue.home import Home
from tests.notices.receivers import (
    PASSWORD,
    USER,
    Post,
    Vouched,
    Web,
    mail_server,
    vouched,
    web_server,
)

KEY = base64.b64encode(b"k" * 32).decode()
Configure = Callable[..., Home]


@pytest.fixture(scope="session")
def proof(tmp_path_factory: pytest.TempPathFactory) -> Vouched:
    return vouched(tmp_path_factory.mktemp("tls"), "hospital")


@pytest.fixture
def web(proof: Vouched) -> Iterator[Web]:
    with web_server(proof) as doings:
        yield doings


@pytest.fixture
def post(proof: Vouched) -> Iterator[Post]:
    with mail_server(proof) as doings:
        yield doings


def secret(folder: Path, name: str, text: str) -> str:
    """A file that its owner alone may read."""
    path = folder / name
    path.write_text(text + "\n")
    os.chmod(path, 0o600)
    return str(path)


@pytest.fixture
def configure(home: Home, proof: Vouched, tmp_path: Path) -> Configure:
    """configure(web=…, slack=…, post=…, **settings) writes `[notices]` for these receivers."""

    def made(
        web: Web | None = None, slack: Web | None = None, post: Post | None = None, **more: object
    ) -> Home:
        trusted = {"authority_file": str(proof.authority)}
        section: dict[str, object] = {"summary_minutes": 0, **more}
        if web is not None:
            key = secret(tmp_path, "key", f"whsec_{KEY}")
            section["webhook"] = trusted | {"url": web.url, "secret_file": key}
        if slack is not None:
            section["slack"] = trusted | {"secret_file": secret(tmp_path, "url", slack.url)}
        if post is not None:
            section["email"] = trusted | {
                "host": "127.0.0.1",
                "port": post.port,
                "sender": "mip@hospital.example",
                "to": ["admin@hospital.example", "night@hospital.example"],
                "user": USER,
                "secret_file": secret(tmp_path, "password", PASSWORD),
            }
        home.configuration.write_text(tomlkit.dumps({"notices": section}))
        return home

    return made
