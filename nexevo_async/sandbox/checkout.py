"""The page behind a ``checkout_url``: a button that pays, once."""

import base64
import functools
import hashlib
import sqlite3
from html import escape
from typing import Final

from aiohttp import web

from nexevo_async.sandbox.call import Site
from nexevo_async.sandbox.gateway import Gateway
from nexevo_async.sandbox.payments import OPEN, paid, payment
from nexevo_async.sandbox.refusal import not_found

PATH: Final = "/checkout"
_STYLE: Final = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
body { min-height: 100vh; margin: 0; display: grid; place-items: center;
  background: light-dark(#eef1f6, #14171c) }
main { width: min(22rem, calc(100vw - 6rem)); padding: 2rem; border-radius: 1rem;
  background: light-dark(#fff, #1f242c); box-shadow: 0 1rem 3rem #0003 }
h1 { margin: 0 0 1rem; font-size: 1rem; font-weight: 600 }
.amount { margin: 0; font-size: 2.25rem; font-weight: 700; overflow-wrap: anywhere }
.muted { color: light-dark(#5b6472, #9aa4b2); overflow-wrap: anywhere }
button { width: 100%; padding: .8rem; border: 0; border-radius: .6rem; font: inherit;
  font-weight: 600; color: #fff; background: #2f5bea; cursor: pointer }
button:hover { background: #2449c4 }
button:focus-visible { outline: 3px solid #8fa8ff; outline-offset: 2px }
.paid { color: light-dark(#167a3f, #4cc781); font-weight: 600 }
"""
_PAGE: Final = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<main>
<h1>Top up {account}</h1>
<p class="amount">{amount} USD</p>
{state}
<p class="muted">Nexevo sandbox: no money moves.<br>{payment_id}</p>
</main>
</body>
</html>
"""
_PAY: Final = """\
<form method="post">
<p><button type="submit">Pay {amount} USD</button></p>
</form>"""
_PAID: Final = '<p class="paid" role="status">Paid. The balance is {balance} USD.</p>'
_EXPIRED: Final = '<p role="status">This page has expired.</p>'
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'; "
        f"style-src 'sha256-{base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()}'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def url_of(site: Site, payment_id: str) -> str:
    """Give where a payment is made."""
    return f"{site.url}/_sandbox{PATH}/{payment_id}"


class Checkout:
    """Serves the pages."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def show(self, request: web.Request) -> web.Response:
        """Give the page."""
        payment_id = request.match_info["payment_id"]
        page = await self._gateway.store.run(functools.partial(_page, payment_id=payment_id))
        return web.Response(text=page, content_type="text/html", headers=_HEADERS)

    async def pay(self, request: web.Request) -> web.Response:
        """Pay, and lead back to the page: to load it again must not pay again."""
        payment_id = request.match_info["payment_id"]
        await self._gateway.store.run(
            functools.partial(paid, payment_id=payment_id, now=self._gateway.now())
        )
        return web.Response(status=303, headers={"Location": request.path})


def _page(db: sqlite3.Connection, payment_id: str) -> str:
    row = payment(db, payment_id)
    if row["kind"] != "checkout":
        raise not_found("checkout", payment_id)
    name = db.execute(
        "SELECT coalesce(full_name, email) FROM users WHERE user_id = :id"
        " UNION ALL SELECT name FROM organizations WHERE org_id = :id",
        {"id": row["account_id"]},
    ).fetchone()[0]
    amount = escape(row["amount_usd"])
    if row["status"] == OPEN:
        title, state = "Checkout", _PAY.format(amount=amount)
    elif row["balance_usd"] is None:
        title, state = "Expired", _EXPIRED
    else:
        title, state = "Paid", _PAID.format(balance=escape(row["balance_usd"]))
    return _PAGE.format(
        title=title,
        style=_STYLE,
        account=escape(name or "an account that was closed"),
        amount=amount,
        state=state,
        payment_id=escape(payment_id),
    )
