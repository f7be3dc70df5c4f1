"""The settings of mail: what carries it, who sends it, where its log is."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, DirectoryPath, Field, SecretStr

from toril.settings.environment import Variable
from toril.settings.forms import A_HOST, A_PORT, Host, Line, Port, authority, hide, mask_url

__all__ = ["MailSettings"]

A_LINE = "one line of text"
# Known to Nodemailer, too: the EMAIL_SERVICE of an existing `.env` goes on working.
SERVICES = {
    "brevo": ("smtp-relay.brevo.com", 587),
    "fastmail": ("smtp.fastmail.com", 465),
    "gmail": ("smtp.gmail.com", 465),
    "gmx": ("mail.gmx.com", 587),
    "hotmail": ("smtp-mail.outlook.com", 587),
    "icloud": ("smtp.mail.me.com", 587),
    "mailgun": ("smtp.mailgun.org", 465),
    "mailjet": ("in-v3.mailjet.com", 587),
    "outlook": ("smtp-mail.outlook.com", 587),
    "outlook365": ("smtp.office365.com", 587),
    "postmark": ("smtp.postmarkapp.com", 587),
    "sendgrid": ("smtp.sendgrid.net", 587),
    "yahoo": ("smtp.mail.yahoo.com", 465),
    "zoho": ("smtp.zoho.com", 465),
}
SCHEMES = {465: "smtps", 587: "smtp+starttls"}


def _service(value: str) -> str:
    if value.lower() not in SERVICES:
        raise ValueError
    return value.lower()


class MailSettings(BaseModel):
    """What carries mails, who sends them, where their log is."""

    transport_url: Annotated[
        SecretStr | None,
        Variable(
            "TORIL_MAIL_URL",
            "Mail",
            "a URL such as smtp+starttls://user:password@host:587",
            example="smtp+starttls://user:password@smtp.example.com:587",
            mask=mask_url,
        ),
    ] = None
    """What carries mails out: `smtp://`, `smtp+starttls://`, `smtps://`, `resend://`, `file://` or `console://`;
    several with spaces between are tried in turn. Without it: what `MAIL_HOST` to `MAIL_PASSWORD` say."""

    mail_host: Annotated[Host | None, Variable("MAIL_HOST", "Mail", A_HOST, example="smtp.example.com")] = None
    """The SMTP server."""

    mail_port: Annotated[Port | None, Variable("MAIL_PORT", "Mail", A_PORT, example="587")] = None
    """Its port: 465 means TLS, 587 STARTTLS that must succeed, any other plain SMTP.
    Without it: 587, or what `EMAIL_SERVICE` uses."""

    email_service: Annotated[
        Annotated[str, AfterValidator(_service)] | None,
        Variable("EMAIL_SERVICE", "Mail", f"one of {', '.join(SERVICES)}", example="gmail"),
    ] = None
    """A mail service by name, instead of `MAIL_HOST`."""

    mail_user: Annotated[
        Line | None, Variable("MAIL_USER", "Mail", A_LINE, also="EMAIL_USER", example="you@example.com")
    ] = None
    """The login at the mail server."""

    mail_password: Annotated[SecretStr | None, Variable("MAIL_PASSWORD", "Mail", also="EMAIL_PASS", mask=hide)] = None
    """Its password (for Gmail an app password)."""

    mail_from_address: Annotated[
        str | None,
        Field(pattern=r'^[^@\s<>()",:;]+@[^@\s<>()",:;]+$'),
        Variable("MAIL_FROM_ADDRESS", "Mail", "one address, without a name", example="noreply@example.com"),
    ] = None
    """The sender's address. Without it: the login, if that is an address."""

    mail_from_name: Annotated[
        Line | None, Variable("MAIL_FROM_NAME", "Mail", A_LINE, also="FROM_NAME", example="Example Shop")
    ] = None
    """The sender's name."""

    templates: Annotated[
        DirectoryPath | None, Variable("TORIL_TEMPLATES", "Mail", "a folder that exists", example="templates")
    ] = None
    """A folder of your own mail templates, beside the built-in ones."""

    mail_log_url: Annotated[
        SecretStr | None,
        Variable(
            "TORIL_MAIL_LOG_URL",
            "Mail",
            "an SQLAlchemy URL with an async driver",
            example="sqlite+aiosqlite:///toril-mail.db",
            mask=mask_url,
        ),
    ] = None
    """The database of the delivery log. Without it: a SQLite file beside the store, named `…-mail.db`."""

    mail_keep_days: Annotated[
        int, Field(ge=0), Variable("TORIL_MAIL_KEEP_DAYS", "Mail", "a whole number, 0 or more")
    ] = 90
    """How long the delivery log keeps mails that have ended; 0: for ever."""

    unsubscribe_url: Annotated[
        str | None,
        Field(pattern=r"^https?://[!-~]+$"),
        Variable(
            "TORIL_UNSUBSCRIBE_URL",
            "Mail",
            "an absolute https:// address",
            example="https://shop.example.com/mail/unsubscribe",
        ),
    ] = None
    """The page behind the unsubscribe links of subscribed mail. Without it: such mail has none."""

    mail_webhook_secret: Annotated[
        SecretStr | None,
        Field(min_length=16),
        Variable(
            "TORIL_MAIL_WEBHOOK_SECRET",
            "Mail",
            "the signing secret that the mail provider shows",
            example="whsec_bWFkZSBieSB0aGUgcHJvdmlkZXI=",
            mask=hide,
        ),
    ] = None
    """What the provider signs its reports of bounces and complaints with. Without it: they are refused."""

    test_mail: Annotated[bool, Variable("TORIL_TEST_MAIL", "Mail", "true or false")] = False
    """Whether `toril mail test` may send outside of development."""

    @property
    def mail_url(self) -> str | None:
        """The transport: TORIL_MAIL_URL, else SMTP at MAIL_HOST or that of EMAIL_SERVICE; None: none is set.

        It holds the password: show it through `mask_url`.
        """
        if self.transport_url:
            return self.transport_url.get_secret_value()
        host, usual_port = self.mail_host, 587
        if host is None and self.email_service:
            host, usual_port = SERVICES[self.email_service]
        if host is None:
            return None
        port = self.mail_port or usual_port
        return f"{SCHEMES.get(port, 'smtp')}://{authority(self.mail_user, self.mail_password, host, port)}"

    @property
    def mail_from(self) -> str | None:
        """The sender, such as `PAW LOVERS <noreply@petcare.com>`; None: no address is known."""
        from email.headerregistry import Address  # dear to import, seldom wanted

        user, at, domain = (self.mail_from_address or self.mail_user or "").rpartition("@")
        return str(Address(self.mail_from_name or "", user, domain)) if at else None
