"""The contract as an OpenAPI 3.1 document, made from the same operations as all else."""

import inspect
import re
import typing
from collections.abc import Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Any, Final

import attrs
import msgspec

from nexevo_async.config import DEFAULT_BASE_URL
from nexevo_async.contract.chat import CREATE as CHAT
from nexevo_async.contract.chat import ChatCompletionChunk
from nexevo_async.contract.model import Model, declared
from nexevo_async.contract.operation import Operation
from nexevo_async.contract.table import OPERATIONS
from nexevo_async.contract.webhooks import SPEND_THRESHOLD, WebhookEvent
from nexevo_async.version import VERSION

PROVISIONAL: Final = "x-provisional"

_DESCRIPTION: Final = f"""\
The gateway as this SDK knows it. What Nexevo does not document, and this SDK assumes, is marked
`{PROVISIONAL}: true`; on an operation, the mark is of its method and path."""

_FIELD: Final = re.compile(r"^    (\w+): (.*(?:\n {8}.*)*)", re.MULTILINE)

_ERROR: Final = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message"],
            "properties": {
                "message": {"type": "string"},
                "type": {"type": ["string", "null"]},
                "code": {"type": ["string", "null"]},
                "param": {"type": ["string", "null"], PROVISIONAL: True},
            },
        }
    },
}
_HEADERS: Final = {
    "X-Trace-ID": {"description": "The request's id.", "schema": {"type": "string"}},
    "X-RateLimit-Remaining": {
        "description": "Requests left in the window.",
        "schema": {"type": "integer"},
    },
    "X-RateLimit-Reset": {
        "description": "Seconds until the window begins anew.",
        "schema": {"type": "number"},
    },
}
_IDEMPOTENCY_KEY: Final = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "The same for each attempt of one call.",
    "schema": {"type": "string", "pattern": "^[!-~]+$", "maxLength": 255},
    PROVISIONAL: True,
}


def document() -> dict[str, Any]:
    """Give the document."""
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Nexevo", "version": VERSION, "description": _DESCRIPTION},
        "servers": [{"url": DEFAULT_BASE_URL}],
        "security": [{"key": []}],
        "tags": [{"name": name} for name in dict.fromkeys(map(_tag, OPERATIONS))],
        "paths": paths,
        "webhooks": {SPEND_THRESHOLD: {"post": _webhook()}},
        "components": {
            "schemas": _schemas(),
            "headers": _HEADERS,
            "parameters": {"IdempotencyKey": _IDEMPOTENCY_KEY},
            "responses": {
                "Error": {
                    "description": "The gateway did not do what was asked.",
                    "headers": _header_refs(),
                    "content": _json(_ref("Error")),
                }
            },
            "securitySchemes": {
                "key": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An API key `sk-xc-…`, or the access token of a session.",
                }
            },
        },
    }


def _tag(operation: Operation[Any]) -> str:
    return operation.name.rpartition(".")[0]


def _operation(operation: Operation[Any]) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "tags": [_tag(operation)],
    }
    if operation.documented == "P":
        described[PROVISIONAL] = True
    if not operation.needs_key:
        described["security"] = []
    if parameters := _parameters(operation):
        described["parameters"] = parameters
    if operation.body is not None:
        schema = _ref(operation.body.__name__)
        described["requestBody"] = {"required": True, "content": _json(schema)}
    refused = {"$ref": "#/components/responses/Error"}
    described["responses"] = {
        str(operation.status): _success(operation),
        "4XX": refused,
        "5XX": refused,
    }
    return described


def _parameters(operation: Operation[Any]) -> list[dict[str, Any]]:
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in operation.parameters
    ]
    if operation.query is not None:
        query = _components(operation.query)[operation.query.__name__]
        for name, schema in query["properties"].items():
            mark = {PROVISIONAL: True} if schema.pop(PROVISIONAL, None) else {}
            text = {"description": schema.pop("description")} if "description" in schema else {}
            parameters.append({"name": name, "in": "query", **text, "schema": schema, **mark})
    if operation.method in {"POST", "PATCH"} and operation.resend != "keyed":  # it is in the body
        parameters.append({"$ref": "#/components/parameters/IdempotencyKey"})
    return parameters


