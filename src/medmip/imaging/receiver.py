"""The DICOM receiver: a C-STORE and C-ECHO SCP for peers that are named, and for nobody else."""

import logging
import ssl
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from socketserver import BaseServer
from typing import Any
from weakref import WeakKeyDictionary

from pydicom import Dataset, dcmread
from pydicom.uid import (
    JPEG2000,
    UID,
    DeflatedExplicitVRLittleEndian,
    EnhancedMRImageStorage,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    MRImageStorage,
    RLELossless,
)
from pynetdicom import AE, _config, evt
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.transport import ThreadedAssociationServer

from medmip.catalogue.home import Home
from medmip.errors import Conflict
from medmip.imaging.errors import ImagingError
from medmip.imaging.receiver_tls import context_of
from medmip.imaging.reception import Reception
from medmip.imaging.settings import ReceiverSettings
from medmip.imaging.slice_file import UNREADABLE
from medmip.logbook import logger

VERIFICATION = UID("1.2.840.10008.1.1")
"""C-ECHO, by which a peer tries the connection."""
CLASSES = (MRImageStorage, EnhancedMRImageStorage)
"""What is negotiated: images of magnetic resonance. All others are refused at the door."""
SYNTAXES = (
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    JPEGLosslessSV1,
    JPEGLossless,
    JPEG2000Lossless,
    JPEG2000,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)
"""Those that intake takes, the plainest first."""
STORED = 0x0000
OUT_OF_RESOURCES = 0xA700
NO_MATCH = 0xA900
NOT_UNDERSTOOD = 0xC000
"""PS3.4, Table B.2-1: out of resources, not what the command says, cannot understand."""
_CALLING_UNKNOWN = (0x01, 0x01, 0x03)
"""PS3.8, 9.3.4: rejected for good, by the service's user, calling AE title not recognised."""
_GREETING = 10.0
"""Seconds that a caller has for TLS."""
_SILENCE = 30.0
"""Seconds of silence after which a peer is cut off at the earliest."""
_OVERHEAD = 2**20
"""Bytes of commands and headers beside an instance."""
log = logger("medmip.imaging")


class _Server(ThreadedAssociationServer):
    """Hears the addresses of peers alone, and not many more of them at once than are served."""

    settings = ReceiverSettings()
    context: ssl.SSLContext | None = None

    def process_request_thread(self, request: Any, client_address: Any) -> None:  # noqa: ANN401
        """Greets by TLS in a thread of its own: whoever is slow there keeps nobody else waiting."""
        if self.context is not None:
            try:
                request.settimeout(_GREETING)
                request = self.context.wrap_socket(request, server_side=True)
                request.settimeout(None)
            except OSError as error:
                reason = getattr(error, "reason", None) or type(error).__name__
                log.warning(
                    "a caller's TLS was refused", address=str(client_address[0]), reason=reason
                )
                self.shutdown_request(request)
                return
        super().process_request_thread(request, client_address)

    def verify_request(self, request: Any, client_address: Any) -> bool:  # noqa: ANN401, ARG002
        address = str(client_address[0])
        if not any(peer.is_at(address) for peer in self.settings.peers):
            log.warning("a caller from an unknown address was refused", address=address)
            return False
        # A few more than are served may come, to hear of the limit in DICOM's own words.
        return len(self.active_associations) < 2 * self.settings.associations + 2

    def shutdown(self) -> None:
        BaseServer.shutdown(self)
        self.server_close()


