"""What a peer sends becomes the scan that its files would be; nobody else can send anything."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from io import BytesIO

import pytest
from pydicom import dcmread
from pydicom.uid import (
    CTImageStorage,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    MRImageStorage,
)
from pynetdicom import AE
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.dsutils import encode

from medmip.imaging.adding import add
from medmip.imaging.errors import ImagingError
from medmip.imaging.identity import identity_of
from medmip.imaging.receiver import VERIFICATION, Receiver
from medmip.imaging.reception import Reception
from medmip.imaging.settings import ReceiverSettings, imaging_settings
from medmip.imaging.shelf import Shelf
from tests.imaging.scanner import scan

PLAIN = ImplicitVRLittleEndian
PEER = {"title": "PACS", "address": "127.0.0.1"}
SECTION = """
[imaging]
keep_faces = true
[imaging.receiver]
title = "MIP"
port = 0
quiet_seconds = 1
peers = [{title = "PACS", address = "127.0.0.1"}]
"""


def until(condition, seconds=60.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


@contextmanager
def associated(
    port, *, title="PACS", called="MIP", syntax=None, contexts=(VERIFICATION, MRImageStorage)
):
    """What a peer has of the receiver, released in the end."""
    entity = AE(title)
    for context in contexts:
        entity.add_requested_context(context, syntax or ExplicitVRLittleEndian)
    association = entity.associate("127.0.0.1", port, ae_title=called)
    try:
        yield association
    finally:
        if association.is_established:
            association.release()
        # The library leaves a connection open that the other side closed first.
        if association.dul.socket is not None and association.dul.socket.socket is not None:
            association.dul.socket.socket.close()


def is_heard(port, **asked):
    with associated(port, **asked) as association:
        return association.is_established


@pytest.fixture
def served(home):
    """A receiver in this process, with settings; tells its port."""

    @contextmanager
    def serving(**stated):
        stated = {"port": 0, "peers": [PEER], "quiet_seconds": 600} | stated
        settings = ReceiverSettings.model_validate(stated)
        reception = Reception(home, settings)
        with reception.working(), Receiver(home, settings, reception).listening() as port:
            yield port

    return serving


@contextmanager
def program(home):
    """`mip imaging listen`, killed in the end; tells its port and its process."""
    process = subprocess.Popen(
        [sys.executable, "-c", "from medmip.cli.main import main; main()", "imaging", "listen"],
        env=os.environ | {"MIP_HOME": str(home.path)},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield int(re.search(r"port (\d+)", process.stdout.readline())[1]), process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def received(home):
    return [path for path in home.received.rglob("*") if path.is_file()]


def test_what_was_acknowledged_outlives_a_kill_and_becomes_the_scan_of_its_files(home, tmp_path):
    home.configuration.write_text(SECTION)
    paths = scan(tmp_path / "in")
    with program(home) as (port, process), associated(port, syntax=PLAIN) as association:
        assert association.send_c_echo().Status == 0
        for path in paths:
            assert association.send_c_store(path).Status == 0
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert len(received(home)) == len(paths)
    assert Shelf(home).records() == []
    with program(home) as (_, process):
        until(lambda: Shelf(home).records() and not received(home), seconds=200)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    (record,) = Shelf(home).records()
    assert (record.verdict, record.files) == ("taken", len(paths))
    (again,) = add(home, [tmp_path / "in"], identity_of(home))
    assert (again.record, again.new) == (record, False)


def test_only_peers_that_are_named_by_title_and_address_are_heard(served):
    other = {"title": "SCANNER", "address": "192.0.2.0/24"}
    with served(peers=[PEER, other]) as port:
        assert is_heard(port)
        assert not is_heard(port, title="SCANNER"), "it is not at its address"
        assert not is_heard(port, title="STRANGER")
        assert not is_heard(port, called="OTHER")
    with (
        served(peers=[other]) as port,
        socket.create_connection(("127.0.0.1", port), timeout=20) as stranger,
    ):
        assert stranger.recv(1) == b"", "the caller's address is not SCANNER's"
    with served(associations=1) as port, associated(port) as first:
        assert first.is_established
        assert not is_heard(port)


def test_without_a_named_peer_nothing_listens(home):
    settings = imaging_settings(home).receiver
    with pytest.raises(ImagingError, match="No peer may send"):
        Receiver(home, settings, Reception(home, settings))


def test_other_images_than_those_of_magnetic_resonance_are_not_negotiated(served):
    asked = (CTImageStorage, MRImageStorage)
    with served() as port, associated(port, contexts=asked) as association:
        assert [one.abstract_syntax for one in association.accepted_contexts] == [MRImageStorage]
        assert [one.abstract_syntax for one in association.rejected_contexts] == [CTImageStorage]


def test_what_cannot_be_kept_is_told_in_dicoms_words(home, served, tmp_path):
    path, *_ = scan(tmp_path / "in", slices=2)
    with served() as port, associated(port, contexts=[MRImageStorage]) as association:
        (context,) = association.accepted_contexts

        def status(**changed):
            """Of a C-STORE whose command or data are not as the image says."""
            image = dcmread(path)
            command = C_STORE()
            command.MessageID, command.Priority = 1, 2
            command.AffectedSOPClassUID = MRImageStorage
            command.AffectedSOPInstanceUID = changed.get("instance", image.SOPInstanceUID)
            if changed.get("series", True) is None:
                del image.SeriesInstanceUID
            command.DataSet = BytesIO(changed.get("data") or encode(image, False, True))
            association._reactor_checkpoint.clear()
            association.dimse.send_msg(command, context.context_id)
            _, answer = association.dimse.get_msg(block=True)
            association._reactor_checkpoint.set()
            return answer.Status

        assert status(instance="1.2.3") == 0xA900
        assert status(series=None) == 0xA900
        assert status(data=b"\x08\x00\x05") == 0xC000
        assert status(data=b"\xff" * 300) in (0xC000, 0xA900)
        assert received(home) == []
        assert status() == 0
    with served(free_megabytes=10**9) as port, associated(port) as association:
        assert association.send_c_store(path).Status == 0xA700
    assert len(received(home)) == 1


def test_a_peer_that_sends_more_than_may_be_is_cut_off(home, served, tmp_path):
    path, *_ = scan(tmp_path / "in", slices=1, PixelData=bytes(4 * 2**20))
    with served(megabytes=1) as port, associated(port) as association:
        assert association.send_c_store(path).get("Status") is None
        until(lambda: association.is_aborted)
    assert received(home) == []
