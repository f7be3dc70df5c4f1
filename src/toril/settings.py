"""Every setting, typed: argument, else environment, else `.env`, else default; empty means unset."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import quote
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, DirectoryPath, Field, PrivateAttr, SecretStr
from pydantic import ValidationError as PydanticError
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from toril.environment import Layer, Origin, Variable, read_dotenv
from toril.errors import InvalidSettings

__all__ = ["Settings", "mask_url"]

DOTENV = Path(".env")
MASK = "********"
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


def mask_url(url: str) -> str:
    """Return `url` with its password hidden, wherever it stands; safe for a badly written one, too."""
    url = re.sub(r"(?i)([?&;](?:pass\w*|secret|token|\w*key)=)[^&;#]+", rf"\1{MASK}", url)
    before, at, host = url.rpartition("@")
    scheme, slashes, login = before.rpartition("://")
    if not slashes and at:
        return f"{MASK}@{host}"
    user, colon, _ = login.partition(":")
    return f"{scheme}://{user}:{MASK}@{host}" if colon else url


def _hide(_: str) -> str:
    return MASK


def _host(value: str) -> str:
    bare = value.removeprefix("[").removesuffix("]")
    if not re.fullmatch(r"[\w.-]+|[0-9A-Fa-f.]*:[0-9A-Fa-f.:]*:[0-9A-Fa-f.:]*(%\w+)?", bare):
        raise ValueError
    return bare


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (KeyError, OSError) as error:  # an unknown zone; a folder of zones, such as Europe
        raise ValueError from error
    return value


def _service(value: str) -> str:
    if value.lower() not in SERVICES:
        raise ValueError
    return value.lower()


def _upper(value: object) -> object:
    return value.upper() if isinstance(value, str) else value


def _split(value: object) -> object:
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else value


Host = Annotated[str, AfterValidator(_host)]
Key = Annotated[SecretStr, Field(min_length=32)]
Line = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]+$")]
Port = Annotated[int, Field(ge=1, le=65535)]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
A_HOST = "a host name or an IP address"
A_PORT = "a port number, 1 to 65535"
A_LINE = "one line of text"
A_WEB_URL = r"^https?://[^\s/]+"
SECONDS = "seconds, 0 or more"


class Settings(BaseSettings):
    """All settings of Toril, read when the object is made.

    env: the variables to read instead of those of the process.
    dotenv: the file to read below them (default: `.env` in the working directory, if any); None: no file.
    arguments: settings by field name; None and "" leave a setting to the environment.

    Raises InvalidSettings, which names the variable of each bad value and what was expected.
    """

    model_config = SettingsConfigDict(case_sensitive=True, extra="forbid", frozen=True)

    url: Annotated[
        SecretStr | None,
        Variable("TORIL_URL", "Jobs", "a store URL", example="sqlite:///toril.db", mask=mask_url),
    ] = None
    """The store, where jobs live. Without it: Redis if a Redis host is set, else `sqlite:///toril.db`."""

    prefix: Annotated[
        str,
        Field(pattern=r"^[^\s:{}]+$"),
        Variable("TORIL_PREFIX", "Jobs", "text without spaces, colons, braces"),
    ] = "bull"
    """What the names of all keys begin with, as in BullMQ."""

    timezone: Annotated[
        str,
        AfterValidator(_zone),
        Variable("TORIL_TIMEZONE", "Jobs", "an IANA time zone such as Europe/Berlin"),
    ] = "UTC"
    """The zone of cron lines that name none."""

    max_job_size: Annotated[
        int | None,
        Field(ge=1),
        Variable("TORIL_MAX_JOB_SIZE", "Jobs", "bytes, 1 or more", example="1000000"),
    ] = None
    """How large a job's data may be where its queue and task say nothing of it. Without it: as large as they are."""

    sqlite_synchronous: Annotated[
        Literal["NORMAL", "FULL"],
        BeforeValidator(_upper),
        Variable("TORIL_SQLITE_SYNCHRONOUS", "Jobs", "NORMAL or FULL"),
    ] = "NORMAL"
    """What a power cut may take from a SQLite store: NORMAL the last 30 s or so, FULL nothing (slower)."""

    lease: Annotated[Seconds, Field(ge=1), Variable("TORIL_LEASE", "Worker", "seconds, 1 or more")] = 10.0
    """When a job's worker has given no sign of life for so long, another one may take the job over."""

    grace: Annotated[Seconds, Variable("TORIL_GRACE", "Worker", SECONDS)] = 30.0
    """How long a worker that is told to stop lets running jobs finish before it hands them back."""

    deploy_grace: Annotated[Seconds, Variable("TORIL_DEPLOY_GRACE", "Worker", SECONDS)] = 600.0
    """How long a job whose task no worker knows yet is put back before it fails."""

    loop_patience: Annotated[Seconds, Field(ge=1), Variable("TORIL_LOOP_PATIENCE", "Worker", "seconds, 1 or more")] = (
        60.0
    )
    """How long a worker's event loop may stand still (or twice its longest timeout) before its process is ended."""

    process_max_jobs: Annotated[
        int | None,
        Field(ge=1),
        Variable("TORIL_PROCESS_MAX_JOBS", "Worker", "a whole number, 1 or more", example="1000"),
    ] = None
    """How many jobs a process of `process=True` tasks runs before a fresh one takes its place. Without it: any."""

    process_max_rss: Annotated[
        int | None, Field(ge=1), Variable("TORIL_PROCESS_MAX_RSS", "Worker", "megabytes, 1 or more", example="500")
    ] = None
    """What such a process may hold after a job before a fresh one takes its place (Linux only). Without it: any."""

    email_queue_concurrency: Annotated[
        int, Field(ge=1), Variable("EMAIL_QUEUE_CONCURRENCY", "Worker", "a whole number, 1 or more")
    ] = 5
    """How many mails one worker process sends at once."""

    worker_health_check_port: Annotated[
        Port | None, Variable("WORKER_HEALTH_CHECK_PORT", "Worker", A_PORT, example="3001")
    ] = None
    """Where a worker answers `GET /health`. Without it: nowhere."""

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
    """What carries mails out: `smtp://`, `smtp+starttls://`, `smtps://` or `console://`.
    Without it: made of the variables from `MAIL_HOST` to `MAIL_PASSWORD`."""

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

    mail_password: Annotated[SecretStr | None, Variable("MAIL_PASSWORD", "Mail", also="EMAIL_PASS", mask=_hide)] = None
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

    locale: Annotated[
        str,
        Field(pattern=r"^[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*$"),
        Variable("TORIL_LOCALE", "Mail", "a language tag such as vi or pt-BR"),
    ] = "en"
    """The language of mails to recipients for whom none is given."""

    brand_color: Annotated[
        str,
        Field(pattern=r"^#[0-9a-fA-F]{6}$"),
        Variable("TORIL_BRAND_COLOR", "Mail", "a colour such as #b3261e"),
    ] = "#b3261e"
    """The colour of buttons and links in mails."""

    brand_url: Annotated[
        str | None,
        Field(pattern=A_WEB_URL),
        Variable("TORIL_BRAND_URL", "Mail", "an http:// or https:// address", example="https://example.com"),
    ] = None
    """Where the sender's name above each mail leads."""

    brand_logo: Annotated[
        str | None,
        Field(pattern=A_WEB_URL),
        Variable("TORIL_BRAND_LOGO", "Mail", "an http:// or https:// address", example="https://example.com/logo.png"),
    ] = None
    """The address of an image in place of the sender's name above each mail, 32 pixels high."""

    brand_address: Annotated[
        Line | None,
        Variable("TORIL_BRAND_ADDRESS", "Mail", A_LINE, example="Example Ltd, 12 Mill Lane, Dublin"),
    ] = None
    """The postal address below each mail."""

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

    secret_keys: Annotated[
        tuple[Key, ...],
        BeforeValidator(_split),
        Variable(
            "TORIL_SECRET_KEYS",
            "Mail",
            "keys of 32 characters or more, separated by commas",
            also="TORIL_SECRET_KEY",
            mask=_hide,
        ),
    ] = ()
    """What encrypts `Secret` arguments and the secret fields of messages: the first encrypts, all of them decrypt."""

    redis_queue_host: Annotated[Host | None, Variable("REDIS_QUEUE_HOST", "Redis", A_HOST, example="redis-queue")] = (
        None
    )
    """The Redis server of the queues, where it is not the one of the cache. Without it: `REDIS_HOST`."""

    redis_host: Annotated[Host | None, Variable("REDIS_HOST", "Redis", A_HOST, example="localhost")] = None
    """The Redis server."""

    redis_port: Annotated[Port, Variable("REDIS_PORT", "Redis", A_PORT)] = 6379
    """Its port."""

    redis_password: Annotated[SecretStr | None, Variable("REDIS_PASSWORD", "Redis", mask=_hide)] = None
    """Its password."""

    crash_at: Annotated[
        int | None, Field(ge=1), Variable("TORIL_CRASH_AT", "Tests", "a whole number, 1 or more", example="7")
    ] = None
    """After so many calls of the store the process kills itself, to show what a crash at that point loses: nothing."""

    _origins: dict[str, Origin] = PrivateAttr(default_factory=dict)

    def __init__(
        self, *, env: Mapping[str, str] | None = None, dotenv: str | Path | None = DOTENV, **arguments: Any
    ) -> None:
        if dotenv is DOTENV and not DOTENV.exists():
            dotenv = None
        layers = (
            Layer(type(self), "environment", os.environ if env is None else env),
            Layer(type(self), ".env", read_dotenv(Path(dotenv)) if dotenv else {}),
        )
        given = {name: value for name, value in arguments.items() if value not in (None, "")}
        problems: list[str] = []
        try:
            super().__init__(layers=layers, **given)
        except PydanticError as error:
            problems = [_problem(detail, layers) for detail in error.errors()]
        if problems:  # raised out here, so that no traceback leads to the bad values themselves
            raise InvalidSettings("\n".join(dict.fromkeys(problems)))
        self._origins = {name: Origin("argument", name) for name in given}
        for layer in layers:
            self._origins |= {name: found.origin for name, found in layer.found.items()}

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Have our own layers read after the arguments (called by pydantic-settings)."""
        assert isinstance(init_settings, InitSettingsSource)
        return init_settings, *init_settings.init_kwargs.pop("layers")

    @property
    def store_url(self) -> str:
        """The store: TORIL_URL, else Redis at REDIS_QUEUE_HOST or REDIS_HOST, else `sqlite:///toril.db`.

        It holds the password: show it through `mask_url`.
        """
        if self.url:
            return self.url.get_secret_value()
        host = self.redis_queue_host or self.redis_host
        if host is None:
            return "sqlite:///toril.db"
        return f"redis://{_authority(None, self.redis_password, host, self.redis_port)}"

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
        return f"{SCHEMES.get(port, 'smtp')}://{_authority(self.mail_user, self.mail_password, host, port)}"

    @property
    def mail_from(self) -> str | None:
        """The sender, such as `PAW LOVERS <noreply@petcare.com>`; None: no address is known."""
        from email.headerregistry import Address  # dear to import, seldom wanted

        user, at, domain = (self.mail_from_address or self.mail_user or "").rpartition("@")
        return str(Address(self.mail_from_name or "", user, domain)) if at else None

    def origin(self, name: str) -> Origin:
        """Return where the setting `name` (a field) has its value from."""
        return self._origins.get(name, Origin("default", Variable.of(type(self).model_fields[name]).name))

    def shown(self, name: str) -> Any:
        """Return the value of the setting `name` (a field) fit to be shown; None: not set."""
        value, mask = getattr(self, name), Variable.of(type(self).model_fields[name]).mask
        if value in (None, ()):
            return None
        if mask:
            return mask(value.get_secret_value() if isinstance(value, SecretStr) else "")
        return str(value) if isinstance(value, Path) else value


def _authority(user: str | None, password: SecretStr | None, host: str, port: int) -> str:
    login = quote(user or "", safe="")
    if password:
        login += f":{quote(password.get_secret_value(), safe='')}"
    return f"{login}{'@' if login else ''}{f'[{host}]' if ':' in host else host}:{port}"


def _problem(detail: ErrorDetails, layers: tuple[Layer, ...]) -> str:
    """Return one line: the variable, its value fit to be shown, and what was expected."""
    name = str(detail["loc"][0])
    if name not in Settings.model_fields:
        near = get_close_matches(name, Settings.model_fields, n=1)
        return f"{name} (argument): there is no such setting{f'; did you mean {near[0]}?' if near else ''}"
    variable = Variable.of(Settings.model_fields[name])
    found = next((layer.found[name] for layer in layers if name in layer.found), None)
    value, origin = found or (str(detail["input"]), Origin("argument", name))
    shown = variable.mask(value) if variable.mask else value
    return f"{origin.name}={shown!r} ({origin.source}): expected {variable.expected}"
