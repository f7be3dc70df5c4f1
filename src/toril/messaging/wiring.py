"""What a mailer takes from its arguments, or from the application's settings."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import URL

from toril import Toril
from toril.errors import ConfigurationError
from toril.messaging.address import Address
from toril.messaging.brand import Brand
from toril.messaging.composer import Composer
from toril.messaging.database import default_url, log_url
from toril.messaging.keys import Keys
from toril.messaging.templates import Templates
from toril.messaging.transport import Transport, transport_from_url
from toril.messaging.unsubscribe import WayOut

__all__ = ["composer_of", "log_of", "transport_of", "way_out_of"]


def transport_of(app: Toril, given: str | Transport | None) -> Transport:
    """Return what carries mails out; raise ConfigurationError if nothing names it."""
    chosen = given if given is not None else app.settings.mail_url
    if chosen is None:
        raise ConfigurationError("transport: expected a URL such as smtp://localhost:1025, or MAIL_HOST to be set")
    return transport_from_url(chosen) if isinstance(chosen, str) else chosen


def composer_of(
    app: Toril,
    from_address: str | None,
    templates: str | Path | None,
    brand: Brand | None,
    keys: Keys,
    way_out: WayOut | None,
) -> Composer:
    """Return what makes mails of messages; raise ConfigurationError, InvalidAddress."""
    sender = _sender_of(app, from_address)
    brand = brand or Brand.of(app.settings, sender.name or sender.domain)
    found = Templates(templates or app.settings.templates, brand=brand, locale=app.settings.locale)
    return Composer(sender, found, keys, way_out)


def _sender_of(app: Toril, given: str | None) -> Address:
    chosen = given or app.settings.mail_from
    if chosen is None:
        raise ConfigurationError("from_address: expected an address, or MAIL_FROM_ADDRESS to be set")
    return Address.parse(chosen, "from_address")


def log_of(app: Toril, given: str | None) -> URL:
    """Return the database of the delivery log."""
    configured = app.settings.mail_log_url
    chosen = given or (configured.get_secret_value() if configured else None)
    return log_url(chosen or default_url(app.url))


def way_out_of(app: Toril, keys: Keys, given: str | None) -> WayOut | None:
    """Return what makes the links out of subscribed mail, if there is an address for them."""
    url = given or app.settings.unsubscribe_url
    if url is None:
        return None
    if keys.links is None:
        raise ConfigurationError("unsubscribe_url: its links need a key: set TORIL_SECRET_KEYS")
    return WayOut(url, keys.links)
