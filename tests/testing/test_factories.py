from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

import nexevo_async
from nexevo_async import (
    ChatCompletion,
    ChatCompletionChunk,
    Conversation,
    FeedbackSummary,
    Key,
    Message,
    Model,
    NewKey,
    Session,
    ToolCall,
    WebhookEvent,
)
from nexevo_async.contract.model import declared
from nexevo_async.testing import make
from nexevo_async.testing.factories import SAMPLES

MODELS: list[type[Model]] = [
    model
    for name in nexevo_async.__all__
    if isinstance(model := getattr(nexevo_async, name), type)
    and issubclass(model, Model)
    and model is not Model
]


@pytest.mark.parametrize("model", MODELS)
def test_there_is_a_sensible_one_of_every_model(model: type[Model]):
    made = make(model)
    assert type(made) is model
    assert made == make(model)
    assert made.to_dict() == SAMPLES[model], "add its sample to nexevo_async/testing/factories.py"
    assert SAMPLES[model].keys() <= declared(model)
    assert made.meta.status == 200


def test_a_field_is_given_in_one_line():
    assert make(ChatCompletion, content="hi").text == "hi"
    assert make(ChatCompletionChunk, content="hi").text == "hi"
    conversation = make(Conversation, title=None, messages=[make(Message, content="x")])
    assert (conversation.title, "title" in conversation) == (None, True)
    assert conversation["messages"][0].content == "x"


def test_what_a_model_does_not_have_is_its_nearest_parts():
    made = make(NewKey, name="other", monthly_spend_cap_usd=Decimal("20.10"))
    assert (made.key.name, made.key.monthly_spend_cap_usd) == ("other", Decimal("20.10"))
    assert make(ChatCompletion, total_tokens=7).usage == make(
        nexevo_async.CompletionUsage, total_tokens=7
    )
    assert make(Session, email="a@b.com").user == make(nexevo_async.User, email="a@b.com")
    assert make(WebhookEvent, threshold_pct=100).data is not None


def test_values_are_given_as_the_model_or_the_gateway_has_them():
    when = datetime(2026, 2, 3, tzinfo=UTC)
    assert make(Key, created_at=when) == make(Key, created_at="2026-02-03T00:00:00Z")
    tools = [make(ToolCall, arguments="{}")]
    message = make(ChatCompletion, tool_calls=tools).choices[0].message
    assert message.tool_calls == tools
    assert make(FeedbackSummary).by_model == {"gpt-4o": make(nexevo_async.FeedbackCount)}


def test_one_that_is_made_changes_no_other():
    make(ChatCompletion, content="changed")
    assert make(ChatCompletion).text == "Hello!"


@pytest.mark.parametrize(
    ("fields", "error", "says"),
    [
        ({"titel": "x"}, TypeError, "Conversation has no field 'titel'.*message_count.*title"),
        ({"message_count": "x"}, ValueError, r"\$\.message_count: expected an integer"),
        ({"conversation_id": None}, ValueError, r"\$\.conversation_id: expected a string"),
    ],
)
def test_a_mistake_is_named(fields: dict[str, Any], error: type[Exception], says: str):
    with pytest.raises(error, match=says):
        make(Conversation, **fields)


def test_a_model_without_a_sample_needs_what_has_to_be_there(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delitem(SAMPLES, Conversation)
    with pytest.raises(TypeError, match=r"a required field is missing"):
        make(Conversation)
    assert make(Conversation, conversation_id="c").title is None