def _success(operation: Operation[Any]) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "description": HTTPStatus(operation.status).phrase,
        "headers": _header_refs(),
    }
    if operation.answer is not None:
        model = _ref(operation.answer.__name__)
        answer["content"] = _json(model if operation.page is None else _page(operation.page, model))
    if operation is CHAT:
        answer["content"]["text/event-stream"] = {
            "schema": {
                "type": "string",
                "description": "With `stream`: `data:` lines, each a chunk; `[DONE]` is the last.",
                "x-event": _ref(ChatCompletionChunk.__name__),
            }
        }
    return answer


def _page(name: str, item: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "required": [name],
        "properties": {
            name: {"type": "array", "items": item},
            "has_more": {"type": "boolean", PROVISIONAL: True},
            "next_cursor": {"type": ["string", "null"], PROVISIONAL: True},
        },
    }


def _webhook() -> dict[str, Any]:
    return {
        "summary": "Tell that a key's cap comes near, in the format of Standard Webhooks.",
        PROVISIONAL: True,
        "requestBody": {"required": True, "content": _json(_ref(WebhookEvent.__name__))},
        "responses": {"2XX": {"description": "It arrived, and is not sent again."}},
    }


def _schemas() -> dict[str, Any]:
    bodies = [operation.body for operation in OPERATIONS if operation.body is not None]
    answers = [operation.answer for operation in OPERATIONS if operation.answer is not None]
    types = dict.fromkeys([*bodies, *answers, ChatCompletionChunk, WebhookEvent])
    return {**_components(*types), "Error": _ERROR}


def _components(*types: Any) -> dict[str, Any]:
    """Give the schemas of types, and of what they are made of, by name."""
    _, components = msgspec.json.schema_components(
        types, schema_hook=lambda _: {"type": "object"}, ref_template="#/components/schemas/{name}"
    )
    classes = _classes(*types)
    for name in components.keys() - classes.keys():
        del components[name]  # what only a model's private fields are made of
    for name, cls in classes.items():
        _described(components[name], cls)
    return dict(sorted(components.items()))


def _classes(*types: Any) -> dict[str, Any]:
    """Give the models and TypedDicts that types are made of, by name."""
    found: dict[str, Any] = {}
    left = [*types]
    while left:
        cls: Any = left.pop()
        left += typing.get_args(cls)
        is_model = inspect.isclass(cls) and issubclass(cls, Model)
        if (is_model or typing.is_typeddict(cls)) and cls.__name__ not in found:
            found[cls.__name__] = cls
            left += [t for name, t in inspect.get_annotations(cls).items() if name[0] != "_"]
    return found


def _described(schema: dict[str, Any], cls: type) -> None:
    """Add what the docstring says of each field, and take away what is no part of the JSON."""
    text = inspect.getdoc(cls) or ""
    summary, _, fields = text.partition("\n\nAttributes:\n")
    schema["description"] = summary
    said = {name: " ".join(words.split()) for name, words in _FIELD.findall(fields)}
    properties: dict[str, Any] = schema["properties"]
    annotations = inspect.get_annotations(cls)
    if issubclass(cls, Model):
        for name in properties.keys() - declared(cls):
            del properties[name]
        required = {field.name for field in attrs.fields(cls) if field.default is attrs.NOTHING}
        schema["required"] = sorted(required & properties.keys())
    for name, inner in properties.items():
        inner.pop("default", None)
        marks = said.get(name, "")
        if name in said:
            inner["description"] = marks
        words = marks if "[D]" in marks or "[P]" in marks else summary
        if "[P]" in words and "[D]" not in words:
            inner[PROVISIONAL] = True
        if inner.get("format") == "decimal" and not issubclass(cls, Model):
            inner.update(type="number")
            del inner["format"]  # only answers have amounts as strings
        if datetime in typing.get_args(annotations.get(name)):
            inner["anyOf"][0]["format"] = "date-time"


def _header_refs() -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in _HEADERS}


def _json(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}
