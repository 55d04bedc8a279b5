"""Notices by e-mail."""

import smtplib
import socket
import ssl
from email.message import EmailMessage
from email.utils import format_datetime

from medmip.logbook import logger
from medmip.notices.delivery import NotDelivered, trusting
from medmip.notices.message import Message
from medmip.notices.secret import secret_of
from medmip.notices.settings import EmailSettings, NoticeSettings

_PATIENCE = 20.0
"""Seconds that the server may take for each of its answers."""
_WORDS = {
    TimeoutError: "no answer in time",
    ConnectionRefusedError: "the connection is refused",
    socket.gaierror: "the host has no address",
    ssl.SSLError: "TLS is not agreed on",
}
log = logger("medmip.notices")


class Email:
    """Sends by one mail server; raises SettingsError where its secret cannot be read."""

    def __init__(self, settings: NoticeSettings, own: EmailSettings) -> None:
        self._settings = settings
        self._own = own
        self._password = secret_of("email", own)
        self._context = trusting("email", own.authority_file)
        self._domain = own.sender.rpartition("@")[2]

    def deliver(self, message: Message) -> None:
        accepted = False
        try:
            with self._dialled() as server:
                if self._own.security == "starttls":
                    # Raises where the server does not offer it: nothing is said in the open.
                    server.starttls(context=self._context)
                if self._own.user:
                    server.login(self._own.user, self._password)
                refused = server.send_message(self._written(message))
                accepted = True
        except (OSError, smtplib.SMTPException, ValueError) as error:
            # Once it is accepted, a server that ends the talk badly must not get it again.
            if not accepted:
                raise NotDelivered(_told(error)) from None
        if accepted and refused:
            log.warning("the mail server refused some receivers", number=len(refused))

    def _dialled(self) -> smtplib.SMTP:
        # The name is told so that none is asked of a DNS which may not answer.
        host, port, name = self._own.host, self._own.at, self._domain
        if self._own.security == "tls":
            return smtplib.SMTP_SSL(host, port, name, timeout=_PATIENCE, context=self._context)
        return smtplib.SMTP(host, port, name, timeout=_PATIENCE)

    def _written(self, message: Message) -> EmailMessage:
        mail = EmailMessage()
        mail["From"] = self._own.sender
        mail["To"] = ", ".join(self._own.to)
        mail["Subject"] = message.subject(self._settings)
        mail["Date"] = format_datetime(message.at)
        mail["Message-ID"] = f"<{message.id}@{self._domain}>"
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(message.text(self._settings))
        return mail


def _told(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        return f"{type(error).__name__} {error.smtp_code}"
    return reason_of(error)


def reason_of(error: Exception) -> str:
    """Why a connection failed, in words of ours: a foreign message may quote a secret."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"the certificate is not accepted: {cause.verify_message}"
        for kind, words in _WORDS.items():
            if isinstance(cause, kind):
                return words
        cause = cause.__cause__ or cause.__context__
    return type(error).__name__
