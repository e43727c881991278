"""E-mail over SMTP: text and HTML, the messages of one case in one thread."""

from __future__ import annotations

import contextlib
import hashlib
import smtplib
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from email.errors import HeaderParseError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import format_datetime
from urllib.parse import parse_qs, unquote, urlsplit

from services.common.clock import Now
from services.common.errors import UserError
from services.notifier.channels.base import (
    Accepted,
    BadAddress,
    BadCredential,
    FateUnknown,
    Message,
    Refused,
    TooLarge,
    TryLater,
)
from services.notifier.channels.limits import UNLIMITED, Limits
from services.notifier.channels.saying import one_line
from services.notifier.people import Person

TIMEOUT_S = 15.0
_PORTS = {"smtp": 587, "smtps": 465}


class BadSmtpUrl(UserError):
    """BELLWETHER_SMTP_URL cannot be used; the message says how one looks. It does not repeat the password."""


@dataclass(frozen=True)
class SmtpServer:
    """Where mail is handed over. `tls`: "implicit" (smtps), "starttls" (demanded, not merely tried) or "none"."""

    host: str
    port: int
    tls: str
    sender: str
    user: str | None = None
    password: str | None = None


def parse_smtp_url(url: str) -> SmtpServer:
    """smtp://user:password@host:587?from=bellwether@example.com, smtps://..., or with &tls=none for a server nearby."""
    wanted = "BELLWETHER_SMTP_URL must look like smtp://user:password@mail.example.com:587?from=bellwether@example.com"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise BadSmtpUrl(wanted) from None
    options = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    sender = options.get("from", "")
    default = "implicit" if parts.scheme == "smtps" else "starttls"
    tls = options.get("tls", default)
    if parts.scheme not in _PORTS or not parts.hostname or not _is_address(sender):
        raise BadSmtpUrl(wanted)
    if tls not in (default, "none"):
        raise BadSmtpUrl(f"{wanted}; tls=none is the only other choice for tls")
    user, password = (unquote(part) if part else None for part in (parts.username, parts.password))
    return SmtpServer(parts.hostname, port or _PORTS[parts.scheme], tls, sender, user, password)


class EmailChannel:
    """Hands each message over on a connection of its own; a page is rare enough for that."""

    kind = "email"

    def __init__(
        self,
        server: SmtpServer,
        now: Now,
        tls_context: ssl.SSLContext | None = None,
        *,
        name: str = "email",
        limits: Limits = UNLIMITED,
        sender_name: str = "Bellwether",
    ) -> None:
        self.name = name
        self._sender_name = sender_name
        self.limits = limits
        self._server = server
        self._now = now
        self._tls = tls_context or ssl.create_default_context()

    def scope(self, message: Message) -> str:
        """One for all."""
        return self.name

    def cost(self, message: Message) -> int:
        """One message is one."""
        return 1

    def reaches(self, person: Person) -> bool:
        """Who has an address."""
        return person.email is not None

    def has_sent(self, key: str) -> bool | None:
        """Nobody can be asked."""
        return None

    def send(self, message: Message) -> Accepted:
        """Accepted with the Message-ID once the server has answered 250 to the whole mail."""
        if message.to.email is None or not _is_address(message.to.email):
            said = f"通讯录中没有可用的邮箱地址 / no usable e-mail address in the directory: {message.to.id}"
            raise BadAddress(said, code="no_address")
        mail = compose(message, self._server.sender, format_datetime(self._now()), self._sender_name)
        with self._connection() as smtp:
            _hand_over(smtp, self._server.sender, message.to.email, mail)
        return Accepted(str(mail["Message-ID"]))

    @contextlib.contextmanager
    def _connection(self) -> Iterator[smtplib.SMTP]:
        try:
            smtp = self._connect()
        except smtplib.SMTPAuthenticationError as error:
            said = f"邮件服务器拒绝密码 / the mail server refuses our password: {_said(error)}"
            raise BadCredential(said, code=str(error.smtp_code)) from None
        except (OSError, smtplib.SMTPException) as error:
            raise TryLater(f"邮件服务器不可用 / the mail server cannot be used: {error}", everyone=True) from None
        try:
            yield smtp
        finally:
            # The verdict on the mail is known by now; how the server says goodbye changes nothing.
            with contextlib.suppress(OSError, smtplib.SMTPException):
                smtp.quit()

    def _connect(self) -> smtplib.SMTP:
        server = self._server
        smtp: smtplib.SMTP
        if server.tls == "implicit":
            smtp = smtplib.SMTP_SSL(server.host, server.port, timeout=TIMEOUT_S, context=self._tls)
        else:
            smtp = smtplib.SMTP(server.host, server.port, timeout=TIMEOUT_S)
        smtp.ehlo()
        if server.tls == "starttls":
            smtp.starttls(context=self._tls)
            smtp.ehlo()
        if server.user and server.password:
            smtp.login(server.user, server.password)
        return smtp


