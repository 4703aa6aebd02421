"""What the user has written, and tests."""

from nexevo_async import AsyncNexevo
from nexevo_sync import ChatCompletion, Nexevo, RateLimitError


def open_ticket(title: str) -> str:
    """Open a ticket, with a client that is made here, out of any test's reach."""
    with Nexevo() as client:
        return client.conversations.create(title=title).conversation_id


def titles(client: Nexevo) -> list[str | None]:
    return [conversation.title for conversation in client.conversations.list(limit=2)]


async def answer(client: AsyncNexevo, question: str) -> str:
    stream = await client.chat.completions.create(
        model="nexevo/fast", messages=[{"role": "user", "content": question}], stream=True
    )
    async with stream:
        return "".join([chunk.text async for chunk in stream])


def summary(completion: ChatCompletion) -> str:
    return f"{completion.text} ({completion.model})"


def ask(client: Nexevo, question: str) -> str:
    try:
        return summary(
            client.chat.completions.create(
                model="nexevo/fast", messages=[{"role": "user", "content": question}]
            )
        )
    except RateLimitError as error:
        return f"come back in {error.retry_after:g} s"