class Receiver:
    """Serves the peers of its settings while `listening`; what it acknowledged is on the disk."""

    def __init__(self, home: Home, settings: ReceiverSettings, reception: Reception) -> None:
        """Raises ImagingError where no peer is named, for then nobody could send, or no TLS is."""
        if not settings.peers:
            raise ImagingError(
                "No peer may send: the section [imaging.receiver] names none.",
                where=home.configuration.name,
                remedy="Name each with its AE title and address, as docs/imaging.md shows.",
            )
        self._settings = settings
        self._context = context_of(home, settings.tls) if settings.tls else None
        self._reception = reception
        self._unanswered: WeakKeyDictionary[Association, int] = WeakKeyDictionary()
        self._entity = AE(settings.title)
        self._entity.require_called_aet = True
        self._entity.maximum_associations = settings.associations
        silence = max(_SILENCE, settings.quiet_seconds)
        self._entity.network_timeout = self._entity.dimse_timeout = silence
        self._entity.acse_timeout = _SILENCE
        self._entity.add_supported_context(VERIFICATION)
        for storage in CLASSES:
            self._entity.add_supported_context(storage, list(SYNTAXES))

    @contextmanager
    def listening(self) -> Iterator[int]:
        """Tells the port; raises Conflict where it cannot be listened on."""
        # The libraries' own lines and warnings quote what peers send.
        for library in ("pynetdicom", "pydicom"):
            logging.getLogger(library).setLevel(logging.CRITICAL + 1)
        warnings.filterwarnings("ignore", module="pydicom")
        _config.LOG_HANDLER_LEVEL = "none"
        settings = self._settings
        try:
            server = self._entity.make_server(
                (str(settings.address), settings.port),
                evt_handlers=[
                    (evt.EVT_REQUESTED, self._requested),
                    (evt.EVT_DATA_RECV, self._heard),
                    (evt.EVT_DIMSE_SENT, self._answered),
                    (evt.EVT_C_STORE, self._store),
                ],
                server_class=_Server,
            )
        except OSError as error:
            raise Conflict(
                f"{settings.address} port {settings.port} cannot be listened on: {error.strerror}",
                remedy="Choose others in the section [imaging.receiver] of mip.toml.",
            ) from None
        assert isinstance(server, _Server)
        server.settings = settings
        server.context = self._context
        thread = threading.Thread(target=server.serve_forever, name="receiver", daemon=True)
        thread.start()
        try:
            yield int(server.server_address[1])
        finally:
            server.shutdown()
            # What is not acknowledged yet, the peer sends again.
            ending = server.active_associations
            for association in ending:
                # Not to be waited for by the library, which does so for ever where one has ended.
                association.abort(block=False)
            for one in (thread, *ending):
                one.join(timeout=5)

    def _requested(self, event: evt.Event) -> None:
        caller = event.assoc.requestor
        title = str(caller.primitive.calling_ae_title if caller.primitive else "").strip()
        if any(
            peer.title == title and peer.is_at(str(caller.address)) for peer in self._settings.peers
        ):
            return
        log.warning("a caller of an unknown title was refused", address=caller.address)
        event.assoc.acse.send_reject(*_CALLING_UNKNOWN)
        event.assoc.kill()

    def _heard(self, event: evt.Event) -> None:
        """Bounds what waits for an answer, one large instance or many small ones."""
        waiting = self._unanswered.get(event.assoc, 0) + len(event.data)
        self._unanswered[event.assoc] = waiting
        if waiting > self._settings.megabytes * 2**20 + _OVERHEAD:
            log.warning("a peer that sent too much at once was cut off", bytes=waiting)
            event.assoc.abort()

    def _answered(self, event: evt.Event) -> None:
        self._unanswered[event.assoc] = 0

    def _store(self, event: evt.Event) -> int:
        """The status of one instance; it is on the disk before it is told to be stored."""
        content = event.encoded_dataset()
        try:
            image = dcmread(BytesIO(content))
            study, matches = str(image.get("StudyInstanceUID", "")), _matches(image, event)
        except UNREADABLE:
            return NOT_UNDERSTOOD
        if not len(image):
            return NOT_UNDERSTOOD
        if not matches:
            return NO_MATCH
        try:
            kept = self._reception.keep(event.assoc, study, content)
        except OSError as error:
            log.error("an image could not be written", error=error.errno)
            return OUT_OF_RESOURCES
        return STORED if kept else OUT_OF_RESOURCES


def _matches(image: Dataset, event: evt.Event) -> bool:
    """Whether an image is what its command says, and can belong to a series."""
    command = event.request
    return bool(
        isinstance(command, C_STORE)
        and image.get("SOPClassUID") == command.AffectedSOPClassUID
        and image.get("SOPInstanceUID") == command.AffectedSOPInstanceUID
        and image.get("StudyInstanceUID")
        and image.get("SeriesInstanceUID")
    )