def compose(message: Message, sender: str, date: str, sender_name: str = "Bellwether") -> EmailMessage:
    """The mail. Names and subject lose control characters: nobody adds a header through them."""
    assert message.to.email is not None, "send() refuses who has no address"
    domain = sender.rpartition("@")[2]
    mail = EmailMessage(policy=SMTP_POLICY)
    mail["From"] = Address(one_line(sender_name), addr_spec=sender)
    mail["To"] = Address(one_line(message.to.name), addr_spec=message.to.email)
    mail["Subject"] = one_line(message.subject)
    mail["Date"] = date
    mail["Message-ID"] = f"<{_digest(message.key)}@{domain}>"
    if message.reply_to is not None and _is_address(message.reply_to):
        mail["Reply-To"] = message.reply_to
    # Nobody else should answer a machine: holiday notes and the like.
    mail["Auto-Submitted"] = "auto-generated"
    if message.case_id is not None:
        thread = f"<case-{_digest(message.case_id)}@{domain}>"
        mail["In-Reply-To"] = thread
        mail["References"] = thread
    mail.set_content(message.text)
    mail.add_alternative(message.html, subtype="html")
    return mail


def _hand_over(smtp: smtplib.SMTP, sender: str, recipient: str, mail: EmailMessage) -> None:
    """MAIL, RCPT and DATA one by one: only a connection lost in DATA leaves the mail's fate unknown."""
    try:
        # The server's own limit is asked before the mail is carried there.
        size = [f"size={len(mail.as_bytes())}"] if smtp.has_extn("size") else []
        _expect(smtp.mail(sender, size))
        _expect(smtp.rcpt(recipient), BadAddress)
    except (OSError, smtplib.SMTPException) as error:
        raise TryLater(f"发信前连接中断 / the mail server went away before the mail: {error}", everyone=True) from None
    try:
        _expect(smtp.data(mail.as_bytes()))
    except smtplib.SMTPDataError as error:
        _expect((error.smtp_code, _bytes(error.smtp_error)))
    except (OSError, smtplib.SMTPException) as error:
        raise FateUnknown(f"发信时连接中断 / the mail server went away during the mail: {error}") from None


def _expect(answer: tuple[int, bytes], otherwise: type[Refused] = Refused) -> None:
    """2xx goes on, 4xx is for later, anything else is for ever: 552 and its like for the mail's size."""
    code, text = answer
    if 200 <= code < 300:
        return
    words = text.decode(errors="replace")[:200]
    said, shown = f"邮件服务器答复 / the mail server answered {code} {words}", str(code)
    if 400 <= code < 500:
        raise TryLater(said, code=shown)
    if code == 552 or words.startswith("5.3.4"):
        raise TooLarge(said, code=shown)
    # A server may refuse a recipient for what we are, not for who they are: 5.7 is its policy.
    raise (Refused if words.startswith("5.7") else otherwise)(said, code=shown)


def _said(error: smtplib.SMTPResponseException) -> str:
    return f"{error.smtp_code} {_bytes(error.smtp_error).decode(errors='replace')[:200]}"


def _bytes(text: bytes | str) -> bytes:
    return text.encode() if isinstance(text, str) else text


def _is_address(text: str) -> bool:
    try:
        address = Address(addr_spec=text)
    except (ValueError, HeaderParseError, IndexError):
        return False
    return bool(address.username and address.domain) and text.isascii() and text.isprintable()


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]
