from decimal import Decimal
from typing import TypeVar, Unpack, cast, final

from nexevo_async.config import CallOptions, KeyedCallOptions
from nexevo_async.contract import billing as contract
from nexevo_async.contract import checks
from nexevo_async.contract.billing import (
    Balance,
    CheckoutSession,
    Plan,
    Topup,
    UpgradeHint,
    Usage,
)
from nexevo_async.contract.model import Model
from nexevo_async.contract.operation import Operation
from nexevo_async.services.caller import Caller, body, query_string

M = TypeVar("M", bound=Model)


@final
class Billing:
    """Balance, usage, plan and payments [D]; amounts are ``Decimal``, never floats."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def balance(self, **options: Unpack[CallOptions]) -> Balance:
        """Give what is left to spend [D].

        Args:
            **options: See `CallOptions`.

        Returns:
            The balance in USD.

        Example:
            >>> bal = await client.billing.balance()
            >>> bal.balance_usd
            Decimal('100')
        """
        return await self._caller.one(contract.BALANCE, contract.BALANCE.path, options=options)

    async def usage(self, days: int = 7, **options: Unpack[CallOptions]) -> Usage:
        """Report what the last days cost, by day and by tier [D: the call; P: its path].

        Args:
            days: How many UTC days to report, today included [D].
            **options: See `CallOptions`.

        Returns:
            The costs in USD and the tokens, in all, by day and by tier.

        Raises:
            TypeError: ``days`` is not an int.

        Example:
            >>> usage = await client.billing.usage(days=7)
            >>> usage.total, len(usage.daily or [])
            (Decimal('0'), 7)
        """
        return await self._caller.one(
            contract.USAGE,
            contract.USAGE.path,
            query=query_string({"days": checks.whole("days", days)}),
            options=options,
        )

    async def get_plan(self, **options: Unpack[CallOptions]) -> Plan:
        """Give the account's plan [D: the call; P: its path].

        Args:
            **options: See `CallOptions`.

        Returns:
            The plan, with its quota in USD a month and its requests a minute.

        Example:
            >>> plan = await client.billing.get_plan()
            >>> plan.plan
            'payg'
        """
        return await self._caller.one(contract.GET_PLAN, contract.GET_PLAN.path, options=options)

    async def upgrade_hint(self, **options: Unpack[CallOptions]) -> UpgradeHint:
        """Say whether another plan would have cost less [D: the call; P: its path].

        Args:
            **options: See `CallOptions`.

        Returns:
            Its ``hint`` names the plan and the savings in per cent; it is None where no plan would
            have cost less [D].

        Example:
            >>> hint = await client.billing.upgrade_hint()
            >>> if hint["hint"]:
            ...     print(hint["hint"]["recommend_plan"], hint["hint"]["savings_pct"])
        """
        return await self._caller.one(
            contract.UPGRADE_HINT, contract.UPGRADE_HINT.path, options=options
        )

    async def topup(
        self,
        *,
        amount_usd: str | int | Decimal,
        idempotency_key: str,
        **options: Unpack[KeyedCallOptions],
    ) -> Topup:
        """Pay into the balance [D].

        The gateway charges once for a key [D], so that this is sent again after any failure, and
        may be repeated with the same key when no answer came.

        Args:
            amount_usd: How much, in USD, above 0; it travels as a number of exactly these digits
                [D].
            idempotency_key: Stands for this payment: the same key never charges twice [D]. Nexevo
                suggests ``topup-YYYY-MM-DD-`` and a number. 1 to 255 printable ASCII characters.
            **options: See `CallOptions`.

        Returns:
            The payment, and the balance after it [P].

        Raises:
            TypeError: An argument has the wrong type; the amount is a float.
            ValueError: The amount is not above 0 or no number, or the key cannot travel.
            ConflictError: The key was used for another payment.

        Example:
            >>> topup = await client.billing.topup(
            ...     amount_usd="20.10", idempotency_key="topup-2026-04-27-001"
            ... )
            >>> topup.balance_usd
            Decimal('120.10')
        """
        return await self._pay(contract.TOPUP, amount_usd, idempotency_key, options)

    async def checkout(
        self,
        *,
        amount_usd: str | int | Decimal,
        idempotency_key: str,
        **options: Unpack[KeyedCallOptions],
    ) -> CheckoutSession:
        """Open a page on which somebody pays into the balance [D].

        Args:
            amount_usd: How much, in USD, above 0; it travels as a number of exactly these digits
                [D].
            idempotency_key: Stands for this payment: the same key never charges twice [D]. Nexevo
                suggests ``topup-YYYY-MM-DD-`` and a number. 1 to 255 printable ASCII characters.
            **options: See `CallOptions`.

        Returns:
            Its ``checkout_url`` is where to send who pays [D].

        Raises:
            TypeError: An argument has the wrong type; the amount is a float.
            ValueError: The amount is not above 0 or no number, or the key cannot travel.
            ConflictError: The key was used for another payment.

        Example:
            >>> session = await client.billing.checkout(
            ...     amount_usd=20, idempotency_key="topup-2026-04-27-001"
            ... )
            >>> session["checkout_url"].startswith("http")
            True
        """
        return await self._pay(contract.CHECKOUT, amount_usd, idempotency_key, options)

    async def _pay(
        self,
        operation: Operation[M],
        amount_usd: object,
        idempotency_key: object,
        keyed: KeyedCallOptions,
    ) -> M:
        options = cast("CallOptions", keyed)  # without a key: that goes into the body
        members = {
            "amount_usd": checks.payment("amount_usd", amount_usd),
            "idempotency_key": checks.idempotency_key("idempotency_key", idempotency_key),
        }
        return await self._caller.one(
            operation, operation.path, body=body(members, options), options=options
        )
