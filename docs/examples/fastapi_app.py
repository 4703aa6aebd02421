"""A chat backend: it stores what is said, and streams each answer to whoever asks.

Run it with ``uvicorn fastapi_app:app``; the key comes from NEXEVO_API_KEY.
"""

from collections.abc import AsyncIterator

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel

from nexevo_async import APIStatusError, Conversation
from nexevo_async.integrations.fastapi import NexevoDep, nexevo_lifespan

app = FastAPI(lifespan=nexevo_lifespan())


class Prompt(BaseModel):
    content: str


@app.post("/sessions")
async def open_session(nexevo: NexevoDep) -> dict[str, str]:
    conversation: Conversation = await nexevo.conversations.create(title="Support chat")
    return {"session_id": conversation.conversation_id}


@app.post("/sessions/{session_id}/replies")
async def reply(session_id: str, prompt: Prompt, nexevo: NexevoDep) -> StreamingResponse:
    await nexevo.conversations.append_message(session_id, role="user", content=prompt.content)
    history = await nexevo.conversations.list_messages(session_id)
    stream = await nexevo.chat.completions.create(
        model="nexevo/balanced",
        messages=[{"role": m.role, "content": m.content} async for m in history],
        metadata={"conversation_id": session_id},
        stream=True,
    )

    async def text() -> AsyncIterator[str]:
        async with stream:  # when the browser leaves, this leaves the gateway's stream as well
            async for chunk in stream:
                yield chunk.text
        await nexevo.conversations.append_message(session_id, role="assistant", content=stream.text)

    return StreamingResponse(text(), media_type="text/plain")


@app.exception_handler(APIStatusError)
async def refused(_: Request, error: APIStatusError) -> JSONResponse:
    headers = {} if error.retry_after is None else {"Retry-After": f"{error.retry_after:.0f}"}
    status = error.status if error.status in {404, 422, 429} else 502
    return JSONResponse(
        {"detail": error.code, "trace_id": error.trace_id}, status_code=status, headers=headers
    )
