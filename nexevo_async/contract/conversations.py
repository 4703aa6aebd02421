from datetime import datetime
from typing import Any, Final, Literal, TypeAlias, TypedDict

import attrs

from nexevo_async.contract.model import Model
from nexevo_async.contract.operation import Operation
from nexevo_async.contract.page import PageQuery

Role: TypeAlias = Literal["user", "assistant", "system", "tool"]
ROLES: Final = ("user", "assistant", "system", "tool")


@attrs.frozen(kw_only=True)
class Message(Model):
    """One stored message of a conversation.

    Attributes:
        message_id: Its id [P].
        conversation_id: The conversation's id [P].
        role: Who speaks; new roles may come [P].
        content: The text [P].
        created_at: When it was stored, in UTC [P].
    """

    message_id: str | None = None
    conversation_id: str | None = None
    role: Role | str | None = None
    content: str | None = None
    created_at: datetime | None = None


@attrs.frozen(kw_only=True)
class Conversation(Model):
    """A stored conversation: a container of messages with a title and metadata.

    Attributes:
        conversation_id: Its id [D].
        title: Its title [P].
        metadata: The JSON object that was stored with it [P].
        message_count: How many messages it has [P].
        created_at: When it was made, in UTC [P].
        updated_at: When it, or its messages, last changed, in UTC [P].
        messages: Its messages, oldest first; only in the answer of ``get`` [P].
    """

    conversation_id: str
    title: str | None = None
    metadata: dict[str, Any] | None = None
    message_count: int | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    messages: list[Message] | None = None


class ConversationBody(TypedDict, total=False):
    """The body of create and update."""

    title: str | None
    metadata: dict[str, Any] | None


class MessageBody(TypedDict):
    """The body of append_message."""

    role: Role
    content: str


CREATE: Final = Operation(
    name="conversations.create",
    method="POST",
    path="/conversations",
    answer=Conversation,
    body=ConversationBody,
    envelope="conversation",
    documented="D",
    summary="Create a conversation.",
)
LIST: Final = Operation(
    name="conversations.list",
    method="GET",
    path="/conversations",
    answer=Conversation,
    query=PageQuery,
    page="conversations",
    resend="idempotent",
    summary="List conversations, newest first.",
)
GET: Final = Operation(
    name="conversations.get",
    method="GET",
    path="/conversations/{conversation_id}",
    answer=Conversation,
    envelope="conversation",
    resend="idempotent",
    summary="Give a conversation with its messages.",
)
UPDATE: Final = Operation(
    name="conversations.update",
    method="PATCH",
    path="/conversations/{conversation_id}",
    answer=Conversation,
    body=ConversationBody,
    envelope="conversation",
    resend="idempotent",
    summary="Change a conversation's title or metadata.",
)
DELETE: Final = Operation[None](
    name="conversations.delete",
    method="DELETE",
    path="/conversations/{conversation_id}",
    answer=None,
    status=204,
    resend="idempotent",
    summary="Delete a conversation and its messages.",
)
APPEND_MESSAGE: Final = Operation(
    name="conversations.append_message",
    method="POST",
    path="/conversations/{conversation_id}/messages",
    answer=Message,
    body=MessageBody,
    envelope="message",
    documented="D",
    summary="Store a message; no model is called.",
)
LIST_MESSAGES: Final = Operation(
    name="conversations.list_messages",
    method="GET",
    path="/conversations/{conversation_id}/messages",
    answer=Message,
    query=PageQuery,
    page="messages",
    resend="idempotent",
    summary="List a conversation's messages, oldest first.",
)

OPERATIONS: Final = (CREATE, LIST, GET, UPDATE, DELETE, APPEND_MESSAGE, LIST_MESSAGES)
