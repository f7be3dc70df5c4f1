"""Message types and their contexts."""

from datetime import date
from decimal import Decimal

import pytest
from pydantic import BaseModel, SecretStr

from toril import Secret
from toril.cipher import Cipher
from toril.errors import ConfigurationError, InvalidContext
from toril.messaging.catalogue import BUILT_IN, PasswordReset
from toril.messaging.message import Context, MessageType, type_of

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


def test_a_class_with_a_kind_is_a_type():
    class OrderHTMLReady(Context, kind="subscribed", priority=2, category="orders"):
        name: str

    assert OrderHTMLReady.type == MessageType("order-html-ready", OrderHTMLReady, "subscribed", 2, "orders")
    assert type_of(OrderHTMLReady(name="Ana")) is OrderHTMLReady.type


def test_a_class_without_a_kind_is_a_part_of_others():
    class Part(Context):
        name: str

    with pytest.raises(ConfigurationError, match=r"^Part: expected a Context with a kind"):
        type_of(Part)


def test_what_a_class_may_not_say():
    with pytest.raises(TypeError, match="kin"):
        type("Misspelt", (Context,), {}, kin="transactional")
    with pytest.raises(ConfigurationError, match=r"^kind of 'bulk': expected transactional or subscribed, got 'bulk'"):
        type("Bulk", (Context,), {}, kind="bulk")
    with pytest.raises(ConfigurationError, match=r"^category of 'news': expected lower-case words with hyphens"):
        type("News", (Context,), {}, kind="subscribed", category="My News")


@pytest.mark.parametrize("name", ["subject", "brand", "locale", "unsubscribe_url", "body"])
def test_names_with_a_meaning_in_templates_are_no_fields(name):
    with pytest.raises(
        ConfigurationError, match=rf"^context of 'note': '{name}' has a meaning of its own in templates"
    ):
        type("Note", (Context,), {"__annotations__": {name: str}}, kind="transactional")


def test_nodes_names_are_taken_and_errors_say_ours():
    assert RESET.validate({"name": "Ana", "link": "https://x.example", "validMinutes": 5}).valid_minutes == 5
    with pytest.raises(InvalidContext, match=r"^context\.valid_minutes: "):
        RESET.validate({"name": "Ana", "link": "https://x.example", "validMinutes": 0})
