"""Nexevo's own samples, character for character, with ``client = Nexevo(...)`` on the sandbox."""

from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from nexevo_async.testing import Sandbox
from nexevo_sync import Nexevo

SEED = Path(__file__).parent.parent / "seed"


def admin(sandbox: Sandbox) -> str:
    return sandbox.base_url.removesuffix("/v1") + "/_sandbox"


def ran(name: str, client: Nexevo, ids: dict[str, str] | None = None) -> dict[str, Any]:
    """Run a sample; ``ids`` says what to put in the place of ids that it makes up."""
    names: dict[str, Any] = {"client": client}
    file = SEED / name
    text = file.read_text("utf-8")
    for made_up, real in (ids or {}).items():
        assert text.count(made_up) == 1
        text = text.replace(made_up, real)
    exec(compile(text, file, "exec"), names)  # noqa: S102 - the sample
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


def test_account_management(sync_client: Nexevo, sandbox: Sandbox):
    user = {"email": "jane@example.com", "password": "old-pwd"}
    httpx.post(f"{admin(sandbox)}/users", json=user).raise_for_status()
    session = sync_client.auth.login(**user)
    left = ran("account_management.py", sync_client.with_options(api_key=session["access_token"]))
    assert left["me"]["email"] == "jane@example.com"
    assert left["status"]["enabled"] is False
    again = sync_client.auth.login(email="jane@example.com", password="new-pwd-123")
    assert again["user"]["full_name"] == "Jane Doe"


def test_api_key_management(sync_client: Nexevo, capsys: pytest.CaptureFixture[str]):
    new = ran("api_key_management.py", sync_client)["new"]
    assert capsys.readouterr().out.strip() == new["full_key"]
    assert new["full_key"].startswith("sk-xc-")
    key = sync_client.keys.get(new["key"]["key_id"])
    assert (key.name, key.monthly_spend_cap_usd) == ("prod-2026", 100)
    assert key.alert_webhook_url == "https://your-app.com/billing-alert"


def test_billing(sync_client: Nexevo, sandbox: Sandbox, capsys: pytest.CaptureFixture[str]):
    owner = {"user_id": sync_client.auth.me()["user_id"], "plan": "pro"}
    httpx.post(f"{admin(sandbox)}/plan", json=owner).raise_for_status()
    sync_client.chat.completions.create(
        model="nexevo/balanced", messages=[{"role": "user", "content": "Hello!"}], max_tokens=1000
    )
    left = ran("billing.py", sync_client)
    url = left["session"]["checkout_url"]
    assert capsys.readouterr().out.splitlines() == ["建议: payg, 可省 99%", url]
    assert (left["bal"]["balance_usd"], left["usage"]["total"]) == (
        Decimal("79.9903952"),
        Decimal("0.0096048"),
    )
    assert left["plan"]["plan"] == "pro"
    assert httpx.post(url, follow_redirects=True).is_success
    assert sync_client.billing.balance().balance_usd == left["bal"]["balance_usd"] + 20


def test_billing_says_nothing_where_no_plan_is_cheaper(
    sync_client: Nexevo, capsys: pytest.CaptureFixture[str]
):
    left = ran("billing.py", sync_client)
    assert left["hint"]["hint"] is None
    assert capsys.readouterr().out.splitlines() == [left["session"]["checkout_url"]]


def test_organization(sync_client: Nexevo, sandbox: Sandbox):
    """The sample invites one member and makes another the owner: that one joins in between."""
    heir = sync_client.auth.register(email="heir@acme.com", password="correct horse battery")

    class Joined:
        """The organizations of the sample's client, in which the heir joins unseen."""

        def __getattr__(self, name: str) -> Any:
            return getattr(sync_client.organizations, name)

        def create(self, name: str) -> Any:
            org = sync_client.organizations.create(name)
            org_id = org["organization"]["org_id"]
            sync_client.organizations.invite_member(org_id, email="heir@acme.com", role="admin")
            token = sandbox.outbox[-1]["token"]
            own = sync_client.with_options(api_key=heir["access_token"])
            own.organizations.accept_invitation(token=token)
            return org

    client: Any = SimpleNamespace(organizations=Joined())
    left = ran("organization.py", client, {"u_789": heir["user"]["user_id"]})
    org = sync_client.organizations.get(left["org"]["organization"]["org_id"])
    assert (org.name, org.owner_user_id) == ("Acme Inc", heir["user"]["user_id"])
    members = {m["email"]: (m["role"], m["status"]) for m in left["members"]}
    assert members["dev@acme.com"] == ("developer", "invited")
    assert org.role == "admin"
