"""What is written can be read, by whoever wrote it and by nobody else."""

from typing import Any

import attrs
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from nexevo_async.testing import Sandbox
from nexevo_sync import Nexevo, NotFoundError

TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20)
METADATA = st.none() | st.dictionaries(TEXT, st.integers() | TEXT | st.none(), max_size=3)


@attrs.define
class Account:
    """One of those who share the sandbox, and what they know of their conversations."""

    client: Nexevo
    conversations: dict[str, dict[str, Any]] = attrs.field(factory=dict)


class Conversations(RuleBasedStateMachine):
    sandbox: Sandbox
    accounts: tuple[Account, Account]

    @initialize()
    def begin(self) -> None:
        self.sandbox.reset()
        owner = Nexevo(self.sandbox.api_key, base_url=self.sandbox.base_url)
        other = owner.auth.register(email="other@example.com", password="a-password-of-theirs")
        token = other["access_token"]
        self.accounts = (Account(owner), Account(owner.with_options(api_key=token)))
        self.ids: set[str] = set()

    def pick(self, data: st.DataObject) -> tuple[Account, str]:
        account = data.draw(st.sampled_from([a for a in self.accounts if a.conversations]))
        return account, data.draw(st.sampled_from(sorted(account.conversations)))

    def some(self) -> bool:
        return any(account.conversations for account in self.accounts)

    @rule(data=st.data(), title=st.none() | TEXT, metadata=METADATA)
    def create(self, data: st.DataObject, title: str | None, metadata: Any) -> None:
        account = data.draw(st.sampled_from(self.accounts))
        conv = account.client.conversations.create(title, metadata)
        assert conv.conversation_id not in self.ids
        self.ids.add(conv.conversation_id)
        account.conversations[conv.conversation_id] = {
            "title": title,
            "metadata": metadata,
            "messages": [],
        }

    @precondition(some)
    @rule(data=st.data(), changes=st.fixed_dictionaries({}, optional={"title": st.none() | TEXT}))
    def update(self, data: st.DataObject, changes: dict[str, Any]) -> None:
        account, conv_id = self.pick(data)
        account.client.conversations.update(conv_id, **changes)
        account.conversations[conv_id] |= changes

    @precondition(some)
    @rule(data=st.data(), content=TEXT, role=st.sampled_from(["user", "assistant", "tool"]))
    def append(self, data: st.DataObject, content: str, role: Any) -> None:
        account, conv_id = self.pick(data)
        account.client.conversations.append_message(conv_id, role=role, content=content)
        account.conversations[conv_id]["messages"].append((role, content))

    @precondition(some)
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        account, conv_id = self.pick(data)
        account.client.conversations.delete(conv_id)
        del account.conversations[conv_id]

    @precondition(some)
    @rule(data=st.data())
    def look(self, data: st.DataObject) -> None:
        account, conv_id = self.pick(data)
        known = account.conversations[conv_id]
        conv = account.client.conversations.get(conv_id)
        assert (conv.title, conv.metadata) == (known["title"], known["metadata"])
        assert conv.message_count == len(known["messages"])
        assert [(m.role, m.content) for m in conv.messages or ()] == known["messages"]
        pages = account.client.conversations.list_messages(conv_id, limit=2)
        assert [(m.role, m.content) for m in pages] == known["messages"]
        (stranger,) = (a for a in self.accounts if a is not account)
        with pytest.raises(NotFoundError):
            stranger.client.conversations.get(conv_id)

    @invariant()
    def lists_are_what_is_there(self) -> None:
        for account in self.accounts:
            listed = [c.conversation_id for c in account.client.conversations.list(limit=3)]
            assert listed == [*account.conversations][::-1]


def test_two_accounts_read_what_they_wrote_and_nothing_else(running: Sandbox) -> None:
    machine = type("OnThisSandbox", (Conversations,), {"sandbox": running})
    slow = settings(
        max_examples=8,
        stateful_step_count=20,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    run_state_machine_as_test(machine, settings=slow)
