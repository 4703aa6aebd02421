from support_desk import ask, open_ticket, titles

from nexevo_async.testing import FakeTransport, Sandbox, make, refusal
from nexevo_sync import ChatCompletion, Conversation, Nexevo


def test_a_ticket_is_opened(nexevo_sandbox: Sandbox, nexevo_client: Nexevo) -> None:
    conversation_id = open_ticket("My Session")
    assert nexevo_client.conversations.get(conversation_id).title == "My Session"
    assert [request.operation for request in nexevo_sandbox.requests] == [
        "conversations.create",
        "conversations.get",
    ]


def test_nothing_of_another_test_is_there(nexevo_sandbox: Sandbox, nexevo_client: Nexevo) -> None:
    assert nexevo_sandbox.requests == []
    assert titles(nexevo_client) == []
    for title in ("one", "two", "three"):
        open_ticket(title)
    assert titles(nexevo_client) == ["three", "two", "one"]


def test_trouble_is_survived(nexevo_sandbox: Sandbox, nexevo_client: Nexevo) -> None:
    nexevo_sandbox.faults.add({"status": 503}, operation="models.list")
    assert nexevo_client.models.list().meta.attempts == 2


def test_without_a_socket() -> None:
    fake = FakeTransport()
    client = Nexevo(attempt_middleware=[fake])
    fake.answer("chat.completions.create", make(ChatCompletion, content="hi", model="m"))
    assert ask(client, "Hello!") == "hi (m)"
    fake.answer("chat.completions.create", refusal(429, "rate_limit_exceeded", retry_after=90))
    assert ask(client, "Hello!") == "come back in 90 s"
    fake.answer("conversations.list", [make(Conversation, title=t) for t in ("a", "b")])
    assert titles(client) == ["a", "b"]
