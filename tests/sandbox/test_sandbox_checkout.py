"""The page behind a ``checkout_url``."""

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
from chromium_support import CHROMIUM, tab
from sandbox_support import Api, Reply
from team_support import new_key, organization

HOSTILE = """<script>alert(1)</script>"><img src=x onerror=alert(2)>{0}&amp;'"""


async def session_of(api: Api, amount: Any = 20) -> str:
    payment = b'{"amount_usd":%b,"idempotency_key":"k"}' % str(amount).encode()
    return str((await api.post("/billing/checkout", payment)).json["checkout_url"])


async def page_of(api: Api, url: str, method: str = "GET", **more: Any) -> Reply:
    async with api.session.request(method, url, **more) as response:
        return Reply(response.status, response.headers, await response.text())


async def test_the_page_pays_once(api: Api):
    url = await session_of(api)
    page = await page_of(api, url)
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    form = r'<form method="post">.*?<button[^>]*>(.*?)</button>'
    (button,) = re.findall(form, page.text, re.DOTALL)
    assert button == "Pay 20 USD"
    assert await api.balance() == 100
    paid = await page_of(api, url, "POST", allow_redirects=False)
    assert (paid.status, paid.headers["Location"]) == (303, url.removeprefix(api.root))
    for method in ("POST", "GET", "POST"):
        page = await page_of(api, url, method)
        assert "Paid. The balance is 120 USD." in page.text
        assert "<form" not in page.text
    assert await api.balance() == 120


async def test_fifty_clicks_at_once_pay_once(api: Api):
    url = await session_of(api)
    pages = await asyncio.gather(*(page_of(api, url, "POST") for _ in range(50)))
    assert all("Paid" in page.text for page in pages)
    assert await api.balance() == 120


async def test_the_session_says_that_it_was_paid(api: Api):
    url = await session_of(api)
    await page_of(api, url, "POST")
    again = await api.post("/billing/checkout", {"amount_usd": 20, "idempotency_key": "k"})
    assert (again.json["checkout_url"], again.json["status"]) == (url, "paid")


async def test_an_organizations_page_fills_its_book(api: Api):
    key, _ = await new_key(api, organization_id=await organization(api))
    await page_of(api, await session_of(key), "POST")
    assert (await key.balance(), await api.balance()) == (20, 100)


@pytest.mark.parametrize("payment_id", ["cs_none", "<script>", "..%2f..", "tu_"])
async def test_a_session_that_is_none_is_404(api: Api, payment_id: str):
    url = f"{api.root}/_sandbox/checkout/{payment_id}"
    for method in ("GET", "POST"):
        page = await page_of(api, url, method)
        assert page.status == 404
        assert page.headers["Content-Type"].startswith("application/json")


async def test_a_topup_is_no_session(api: Api):
    await api.pay_in()
    topup = await api.post("/billing/topup", {"amount_usd": 20, "idempotency_key": "k"})
    url = f"{api.root}/_sandbox/checkout/{topup.json['topup_id']}"
    assert (await page_of(api, url)).status == 404


async def test_names_are_text_on_the_page(api: Api):
    org_id = await organization(api, name=HOSTILE[:100])
    key, _ = await new_key(api, organization_id=org_id)
    page = await page_of(api, await session_of(key))
    for tag in ("<script", "<img"):
        assert tag not in page.text
    assert "Top up &lt;script&gt;alert(1)&lt;/script&gt;&quot;&gt;&lt;img src=x" in page.text
    policy = page.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; form-action 'self'; frame-ancestors 'none'")
    assert "unsafe" not in policy


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
async def test_a_person_pays_in_a_browser(api: Api, tmp_path: Path):
    org_id = await organization(api, name=HOSTILE[:100])
    key, _ = await new_key(api, organization_id=org_id)
    url = await session_of(key, "20.10")
    async with tab(tmp_path) as page:
        await page.open(url)
        assert await page.until("document.querySelector('.amount')?.innerText") == "20.10 USD"
        assert HOSTILE[:100] in await page.value("document.querySelector('h1').innerText")
        assert await page.value("document.scripts.length + document.images.length") == 0
        # The page's own style is let in by its policy.
        button = "getComputedStyle(document.querySelector('button')).backgroundColor"
        assert await page.value(button) == "rgb(47, 91, 234)"
        await page.click("button")
        paid = await page.until("document.querySelector('.paid')?.innerText")
        assert paid == "Paid. The balance is 20.10 USD."
        assert await page.value("location.href") == url
        await page.command("Page.reload")
        reloaded = "performance.getEntriesByType('navigation')[0]?.type == 'reload'"
        text = "document.querySelector('.paid')?.innerText"
        assert await page.until(f"{reloaded} && {text}") == paid
    assert str(await key.balance()) == "20.10"
