"""The golden requests of ``billing.*``, written by hand from the contract."""

from decimal import Decimal

from golden_requests.golden import Golden

GOLDEN = [
    Golden(
        operation="billing.balance",
        call=lambda c: c.billing.balance(),
        method="GET",
        path="/billing/balance",
        answer={"balance_usd": "123456789012.345678901234567890"},
        gives=lambda r: (str(r.balance_usd), r["balance_usd"]),
        expected=(
            "123456789012.345678901234567890",
            Decimal("123456789012.345678901234567890"),
        ),
    ),
    Golden(
        operation="billing.usage",
        call=lambda c: c.billing.usage(days=30),
        method="GET",
        path="/billing/usage?days=30",
        answer={
            "days": 30,
            "total": "0.30",
            "daily": [{"date": "2026-04-27", "cost": "0.30", "requests": 2}],
            "by_tier": {"fast": {"cost": "0.10"}, "byok": {"cost": "0"}},
        },
        gives=lambda r: (r.total, r.daily[0].date, r.daily[0].cost, r.by_tier["fast"].cost),
        expected=(Decimal("0.30"), "2026-04-27", Decimal("0.30"), Decimal("0.10")),
    ),
    Golden(
        operation="billing.get_plan",
        call=lambda c: c.billing.get_plan(),
        method="GET",
        path="/billing/plan",
        answer={"plan": "free", "monthly_quota_usd": "5.00", "rate_limit_rpm": 60},
        gives=lambda r: (r.plan, r.monthly_quota_usd, r.rate_limit_rpm),
        expected=("free", Decimal("5.00"), 60),
    ),
    Golden(
        operation="billing.upgrade_hint",
        call=lambda c: c.billing.upgrade_hint(),
        method="GET",
        path="/billing/upgrade-hint",
        answer={"hint": {"recommend_plan": "pro", "savings_pct": 12.5}},
        gives=lambda r: (r["hint"]["recommend_plan"], f"{r['hint']['savings_pct']}%"),
        expected=("pro", "12.5%"),
    ),
    Golden(
        operation="billing.upgrade_hint",
        call=lambda c: c.billing.upgrade_hint(),
        method="GET",
        path="/billing/upgrade-hint",
        answer={"hint": None},
        gives=lambda r: r["hint"],
    ),
    *(
        Golden(
            operation="billing.topup",
            call=lambda c, amount=amount: c.billing.topup(
                amount_usd=amount, idempotency_key="topup-2026-04-27-001"
            ),
            method="POST",
            path="/billing/topup",
            body=b'{"amount_usd":%b,"idempotency_key":"topup-2026-04-27-001"}' % digits,
            answer={"topup_id": "tu_1", "status": "succeeded", "amount_usd": "20.10"},
            gives=lambda r: (r.topup_id, r.status, r.amount_usd),
            expected=("tu_1", "succeeded", Decimal("20.10")),
        )
        for amount, digits in (
            ("20.10", b"20.10"),
            (20, b"20"),
            (Decimal("0.000000000000000001"), b"0.000000000000000001"),
            ("123456789012.345678901234567890", b"123456789012.345678901234567890"),
            (12345678901234567890123, b"12345678901234567890123"),
            (Decimal("1E+3"), b"1000"),
        )
    ),
    Golden(
        operation="billing.checkout",
        call=lambda c: c.billing.checkout(amount_usd=20, idempotency_key="topup-2026-04-27-001"),
        method="POST",
        path="/billing/checkout",
        body=b'{"amount_usd":20,"idempotency_key":"topup-2026-04-27-001"}',
        answer={"session": {"checkout_url": "https://pay.nexevo.ai/cs_1", "session_id": "cs_1"}},
        gives=lambda r: (r["checkout_url"], r.session_id),
        expected=("https://pay.nexevo.ai/cs_1", "cs_1"),
    ),
]
