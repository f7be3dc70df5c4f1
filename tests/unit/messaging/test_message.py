"""Message types and their contexts."""

from datetime import date
from decimal import Decimal

import pytest
from pydantic import BaseModel, SecretStr

from toril import Secret
from toril.cipher import Cipher
from toril.errors import ConfigurationError, InvalidContext
from toril.messaging.catalogue import BUILT_IN, PasswordReset
from toril.messaging.message import MessageType

TYPES = {kind.name: kind for kind in BUILT_IN}
RESET = TYPES["password-reset"]


@pytest.mark.parametrize(
    ("context", "fault"),
    [
        ({}, "context.name: field required; context.link: field required"),
        ({"name": "Ana", "link": "https://x.example", "nmae": 1}, "context.nmae: extra inputs are not permitted"),
        ({"name": 7, "link": "https://x.example"}, "context.name: input should be a valid string"),
        ({"name": "Ana", "link": "/reset?t=hush"}, "context.link: expected an absolute http:// or https:// address"),
        ({"name": "Ana", "link": "javascript:hush"}, "context.link: expected an absolute"),
        ({"name": "Ana", "link": "https://x.example", "valid_minutes": 0}, "context.valid_minutes: input should be greater than 0"),
    ],
)  # fmt: skip
def test_every_bad_field_is_named_and_no_value_quoted(context, fault):
    with pytest.raises(InvalidContext) as error:
        RESET.validate(context)
    assert str(error.value).startswith(fault)
    assert str(error.value).endswith("(type 'password-reset' takes: name, link, valid_minutes)")
    assert "hush" not in str(error.value)
    assert error.value.__suppress_context__


def test_nested_fields_have_their_place():
    context = {
        "name": "A",
        "order_id": "1",
        "lines": [{"name": "Hay", "quantity": 1, "price": "x"}],
        "total": 1,
        "currency": "euro",
    }
    with pytest.raises(InvalidContext, match=r"^context\.lines\[0\]\.price: .*decimal.*; context\.currency: "):
        TYPES["order-confirmation"].validate(context)


@pytest.mark.parametrize("context", [None, [], "name=Ana"])
def test_a_context_is_a_mapping_or_the_model(context):
    with pytest.raises(InvalidContext, match=r"^context of 'password-reset': expected a mapping or PasswordReset"):
        RESET.validate(context)


def test_the_model_itself_is_taken():
    context = PasswordReset(name="Ana", link="https://x.example/hush")
    assert RESET.validate(context) is context
    assert "hush" not in repr(context)


CIPHER = Cipher([SecretStr("k" * 32)], "mail")


class Everything(BaseModel):
    day: date
    price: Decimal
    token: Secret[str]
    nested: list[dict[str, Secret[str]]]


def test_what_is_dumped_is_loaded():
    kind = MessageType("everything", Everything, kind="subscribed")
    context = kind.validate({"day": date(2026, 11, 22), "price": "1.10", "token": "hush", "nested": [{"a": "b"}]})
    text = kind.dump(context, CIPHER)
    assert "hush" not in text
    loaded = kind.load(text, CIPHER)
    assert (loaded.day, loaded.price, loaded.token.reveal()) == (context.day, context.price, "hush")
    assert loaded.nested[0]["a"].reveal() == "b"


def test_what_is_compared_holds_the_secrets():
    kind = MessageType("everything", Everything, kind="subscribed")
    context = kind.validate({"day": date(2026, 11, 22), "price": "1.10", "token": "hush", "nested": [{"a": "b"}]})
    assert kind.plain(context) == (
        '{"day":"2026-11-22","price":"1.10","token":"hush","nested":[{"a":"b"}]}',
        ["hush", "b"],
    )


class Starred(BaseModel):
    token: list[SecretStr]


def test_pydantics_own_secrets_are_refused():
    with pytest.raises(ConfigurationError, match=r"^context of 'starred': expected Secret\[str\]"):
        MessageType("starred", Starred, kind="subscribed")


def test_text_that_is_no_unicode_is_refused():
    context = {"name": "Ana", "link": "https://x.example/\ud800"}
    with pytest.raises(InvalidContext):
        RESET.dump(RESET.validate(context), CIPHER)


@pytest.mark.parametrize("name", ["", "Welcome", "../etc", "a b", "a_b", "-a"])
def test_names_are_words_with_hyphens(name):
    with pytest.raises(ConfigurationError, match=r"^message type name: expected lower-case words"):
        MessageType(name, Everything, kind="transactional")


def test_a_kind_is_one_of_two():
    with pytest.raises(ConfigurationError, match=r"^kind of 'a': expected transactional or subscribed, got 'bulk'"):
        MessageType("a", Everything, kind="bulk")
