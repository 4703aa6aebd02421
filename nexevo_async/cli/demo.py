import asyncio
from typing import TYPE_CHECKING, Any, Final, final

from rich.console import Console

from nexevo_async.client import AsyncNexevo
from nexevo_async.contract.chat import ChatCompletionChunk
from nexevo_async.contract.feedback import FeedbackSummary
from nexevo_async.testing import Sandbox

if TYPE_CHECKING:
    from nexevo_async.streaming import ChatStream
    from nexevo_sync import ChatStream as SyncChatStream

_MODEL: Final = "nexevo/balanced"
_PROMPT: Final = "Hello!"
_MESSAGES: Final[Any] = [{"role": "user", "content": _PROMPT}]
_PACE: Final = {"chunk_delay_s": 0.02}
"""The sandbox's model writes at once; a real one takes its time."""


def demo() -> None:
    """Run the SDK's story against a local gateway: no account, no network, nothing left running."""
    show = _Show()
    with Sandbox() as sandbox:
        show.title("A local Nexevo gateway runs at", sandbox.base_url)
        sandbox.faults.add(_PACE, operation="chat.completions.create", times=2)
        show.title("AsyncNexevo", "for asyncio")
        asyncio.run(_async_story(show, sandbox))
        show.title("Nexevo", "the same without await")
        _sync_story(show, sandbox)
        show.title("Served", f"{len(sandbox.requests)} requests; the gateway stops now")
    show.next_steps()


async def _async_story(show: "_Show", sandbox: Sandbox) -> None:
    async with AsyncNexevo(sandbox.api_key, base_url=sandbox.base_url) as client:
        conv = await client.conversations.create(title="My Session")
        show.step("conversations.create", conv.conversation_id)
        await client.conversations.append_message(
            conv.conversation_id, role="user", content=_PROMPT
        )
        show.step("conversations.append_message", f"user: {_PROMPT}")
        stream = await client.chat.completions.create(model=_MODEL, messages=_MESSAGES, stream=True)
        show.begin("chat.completions.create")
        async with stream:
            async for chunk in stream:
                show.piece(chunk)
        generation_id = show.end(stream)
        await client.conversations.append_message(
            conv.conversation_id, role="assistant", content=stream.text
        )
        detail = await client.conversations.get(conv.conversation_id)
        show.step("conversations.get", f"{len(detail.messages or [])} messages stored")
        await client.feedback.submit(generation_id=generation_id, rating=1, tags=["accurate"])
        show.step("feedback.submit", "thumb up, accurate")
        show.summary(await client.feedback.summary(days=7))


def _sync_story(show: "_Show", sandbox: Sandbox) -> None:
    from nexevo_sync import Nexevo  # noqa: PLC0415 - the async package stands without its twin

    with Nexevo(sandbox.api_key, base_url=sandbox.base_url) as client:
        conv = client.conversations.create(title="My Session")
        show.step("conversations.create", conv.conversation_id)
        client.conversations.append_message(conv.conversation_id, role="user", content=_PROMPT)
        show.step("conversations.append_message", f"user: {_PROMPT}")
        stream = client.chat.completions.create(model=_MODEL, messages=_MESSAGES, stream=True)
        show.begin("chat.completions.create")
        with stream:
            for chunk in stream:
                show.piece(chunk)
        generation_id = show.end(stream)
        client.conversations.append_message(
            conv.conversation_id, role="assistant", content=stream.text
        )
        detail = client.conversations.get(conv.conversation_id)
        show.step("conversations.get", f"{len(detail.messages or [])} messages stored")
        client.feedback.submit(generation_id=generation_id, rating=1, tags=["accurate"])
        show.step("feedback.submit", "thumb up, accurate")
        show.summary(client.feedback.summary(days=7))


@final
class _Show:
    """Prints the story; in colour where there is a terminal."""

    def __init__(self) -> None:
        self._console = Console(highlight=False, soft_wrap=True)

    def title(self, name: str, what: str) -> None:
        self._console.print(f"\n[bold]{name}[/] [dim]{what}[/]")

    def begin(self, call: str) -> None:
        self._console.print(f"  [cyan]{call:<30}[/]", end="")

    def step(self, call: str, outcome: str) -> None:
        self.begin(call)
        self._console.print(outcome, markup=False)

    def piece(self, chunk: ChatCompletionChunk) -> None:
        self._console.print(chunk.text, end="", markup=False)
        self._console.file.flush()

    def end(self, stream: "ChatStream | SyncChatStream") -> str:
        """Say what the stream cost, and give its generation id."""
        tokens = stream.usage.total_tokens if stream.usage else None
        generation_id = stream.meta.generation_id or ""
        self._console.print()
        self.step("", f"{stream.meta.model_used}, {tokens} tokens, {generation_id}")
        return generation_id

    def summary(self, summary: FeedbackSummary) -> None:
        self.step(
            "feedback.summary",
            f"{summary.positive} up, {summary.negative} down in {summary.days} days",
        )

    def next_steps(self) -> None:
        self._console.print(
            "\nGo on with [bold]nexevo sandbox[/], which keeps such a gateway running for your own "
            "program.\n"
        )
