"""The golden requests of chats, models and feedback, written by hand from the contract."""

from decimal import Decimal

from golden_requests.golden import Golden

GOLDEN = [
    Golden(
        operation="chat.completions.create",
        call=lambda c: c.chat.completions.create(
            model="nexevo/balanced", messages=[{"role": "user", "content": "Hello!"}]
        ),
        method="POST",
        path="/chat/completions",
        body=b'{"model":"nexevo/balanced","messages":[{"role":"user","content":"Hello!"}]}',
        keyed=True,
        answer={"id": "x", "choices": [{"message": {"role": "assistant", "content": "Hi"}}]},
        gives=lambda r: (r.choices[0].message.content, r["nexevo"]["generation_id"]),
        expected=("Hi", "gen_1"),
    ),
    Golden(
        operation="chat.completions.create",
        call=lambda c: c.chat.completions.create(
            model="gpt-4o:fast",
            messages=[{"role": "user", "content": "Hello!"}],
            temperature=0.5,
            max_tokens=10,
            top_p=None,
            stop=["\n"],
            tools=[{"type": "function"}],
            models=["gpt-4o", "qwen-max"],
            max_price={
                "prompt": "20.10",
                "completion": Decimal("3.000000000000000001"),
                "total": 5,
            },
            provider={"data_collection": "deny"},
            metadata={"conversation_id": "conv_1"},
            extra_body={"seed": 7},
        ),
        method="POST",
        path="/chat/completions",
        body=(
            b'{"model":"gpt-4o:fast","messages":[{"role":"user","content":"Hello!"}],'
            b'"temperature":0.5,"max_tokens":10,"top_p":null,"stop":["\\n"],'
            b'"tools":[{"type":"function"}],"models":["gpt-4o","qwen-max"],'
            b'"max_price":{"prompt":20.10,"completion":3.000000000000000001,"total":5},'
            b'"provider":{"data_collection":"deny"},'
            b'"metadata":{"conversation_id":"conv_1"},"seed":7}'
        ),
        keyed=True,
        answer={"choices": [], "nexevo": {"generation_id": "gen_2"}},
        gives=lambda r: r.nexevo.generation_id,
        expected="gen_2",
    ),
    Golden(
        operation="models.list",
        call=lambda c: c.models.list(),
        method="GET",
        path="/models",
        answer={"object": "list", "data": [{"id": "gpt-4o", "pricing": {"prompt": "2.50"}}]},
        gives=lambda r: (r.data[0].id, str(r.data[0].pricing.prompt)),
        expected=("gpt-4o", "2.50"),
    ),
    Golden(
        operation="feedback.submit",
        call=lambda c: c.feedback.submit(
            generation_id="gen_1", rating=1, comment="Helpful!", tags=["accurate"]
        ),
        method="POST",
        path="/feedback",
        body=b'{"generation_id":"gen_1","rating":1,"comment":"Helpful!","tags":["accurate"]}',
        keyed=True,
        answer={"feedback_id": "fb_1", "rating": 1},
        gives=lambda r: (r.feedback_id, r.rating),
        expected=("fb_1", 1),
    ),
    Golden(
        operation="feedback.summary",
        call=lambda c: c.feedback.summary(days=7),
        method="GET",
        path="/feedback/summary?days=7",
        answer={"days": 7, "total": 1, "by_model": {"gpt-4o": {"total": 1}}},
        gives=lambda r: (r.total, r.by_model["gpt-4o"].total),
        expected=(1, 1),
    ),
]
