"""Alerts, as a receiver sees them: over TLS, with a certificate that the sandbox trusts."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import trustme
from raw_server import Answer, RawServer, Seen, drop, reply, serving
from sandbox_support import Api, api_of
from team_support import new_key

from nexevo_async import webhooks
from nexevo_async.sandbox.alerts import WAITS_S
from nexevo_async.testing import Sandbox

CALL: dict[str, Any] = {"model": "nexevo/fast", "max_tokens": 98}
COST = Decimal("0.00002")


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def trusted(authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(file)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))


class Watched:
    """A key with a cap, and a receiver of its alerts."""

    def __init__(self, owner: Api, key: Api, key_id: str, secret: str, server: RawServer) -> None:
        self.owner = owner
        self.key = key
        self.key_id = key_id
        self.secret = secret
        self.server = server

    async def ask(self, times: int = 1) -> None:
        for _ in range(times):
            assert (await self.key.chat(**CALL)).status == 200

    async def received(self, number: int) -> list[webhooks.WebhookEvent]:
        await self.server.until(lambda: len(self.server.seen) >= number, seconds=10)
        return [self.verified(seen) for seen in self.server.seen]

    def verified(self, seen: Seen) -> webhooks.WebhookEvent:
        lines = (line.partition(": ") for line in seen.head.splitlines()[1:] if line)
        headers = {name: value for name, _, value in lines}
        return webhooks.verify(seen.body, headers, [self.secret])

    async def tries(self, sandbox: Sandbox) -> list[tuple[int, bool]]:
        """Give how often each alert was tried, and whether it will be again."""

        async def found(gateway: Any) -> list[tuple[int, bool]]:
            query = "SELECT tries, due_at FROM alerts ORDER BY threshold_pct"
            rows = await gateway.store.run(lambda db: db.execute(query).fetchall())
            return [(row["tries"], row["due_at"] is not None) for row in rows]

        return sandbox._run(found)

    async def until_tried(self, sandbox: Sandbox, expected: list[tuple[int, bool]]) -> None:
        async with asyncio.timeout(10):
            while await self.tries(sandbox) != expected:
                await asyncio.sleep(0.01)


def thresholds(events: list[webhooks.WebhookEvent]) -> list[int | None]:
    return [event.data and event.data.threshold_pct for event in events]


@asynccontextmanager
async def watched(
    api: Api, authority: trustme.CA, *answers: Answer, calls: int = 10
) -> AsyncIterator[Watched]:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(tls)
    async with serving(*(answers or (reply(b"", status=204),)), tls=tls) as server:
        key, about = await new_key(api, monthly_spend_cap_usd=f"{COST * calls:f}")
        path = f"/keys/{about['key_id']}/alert-webhook"
        url = {"url": f"https://localhost:{server.port}/billing-alert?token=canary"}
        secret = (await api.call("PATCH", path, url)).json["alert_webhook_secret"]
        yield Watched(api, key, about["key_id"], secret, server)


@pytest.mark.usefixtures("trusted")
async def test_at_80_and_at_100_per_cent_once_a_month_each(
    sandbox: Sandbox, api: Api, authority: trustme.CA
):
    async with watched(api, authority) as key:
        await key.ask(7)
        for threshold, calls in ((80, 8), (100, 10)):
            await key.ask(calls - 7 if threshold == 80 else 2)
            event = (await key.received(1 if threshold == 80 else 2))[-1]
            assert event.type == "key.spend_threshold_reached"
            assert event.data is not None
            assert event.data.to_dict() == {
                "key_id": key.key_id,
                "threshold_pct": threshold,
                "monthly_spend_cap_usd": "0.00020",
                "month_spend_usd": f"{COST * calls:f}",
            }
        assert key.server.seen[0].target == "/billing-alert?token=canary"
        assert key.server.seen[0].header("Content-Type") == "application/json"
        assert len({seen.header("webhook-id") for seen in key.server.seen}) == 2
        sandbox.advance_clock(31 * 86_400)  # far beyond the tolerance of `verify`
        await key.ask(10)
        assert thresholds(await key.received(4)) == [80, 100, 80, 100]
        await key.until_tried(sandbox, [(1, False)] * 4)


@pytest.mark.usefixtures("trusted")
async def test_what_passes_both_at_once_is_told_twice(api: Api, authority: trustme.CA):
    async with watched(api, authority, calls=1) as key:
        await key.ask()
        assert sorted(map(str, thresholds(await key.received(2)))) == ["100", "80"]


@pytest.mark.usefixtures("trusted")
async def test_a_cap_that_is_lowered_alerts_at_once(api: Api, authority: trustme.CA):
    async with watched(api, authority, calls=100) as key:
        await key.ask(5)
        cap = {"monthly_spend_cap_usd": f"{COST * 6:f}"}
        await api.call("PATCH", f"/keys/{key.key_id}/spend-cap", cap)
        (event,) = await key.received(1)
        assert thresholds([event]) == [80]


@pytest.mark.usefixtures("trusted")
async def test_a_stream_that_is_left_alerts_too(api: Api, authority: trustme.CA):
    async with watched(api, authority, calls=10) as key:
        body = CALL | {"stream": True, "max_tokens": 998}
        await key.key.chat(**body, fault={"error_frame_after": 900})
        assert sorted(map(str, thresholds(await key.received(1)))) == ["80"]


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("status", [200, 202, 299])
async def test_any_2xx_ends_it(sandbox: Sandbox, api: Api, authority: trustme.CA, status: int):
    async with watched(api, authority, reply(status=500), reply(status=status)) as key:
        await key.ask(8)
        await key.until_tried(sandbox, [(1, True)])
        sandbox.advance_clock(WAITS_S[0])
        await key.until_tried(sandbox, [(2, False)])
        assert len(await key.received(2)) == 2


@pytest.mark.usefixtures("trusted")
async def test_five_tries_with_longer_and_longer_waits(
    sandbox: Sandbox, api: Api, authority: trustme.CA
):
    failures = (reply(status=500), drop(), reply(status=404), reply(status=302), reply(status=503))
    async with watched(api, authority, *failures) as key:
        await key.ask(8)
        for number, wait in enumerate(WAITS_S, start=1):
            await key.until_tried(sandbox, [(number, True)])
            sandbox.advance_clock(wait / 2)  # too early
            assert await key.tries(sandbox) == [(number, True)]
            sandbox.advance_clock(wait / 2)
        await key.until_tried(sandbox, [(5, False)])
        assert len(key.server.seen) == 5
        assert set(thresholds(await key.received(5))) == {80}
        assert len({seen.header("webhook-id") for seen in key.server.seen}) == 1
        assert list(WAITS_S) == sorted(WAITS_S)


@pytest.mark.usefixtures("trusted")
async def test_it_never_goes_out_in_clear(sandbox: Sandbox, api: Api, authority: trustme.CA):
    async with serving(reply(b"", status=204)) as plain:
        target = f"http://localhost:{plain.port}/billing-alert"
        async with watched(
            api, authority, reply(status=307, headers=[f"Location: {target}"])
        ) as key:
            await key.ask(8)
            await key.until_tried(sandbox, [(1, True)])

            async def downgrade(gateway: Any) -> None:
                await gateway.store.run(
                    lambda db: db.execute("UPDATE keys SET alert_webhook_url = ?", (target,))
                )

            sandbox._run(downgrade)  # no call can
            sandbox.advance_clock(WAITS_S[0])
            await key.until_tried(sandbox, [(2, True)])
            assert (len(key.server.seen), plain.connections) == (1, 0)


async def test_a_certificate_that_nobody_vouches_for_is_told_nothing(
    sandbox: Sandbox, api: Api, authority: trustme.CA, caplog: pytest.LogCaptureFixture
):
    async with watched(api, authority) as key:
        await key.ask(8)
        await key.until_tried(sandbox, [(1, True)])
        assert key.server.seen == []
    assert key.key_id in caplog.text
    assert "Certificate" in caplog.text
    assert "canary" not in caplog.text


@pytest.mark.usefixtures("trusted")
async def test_nobody_is_told_who_no_longer_is_to_be(
    sandbox: Sandbox, api: Api, authority: trustme.CA
):
    async with watched(api, authority, reply(status=500)) as key:
        await key.ask(8)
        await key.until_tried(sandbox, [(1, True)])
        await api.call("PATCH", f"/keys/{key.key_id}/alert-webhook", {"clear": True})
        sandbox.advance_clock(WAITS_S[0])
        await key.until_tried(sandbox, [(2, False)])
        assert len(key.server.seen) == 1


@pytest.mark.usefixtures("trusted")
async def test_an_alert_outlives_the_process(tmp_path: Path, authority: trustme.CA):
    arguments: Any = {"db": tmp_path / "state.db", "api_key": "sk-xc-mine"}
    with Sandbox(**arguments) as first:
        async with api_of(first) as api:
            async with watched(api, authority, reply(status=500), reply(b"", status=204)) as key:
                await key.ask(8)
                await key.until_tried(first, [(1, True)])
                await asyncio.to_thread(first.__exit__, None, None, None)
                with Sandbox(**arguments) as second:
                    second.advance_clock(WAITS_S[0])
                    await key.until_tried(second, [(2, False)])
                assert thresholds(await key.received(2)) == [80, 80]
