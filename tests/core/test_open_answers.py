"""What Nexevo does not document may be missing, null, joined by more, or new, in every answer."""

import copy
import itertools
import json
import keyword
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st
from samples import LISTS, MODELS, SINGLE, given, required, same, sample

from nexevo_async import DecodeError
from nexevo_async.contract.model import Model, declared
from nexevo_async.contract.operation import Operation
from nexevo_async.pagination import AsyncPage


def has_case(operation: Operation[Any], envelope: str, form: str) -> bool:
    """Say whether the envelope is ours to guess, and whether there is something in it."""
    named = operation.envelope is not None and (form != "least" or bool(required(operation.answer)))
    return envelope == "bare" or named


@pytest.mark.parametrize(
    ("operation", "envelope", "form"),
    [
        pytest.param(*case, id="-".join((case[0].name, *case[1:])))
        for case in itertools.product(SINGLE, ("bare", "named"), ("least", "full", "null"))
        if has_case(*case)
    ],
)
async def test_a_single_object(operation: Operation[Any], envelope: str, form: str):
    model = operation.answer
    if form == "null":
        answer = dict.fromkeys(declared(model)) | sample(model, full=False)
    else:
        answer = sample(model, full=form == "full")
    if operation.name == "chat.completions.create":
        answer.setdefault("nexevo", {"generation_id": "gen_1"})
        answer["nexevo"] = answer["nexevo"] or {}
    if envelope == "named":
        result = await given(operation, {operation.envelope: answer, "x_beside": 1})
    else:
        result = await given(operation, answer)
    assert type(result) is model
    same(result, answer)
    assert result.meta.status == operation.status
    assert repr(result)


@pytest.mark.parametrize("operation", LISTS, ids=lambda o: o.name)
@pytest.mark.parametrize("envelope", ["bare", "named", "data", "items"])
@pytest.mark.parametrize("form", ["least", "full", "null"])
async def test_a_list(operation: Operation[Any], envelope: str, form: str):
    model = operation.answer
    item = sample(model, full=form == "full")
    if form == "null":
        item = dict.fromkeys(declared(model)) | item
    name = operation.page if envelope == "named" else envelope
    more = {"full": {"has_more": True, "next_cursor": "c", "x_new": 1}, "least": {}}
    more["null"] = {"has_more": None, "next_cursor": None}
    answer = [item, item] if envelope == "bare" else {name: [item, item], **more[form]}
    page: AsyncPage[Any] = await given(operation, answer)
    assert [type(m) for m in page.data] == [model, model]
    same(page.data[1], item)
    assert page.has_more is (form == "full" and envelope != "bare")


@pytest.mark.parametrize("model", MODELS)
def test_only_what_nexevo_documents_is_required(model: type[Model]):
    documented = {
        "Conversation": {"conversation_id"},
        "ChatCompletion": {"choices"},
        "Choice": {"message"},
        "ModelInfo": {"id"},
        "Key": {"key_id"},
        "NewKey": {"full_key", "key"},
        "Organization": {"org_id"},
        "NewOrganization": {"organization"},
        "Balance": {"balance_usd"},
        "PlanHint": {"recommend_plan", "savings_pct"},
        "CheckoutSession": {"checkout_url"},
        "WebhookEvent": {"type"},
    }
    assert required(model) == documented.get(model.__name__, set())


@pytest.mark.parametrize("operation", SINGLE, ids=lambda o: o.name)
async def test_what_is_required_and_missing_is_named(operation: Operation[Any]):
    for name in required(operation.answer):
        answer = sample(operation.answer, full=True)
        del answer[name]
        with pytest.raises(DecodeError, match=f"required field is missing at \\$.{name}"):
            await given(operation, answer)


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
NAMES = st.sampled_from(["get", "keys", "meta", "to_dict", "_json", "_meta", "__class__"]) | TEXT
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=6,
)


def joined(answer: Any, more: Any) -> Any:
    """The answer with more members in each object that is a model's."""
    if isinstance(answer, dict):
        inner = {name: joined(value, more) for name, value in answer.items()}
        return {**more, **inner} if "x_new" in answer else inner
    if isinstance(answer, list):
        return [joined(item, more) for item in answer]
    return answer


@pytest.mark.parametrize("operation", [*SINGLE, *LISTS], ids=lambda o: o.name)
@hypothesis.settings(max_examples=15, deadline=None)
@hypothesis.given(more=st.dictionaries(NAMES, JSON, max_size=4))
async def test_what_nobody_knows_is_kept_to_the_last_digit(operation: Operation[Any], more: Any):
    names = declared(operation.answer) | {"data", "items", operation.page, operation.envelope}
    hypothesis.assume(names.isdisjoint(more) and "error" not in more)
    answer = joined(sample(operation.answer, full=True), more)
    wire = copy.deepcopy(answer)
    given_back = await given(operation, answer if operation.page is None else [answer])
    model = given_back if operation.page is None else given_back.data[0]
    added = {"nexevo"} if operation.name == "chat.completions.create" else set()
    assert {k: v for k, v in model.to_dict().items() if k not in added - wire.keys()} == wire
    assert json.loads(json.dumps(model.to_dict())) == model.to_dict()
    for name, value in more.items():
        assert model[name] == value
        assert name in model
        if name.isidentifier() and not keyword.iskeyword(name) and not hasattr(type(model), name):
            assert name.startswith("_") or getattr(model, name) == value
