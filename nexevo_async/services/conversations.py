from collections.abc import Mapping
from typing import Any, Unpack, final

from nexevo_async.config import CallOptions
from nexevo_async.contract import checks
from nexevo_async.contract import conversations as contract
from nexevo_async.contract.conversations import Conversation, Message, Role
from nexevo_async.pagination import AsyncPage
from nexevo_async.services.caller import Caller, body
from nexevo_async.unset import UNSET, UnsetType


@final
class Conversations:
    """Stored chat history; nothing here calls a model [D]."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def create(
        self,
        title: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        **options: Unpack[CallOptions],
    ) -> Conversation:
        """Create a conversation [D].

        Args:
            title: Its title [D].
            metadata: A JSON object of yours, such as your own user's id; at most 4 KB [D], which
                is 4,096 bytes of compact UTF-8 JSON [P].
            **options: See `CallOptions`.

        Returns:
            The conversation, with its ``conversation_id`` [D].

        Raises:
            TypeError: An argument has the wrong type.
            ValueError: The metadata is over 4 KB, or not JSON.

        Example:
            >>> conv = await client.conversations.create(title="My Session")
            >>> conv["title"]
            'My Session'
        """
        return await self._caller.one(
            contract.CREATE,
            contract.CREATE.path,
            body=body(
                {
                    "title": checks.given(checks.string, "title", title),
                    "metadata": checks.given(checks.metadata, "metadata", metadata),
                },
                options,
            ),
            options=options,
        )

    async def list(
        self, limit: int = 20, cursor: str | None = None, **options: Unpack[CallOptions]
    ) -> AsyncPage[Conversation]:
        """List conversations, newest first [D].

        Args:
            limit: Conversations a page, 1 to 100 [P].
            cursor: ``next_cursor`` of the page before, to go on from there [P].
            **options: See `CallOptions`.

        Returns:
            A page; ``async for`` over it walks all pages.

        Raises:
            TypeError: An argument has the wrong type.

        Example:
            >>> _ = await client.conversations.create(title="My Session")
            >>> page = await client.conversations.list(limit=20)
            >>> page.data[0].title
            'My Session'
        """
        query = {"limit": checks.whole("limit", limit), "cursor": cursor}
        return await self._caller.page(
            contract.LIST, contract.LIST.path, query=query, options=options
        )

    async def get(self, conversation_id: str, **options: Unpack[CallOptions]) -> Conversation:
        """Give a conversation with its messages [D: the call; P: its path].

        Args:
            conversation_id: The conversation.
            **options: See `CallOptions`.

        Returns:
            The conversation; ``messages`` holds its messages, oldest first [P].

        Raises:
            ValueError: The id is empty or leads to another path.
            NotFoundError: There is no such conversation.

        Example:
            >>> conv = await client.conversations.create(title="My Session")
            >>> detail = await client.conversations.get(conv["conversation_id"])
            >>> detail.messages
            []
        """
        return await self._caller.one(
            contract.GET, contract.GET.at(conversation_id), options=options
        )

    async def update(
        self,
        conversation_id: str,
        *,
        title: str | None | UnsetType = UNSET,
        metadata: Mapping[str, Any] | None | UnsetType = UNSET,
        **options: Unpack[CallOptions],
    ) -> Conversation:
        """Change a conversation [D: the call; P: its path].

        What is not given stays as it is; None clears it.

        Args:
            conversation_id: The conversation.
            title: The new title.
            metadata: The new metadata, in place of the old; at most 4 KB [D].
            **options: See `CallOptions`.

        Returns:
            The changed conversation.

        Raises:
            TypeError: An argument has the wrong type.
            ValueError: The metadata is over 4 KB, or the id leads to another path.
            NotFoundError: There is no such conversation.

        Example:
            >>> conv = await client.conversations.create(title="Old", metadata={"topic": "a"})
            >>> conv = await client.conversations.update(conv["conversation_id"], title="New")
            >>> conv.title, conv.metadata
            ('New', {'topic': 'a'})
        """
        return await self._caller.one(
            contract.UPDATE,
            contract.UPDATE.at(conversation_id),
            body=body(
                {
                    "title": checks.nullable(checks.string, "title", title),
                    "metadata": checks.nullable(checks.metadata, "metadata", metadata),
                },
                options,
            ),
            options=options,
        )

    async def delete(self, conversation_id: str, **options: Unpack[CallOptions]) -> None:
        """Delete a conversation and its messages [D: the call; P: its path].

        Args:
            conversation_id: The conversation.
            **options: See `CallOptions`.

        Raises:
            ValueError: The id is empty or leads to another path.
            NotFoundError: There is no such conversation.

        Example:
            >>> conv = await client.conversations.create()
            >>> await client.conversations.delete(conv["conversation_id"])
        """
        await self._caller.nothing(
            contract.DELETE, contract.DELETE.at(conversation_id), options=options
        )

    async def append_message(
        self, conversation_id: str, *, role: Role, content: str, **options: Unpack[CallOptions]
    ) -> Message:
        """Store a message in a conversation; no model is called [D].

        Args:
            conversation_id: The conversation.
            role: ``user``, ``assistant``, ``system`` or ``tool`` [D].
            content: The text [D].
            **options: See `CallOptions`. A lost answer leaves open whether the message was
                stored; with ``idempotent=True`` the call is sent again under the same key.

        Returns:
            The stored message.

        Raises:
            TypeError: An argument has the wrong type.
            ValueError: The role is none of the four, or the id leads to another path.
            NotFoundError: There is no such conversation.
            APIConnectionError: No answer came; ``outcome_unknown`` says whether the message may
                have been stored.

        Example:
            >>> conv = await client.conversations.create()
            >>> message = await client.conversations.append_message(
            ...     conv["conversation_id"], role="user", content="Hello!"
            ... )
            >>> message.role, message.content
            ('user', 'Hello!')
        """
        return await self._caller.one(
            contract.APPEND_MESSAGE,
            contract.APPEND_MESSAGE.at(conversation_id),
            body=body(
                {
                    "role": checks.one_of("role", role, contract.ROLES),
                    "content": checks.string("content", content),
                },
                options,
            ),
            options=options,
        )

    async def list_messages(
        self,
        conversation_id: str,
        limit: int = 20,
        cursor: str | None = None,
        **options: Unpack[CallOptions],
    ) -> AsyncPage[Message]:
        """List a conversation's messages, oldest first [P].

        Args:
            conversation_id: The conversation.
            limit: Messages a page, 1 to 100.
            cursor: ``next_cursor`` of the page before, to go on from there.
            **options: See `CallOptions`.

        Returns:
            A page; ``async for`` over it walks all pages.

        Raises:
            TypeError: An argument has the wrong type.
            NotFoundError: There is no such conversation.

        Example:
            >>> conv = await client.conversations.create()
            >>> page = await client.conversations.list_messages(conv["conversation_id"])
            >>> page.data
            []
        """
        return await self._caller.page(
            contract.LIST_MESSAGES,
            contract.LIST_MESSAGES.at(conversation_id),
            query={"limit": checks.whole("limit", limit), "cursor": cursor},
            options=options,
        )
