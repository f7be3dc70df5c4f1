"""A file that comes with a mail over HTTP: in the request, or as a link."""

from __future__ import annotations

import base64
import binascii

from pydantic import Field, model_validator

from toril.errors import InvalidMessage
from toril.messaging import Attachment
from toril.web.api.queues import Model

__all__ = ["AttachmentModel"]


class AttachmentModel(Model):
    """A file: its `content` in base64, or the https:// `url` that it is read from when the message is accepted."""

    name: str = Field("", max_length=200)
    media_type: str = Field("", max_length=200, examples=["application/pdf"])
    content: str | None = None
    url: str | None = Field(None, max_length=2_000, pattern=r"^https://")

    @model_validator(mode="after")
    def _one(self) -> AttachmentModel:
        if (self.content is None) == (self.url is None):
            raise ValueError("content, url: expected one of them")
        return self

    def read(self) -> Attachment:
        """Return the attachment; raise InvalidMessage."""
        if self.url is not None:
            return Attachment(self.url, self.name, self.media_type)
        try:
            content = base64.b64decode(self.content or "", validate=True)
        except (binascii.Error, ValueError):
            raise InvalidMessage(f"attachments: {self.name or 'content'}: expected base64") from None
        return Attachment(content, self.name, self.media_type)
