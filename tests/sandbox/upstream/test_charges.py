"""What an upstream answers is charged as it reports, and as passthrough."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from raw_server import Answer, error, events, reply
from sandbox_support import Api, eventually
from team_support import new_key
from upstream_support import DONE, before

USAGE = {"prompt_tokens": 10, "completion_tokens": 20}
# 10 tokens at 2.50 USD a million and 20 at 10 USD, and 5 %.
COST = Decimal("0.00023625")
OWNER = Decimal(100)


def completion(**members: Any) -> Answer:
    choice = {"index": 0, "message": {"role": "assistant", "content": "a b c"}}
    return reply(msgspec.json.encode({"id": "c", "choices": [choice]} | members))


def chunk(text: str, **members: Any) -> bytes:
    choices = [{"index": 0, "delta": {"content": text}}]
    return b"data: " + msgspec.json.encode({"choices": choices} | members) + b"\n\n"


async def charge(api: Api) -> Any:
    (row,) = (await api.get("/_sandbox/ledger")).json["charges"]
    return row


async def test_an_answer_costs_what_the_upstream_counted():
    async with before(completion(usage=USAGE)) as (_, api, _server):
        assert (await api.chat()).status == 200
        assert await api.balance() == OWNER - COST
        row = await charge(api)
        assert (row["tier"], row["input_tokens"], row["output_tokens"]) == ("passthrough", 10, 20)


async def test_a_stream_costs_what_the_upstream_counted():
    streamed = events(chunk("a"), chunk(" b", usage=USAGE), DONE)
    async with before(streamed) as (sandbox, api, _):
        await api.chat(stream=True)
        await eventually(lambda: sandbox.requests[-1].ended is not None)
        assert await api.balance() == OWNER - COST


async def test_a_stream_that_breaks_off_costs_what_came():
    async with before(events(chunk("a"), chunk(" b"), between=0.1, cut=True)) as (sandbox, api, _):
        assert "error" in (await api.chat(stream=True)).chunks[-1]
        await eventually(lambda: sandbox.requests[-1].ended is not None)
        row = await charge(api)
        assert (row["input_tokens"], row["output_tokens"]) == (2, 2)
        assert await api.balance() == OWNER - Decimal(row["cost"])


@pytest.mark.parametrize("stream", [False, True])
async def test_what_fails_costs_nothing_and_holds_nothing_back(stream: bool):
    whole = events(chunk("a", usage=USAGE), DONE) if stream else completion(usage=USAGE)
    async with before(error(500, "x"), error(500, "x"), whole) as (sandbox, api, server):
        key, _ = await new_key(api, monthly_spend_cap_usd="0.05")
        # 4,096 tokens of an answer without a limit, at 10.50 USD a million: only one fits.
        assert (await key.chat(stream=stream)).status == 502
        assert (await api.get("/_sandbox/ledger")).json["charges"] == []
        answered = await key.chat(stream=stream, models=["gpt-4o:cheap"])
        assert answered.status == 200, answered.text
        await eventually(lambda: sandbox.requests[-1].ended is not None)
        assert len(server.seen) == 3
        assert await api.balance() == OWNER - COST


async def test_without_money_the_upstream_is_not_asked():
    async with before(completion(usage=USAGE)) as (_, api, server):
        key, _ = await new_key(api, monthly_spend_cap_usd="0.04")
        assert (await key.chat()).error == (402, "spend_cap_exceeded", None)
        assert server.seen == []
        assert (await key.chat(max_tokens=1000)).status == 200


async def test_a_model_of_the_upstreams_own_has_no_price():
    async with before(completion(usage=USAGE)) as (_, api, _server):
        assert (await api.chat(model="llama3")).status == 200
        assert await api.balance() == OWNER
        assert (await charge(api))["cost"] == "0"
