"""Brands: what is refused, and that every colour can be read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toril.errors import ConfigurationError
from toril.messaging import Brand
from toril.messaging.brand import _contrast
from toril.settings import Settings


@given(st.integers(0, 0xFFFFFF))
def test_all_text_can_be_read(number):
    brand = Brand("Shop", f"#{number:06x}")
    assert _contrast(brand.on_color, brand.color) >= 4.5 or brand.on_color == "#101418"
    assert _contrast(brand.link, "#ffffff") >= 4.5
    assert _contrast(brand.dark, "#1c2024") >= 4.5
    assert _contrast(brand.on_dark, brand.dark) >= 4.4


def test_a_colour_that_can_be_read_stays():
    brand = Brand("Shop", "#0a66c2")
    assert (brand.on_color, brand.link) == ("#ffffff", "#0a66c2")


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"name": " "}, "brand name: expected a name, got none"),
        ({"name": "Shop", "color": "red"}, "brand color: expected a colour such as #b3261e, got 'red'"),
        ({"name": "Shop", "color": "#fff;} body{display:none"}, "brand color: expected a colour"),
        ({"name": "Shop", "logo": "/logo.png"}, "brand logo: expected an absolute"),
        ({"name": "Shop", "url": "javascript:alert(1)"}, "brand url: expected an absolute"),
    ],
)
def test_bad_brands(options, fault):
    with pytest.raises(ConfigurationError, match=fault):
        Brand(**options)


def test_settings_describe_one():
    env = {
        "TORIL_BRAND_COLOR": "#0a66c2",
        "TORIL_BRAND_URL": "https://shop.example",
        "TORIL_BRAND_ADDRESS": "12 Mill Lane",
    }
    brand = Brand.of(Settings(env=env, dotenv=None), "Shop")
    assert brand == Brand("Shop", "#0a66c2", "https://shop.example", address="12 Mill Lane")
