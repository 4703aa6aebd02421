"""Nexevo's own samples, character for character, with ``client = Nexevo(...)`` on the sandbox."""

from pathlib import Path
from typing import Any

from nexevo_sync import Nexevo

SEED = Path(__file__).parent.parent / "seed"


def ran(name: str, client: Nexevo) -> dict[str, Any]:
    names: dict[str, Any] = {"client": client}
    file = SEED / name
    exec(compile(file.read_text("utf-8"), file, "exec"), names)  # noqa: S102 - the sample
    return names


def test_conversation_history(sync_client: Nexevo):
    left = ran("conversation_history.py", sync_client)
    conversation_id = left["conv"]["conversation_id"]
    assert [c["conversation_id"] for c in left["all_convs"]] == [conversation_id]
    assert left["detail"]["title"] == "My Session"
    stored = sync_client.conversations.get(conversation_id)
    assert [(m.role, m.content) for m in stored.messages or ()] == [("user", "Hello!")]


def test_rlhf_feedback(sync_client: Nexevo):
    left = ran("rlhf_feedback.py", sync_client)
    assert left["gen_id"] == left["resp"].nexevo.generation_id
    summary = left["summary"]
    assert (summary["days"], summary["total"], summary["positive"]) == (7, 1, 1)
    assert summary["by_tag"]["accurate"]["total"] == 1
    assert sync_client.feedback.summary().total == 1
