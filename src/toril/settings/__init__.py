"""The settings: `Settings` reads them all, each module beside it declares those of one part."""

from toril.settings.forms import mask_url
from toril.settings.settings import Settings

__all__ = ["Settings", "mask_url"]
