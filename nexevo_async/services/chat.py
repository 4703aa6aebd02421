from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Literal, Unpack, final, overload

from nexevo_async.codec import answers
from nexevo_async.config import CallOptions
from nexevo_async.contract import chat as contract
from nexevo_async.contract import checks
from nexevo_async.contract.chat import (
    ChatCompletion,
    ChatMessage,
    MaxPrice,
    MessageParam,
    ProviderOptions,
)
from nexevo_async.services.caller import Caller, body
from nexevo_async.shapes import is_mapping, is_series
from nexevo_async.streaming import ChatStream, with_generation_id
from nexevo_async.unset import UNSET, UnsetType


@final
class Chat:
    """Chat completions.

    Attributes:
        completions: The calls.
    """

    def __init__(self, caller: Caller) -> None:
        self.completions: Completions = Completions(caller)


@final
class Completions:
    """Chat completions in OpenAI's format [D]."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    @overload
    async def create(
        self,
        *,
        model: str,
        messages: Iterable[MessageParam | ChatMessage | Mapping[str, Any]],
        stream: Literal[False] = False,
        temperature: float | None | UnsetType = UNSET,
        max_tokens: int | None | UnsetType = UNSET,
        top_p: float | None | UnsetType = UNSET,
        stop: str | Sequence[str] | None | UnsetType = UNSET,
        tools: Iterable[Mapping[str, Any]] | None | UnsetType = UNSET,
        models: Sequence[str] | None | UnsetType = UNSET,
        max_price: MaxPrice | None | UnsetType = UNSET,
        provider: ProviderOptions | None | UnsetType = UNSET,
        metadata: Mapping[str, Any] | None | UnsetType = UNSET,
        **options: Unpack[CallOptions],
    ) -> ChatCompletion: ...

    @overload
    async def create(
        self,
        *,
        model: str,
        messages: Iterable[MessageParam | ChatMessage | Mapping[str, Any]],
        stream: Literal[True],
        temperature: float | None | UnsetType = UNSET,
        max_tokens: int | None | UnsetType = UNSET,
        top_p: float | None | UnsetType = UNSET,
        stop: str | Sequence[str] | None | UnsetType = UNSET,
        tools: Iterable[Mapping[str, Any]] | None | UnsetType = UNSET,
        models: Sequence[str] | None | UnsetType = UNSET,
        max_price: MaxPrice | None | UnsetType = UNSET,
        provider: ProviderOptions | None | UnsetType = UNSET,
        metadata: Mapping[str, Any] | None | UnsetType = UNSET,
        **options: Unpack[CallOptions],
    ) -> ChatStream: ...

    @overload
    async def create(
        self,
        *,
        model: str,
        messages: Iterable[MessageParam | ChatMessage | Mapping[str, Any]],
        stream: bool,
        temperature: float | None | UnsetType = UNSET,
        max_tokens: int | None | UnsetType = UNSET,
        top_p: float | None | UnsetType = UNSET,
        stop: str | Sequence[str] | None | UnsetType = UNSET,
        tools: Iterable[Mapping[str, Any]] | None | UnsetType = UNSET,
        models: Sequence[str] | None | UnsetType = UNSET,
        max_price: MaxPrice | None | UnsetType = UNSET,
        provider: ProviderOptions | None | UnsetType = UNSET,
        metadata: Mapping[str, Any] | None | UnsetType = UNSET,
        **options: Unpack[CallOptions],
    ) -> ChatCompletion | ChatStream: ...

    async def create(
        self,
        *,
        model: str,
        messages: Iterable[MessageParam | ChatMessage | Mapping[str, Any]],
        stream: bool = False,
        temperature: float | None | UnsetType = UNSET,
        max_tokens: int | None | UnsetType = UNSET,
        top_p: float | None | UnsetType = UNSET,
        stop: str | Sequence[str] | None | UnsetType = UNSET,
        tools: Iterable[Mapping[str, Any]] | None | UnsetType = UNSET,
        models: Sequence[str] | None | UnsetType = UNSET,
        max_price: MaxPrice | None | UnsetType = UNSET,
        provider: ProviderOptions | None | UnsetType = UNSET,
        metadata: Mapping[str, Any] | None | UnsetType = UNSET,
        **options: Unpack[CallOptions],
    ) -> ChatCompletion | ChatStream:
        """Have a model answer [D].

        Any other parameter of OpenAI's goes into ``extra_body`` and is passed through [D].

        Args:
            model: A model's id, or ``nexevo/fast``, ``nexevo/balanced``, ``nexevo/auto``; the
                suffixes ``:fast``, ``:cheap`` and ``:quality`` say what to prefer [D]. Feedback
                chooses the model behind an alias [D], and ``.meta.model_used`` tells which.
            messages: The conversation so far, such as ``{"role": "user", "content": "Hello!"}``
                [D]; a message that a model wrote can be put there as it came.
            stream: Whether to give the answer as it is written [D].
            temperature: 0 to 2; 1 where it is not given [D].
            max_tokens: The most tokens to write [D].
            top_p: The share of probability to draw from [D].
            stop: Text, or texts, at which to stop [D].
            tools: The tools that the model may call [D].
            models: Models to fall back to, in order [D]; ``.meta.models_tried`` tells of them.
            max_price: The most that the model may cost, by ``prompt``, ``completion`` and
                ``total`` [D], in USD per million tokens; sent as JSON numbers [P]. No floats.
            provider: ``{"data_collection": "deny"}`` leaves out providers that keep data [D].
            metadata: ``conversation_id`` in it keeps the choice of the model [D]: its calls get the
                same model while that may answer [P].
            **options: See `CallOptions`. A completion is sent again only when that cannot have
                it written, and billed, twice.

        Returns:
            A `ChatCompletion`; with ``stream=True`` a `ChatStream`.

        Raises:
            TypeError: An argument has the wrong type.
            ValueError: The temperature is not from 0 to 2, or a price is no finite number.
            BadRequestError: No model fits ``max_price`` and ``provider``, or the request is wrong.
            NotFoundError: There is no such model.
            PermissionDeniedError: The key's geo policy forbids every model that was named.
            PaymentRequiredError: The balance is empty, or the key's cap is spent.
            RateLimitError: Too many requests a minute.
            UpstreamError: The model's provider failed.

        Example:
            >>> resp = await client.chat.completions.create(
            ...     model="nexevo/balanced", messages=[{"role": "user", "content": "Hello!"}]
            ... )
            >>> resp.choices[0].message.role, resp.usage.total_tokens > 0
            ('assistant', True)

            >>> async with await client.chat.completions.create(
            ...     model="nexevo/balanced",
            ...     messages=[{"role": "user", "content": "Hello!"}],
            ...     stream=True,
            ... ) as stream:
            ...     text = "".join([chunk.text async for chunk in stream])
            >>> text == stream.text
            True
        """
        members: dict[str, Any] = {
            "model": checks.string("model", model),
            "messages": _messages(messages),
        }
        if checks.boolean("stream", stream):
            members["stream"] = True
        parameters = {
            "temperature": temperature,
            "max_tokens": max_tokens,
            "top_p": top_p,
            "stop": stop,
            "tools": tools,
            "models": models,
            "max_price": max_price,
            "provider": provider,
            "metadata": metadata,
        }
        for name, value in parameters.items():
            if value is not UNSET:
                members[name] = None if value is None else _CHECKS[name](name, value)
        request = self._caller.request(
            contract.CREATE,
            contract.CREATE.path,
            body=body(members, options),
            stream=stream,
            options=options,
        )
        response = await self._caller.send(request)
        if response.stream is not None:
            return ChatStream(request, response)
        if stream:
            raise answers.no_stream(request, response)
        return answers.one(contract.CREATE, request, response, with_generation_id)


def _messages(messages: object) -> list[Any]:
    if not is_series(messages):
        raise TypeError(
            'messages must be a list such as [{"role": "user", "content": "Hello!"}], '
            f"not {checks.described(messages)}"
        )
    return [_message(i, message) for i, message in enumerate(messages)]


def _message(index: int, message: object) -> object:
    if is_mapping(message):
        return message
    if isinstance(message, ChatMessage):
        return message.to_dict()
    raise TypeError(
        f"messages[{index}] must be a dict with role and content, not {checks.described(message)}"
    )


def _temperature(name: str, value: object) -> float:
    temperature = checks.number(name, value)
    if not 0 <= temperature <= 2:
        raise ValueError(f"{name} must be from 0 to 2, not {value!r}")
    return temperature


def _max_price(name: str, value: object) -> dict[str, Any]:
    if not is_mapping(value):
        raise TypeError(f'{name} must be a dict such as {{"total": "10"}}')
    return {key: checks.money(f"{name}[{key!r}]", price) for key, price in value.items()}


def _stop(name: str, value: object) -> str | list[str]:
    return value if isinstance(value, str) else checks.strings(name, value)


_CHECKS: Final[dict[str, checks.Check[object]]] = {
    "temperature": _temperature,
    "max_tokens": checks.whole,
    "top_p": checks.number,
    "stop": _stop,
    "tools": checks.json_objects,
    "models": checks.strings,
    "max_price": _max_price,
    "provider": checks.json_object,
    "metadata": checks.json_object,
}
