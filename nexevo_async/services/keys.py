from decimal import Decimal
from typing import Unpack, final

from nexevo_async.config import CallOptions
from nexevo_async.contract import checks
from nexevo_async.contract import keys as contract
from nexevo_async.contract.keys import GeoPolicy, Key, NewKey
from nexevo_async.pagination import AsyncPage
from nexevo_async.services.caller import Caller, body


@final
class Keys:
    """API keys: made, capped, watched and revoked while programs run [D]."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def create(
        self,
        name: str,
        *,
        monthly_spend_cap_usd: str | int | Decimal | None = None,
        geo_policy: GeoPolicy | None = None,
        organization_id: str | None = None,
        **options: Unpack[CallOptions],
    ) -> NewKey:
        """Make an API key [D].

        Args:
            name: Its name, to tell it from others; 1 to 100 characters [D].
            monthly_spend_cap_usd: What it may spend in a month, in USD [P here; D in
                `update_spend_cap`].
            geo_policy: Where its models may run [P here; D in `update_geo_policy`].
            organization_id: The organization that it belongs to [P].
            **options: See `CallOptions`. A lost answer leaves open whether the key was made; look
                into `list`, and revoke what nobody holds.

        Returns:
            Its ``full_key``, which is shown this once and stored nowhere, and what is stored of it,
            with its ``key_id`` [D].

        Raises:
            TypeError: An argument has the wrong type; the cap is a float.
            ValueError: The name is empty or over 100 characters, the cap is negative or no number,
                or the policy is none of the three.
            PermissionDeniedError: The caller is no owner or admin of the organization.

        Example:
            >>> new = await client.keys.create(name="prod-2026")
            >>> new["full_key"].startswith("sk-xc-")
            True
        """
        return await self._caller.one(
            contract.CREATE,
            contract.CREATE.path,
            body=body(
                {
                    "name": checks.text("name", name, at_most=contract.NAME_LENGTH),
                    "monthly_spend_cap_usd": checks.given(
                        checks.amount, "monthly_spend_cap_usd", monthly_spend_cap_usd
                    ),
                    "geo_policy": checks.given(_geo_policy, "geo_policy", geo_policy),
                    "organization_id": checks.given(
                        checks.string, "organization_id", organization_id
                    ),
                },
                options,
            ),
            options=options,
        )

    async def list(
        self, limit: int = 20, cursor: str | None = None, **options: Unpack[CallOptions]
    ) -> AsyncPage[Key]:
        """List API keys, newest first [P].

        Args:
            limit: Keys a page, 1 to 100.
            cursor: ``next_cursor`` of the page before, to go on from there.
            **options: See `CallOptions`.

        Returns:
            A page; ``async for`` over it walks all pages.

        Raises:
            TypeError: An argument has the wrong type.

        Example:
            >>> _ = await client.keys.create(name="prod-2026")
            >>> page = await client.keys.list()
            >>> page.data[0].name
            'prod-2026'
        """
        query = {"limit": checks.whole("limit", limit), "cursor": cursor}
        return await self._caller.page(
            contract.LIST, contract.LIST.path, query=query, options=options
        )

    async def get(self, key_id: str, **options: Unpack[CallOptions]) -> Key:
        """Give what is stored of an API key [P].

        Args:
            key_id: The key's id, which is not the key.
            **options: See `CallOptions`.

        Returns:
            The key, without the key itself.

        Raises:
            ValueError: The id is empty or leads to another path.
            NotFoundError: There is no such key.

        Example:
            >>> new = await client.keys.create(name="prod-2026")
            >>> key = await client.keys.get(new.key.key_id)
            >>> key.name
            'prod-2026'
        """
        return await self._caller.one(contract.GET, contract.GET.at(key_id), options=options)

    async def revoke(self, key_id: str, **options: Unpack[CallOptions]) -> None:
        """Revoke an API key: it is refused from the next request on [D: the call; P: its path].

        Args:
            key_id: The key's id.
            **options: See `CallOptions`.

        Raises:
            ValueError: The id is empty or leads to another path.
            NotFoundError: There is no such key.

        Example:
            >>> new = await client.keys.create(name="prod-2026")
            >>> await client.keys.revoke(new["key"]["key_id"])
        """
        await self._caller.nothing(contract.REVOKE, contract.REVOKE.at(key_id), options=options)

    async def update_spend_cap(
        self,
        key_id: str,
        *,
        monthly_spend_cap_usd: str | int | Decimal | None = None,
        clear: bool = False,
        **options: Unpack[CallOptions],
    ) -> Key:
        """Set or clear what an API key may spend in a month [D].

        Over its cap, every request of the key is refused until the month ends [D].

        Args:
            key_id: The key's id.
            monthly_spend_cap_usd: The cap in USD; its digits travel as they are given [D].
            clear: True takes the cap away [D].
            **options: See `CallOptions`.

        Returns:
            The changed key [P].

        Raises:
            TypeError: An argument has the wrong type; the cap is a float.
            ValueError: The cap is negative or no number; both or neither of ``clear`` and a cap
                are given; or the id leads to another path.
            NotFoundError: There is no such key.

        Example:
            >>> new = await client.keys.create(name="prod-2026")
            >>> key = await client.keys.update_spend_cap(
            ...     new["key"]["key_id"], monthly_spend_cap_usd="100.00"
            ... )
            >>> key.monthly_spend_cap_usd
            Decimal('100.00')
            >>> key = await client.keys.update_spend_cap(key.key_id, clear=True)
            >>> print(key.monthly_spend_cap_usd)
            None
        """
        checks.one_or_clear("monthly_spend_cap_usd", monthly_spend_cap_usd, clear)
        return await self._caller.one(
            contract.UPDATE_SPEND_CAP,
            contract.UPDATE_SPEND_CAP.at(key_id),
            body=body(
                {"clear": True}
                if clear
                else {
                    "monthly_spend_cap_usd": checks.amount(
                        "monthly_spend_cap_usd", monthly_spend_cap_usd
                    )
                },
                options,
            ),
            options=options,
        )

    async def update_alert_webhook(
        self,
        key_id: str,
        *,
        url: str | None = None,
        clear: bool = False,
        **options: Unpack[CallOptions],
    ) -> Key:
        """Set or clear who is told when an API key's cap comes near [D: the call; P: its path].

        Nexevo posts to the URL at 80 % and at 100 % of the cap, each once a month [P];
        ``webhooks.verify`` checks what arrives.

        Args:
            key_id: The key's id.
            url: Where to post; HTTPS only [D].
            clear: True has nobody told any more [P].
            **options: See `CallOptions`.

        Returns:
            The changed key; when a URL was set, with ``alert_webhook_secret``, which no other
            answer shows [P].

        Raises:
            TypeError: An argument has the wrong type.
            ValueError: The URL is not an HTTPS one, or has credentials; both or neither of
                ``clear`` and a URL are given; or the id leads to another path.
            NotFoundError: There is no such key.

        Example:
            >>> new = await client.keys.create(name="prod-2026")
            >>> key = await client.keys.update_alert_webhook(
            ...     new["key"]["key_id"], url="https://your-app.com/billing-alert"
            ... )
            >>> key["alert_webhook_secret"].startswith("whsec_")
            True
        """
        checks.one_or_clear("url", url, clear)
        return await self._caller.one(
            contract.UPDATE_ALERT_WEBHOOK,
            contract.UPDATE_ALERT_WEBHOOK.at(key_id),
            body=body({"clear": True} if clear else {"url": checks.https_url("url", url)}, options),
            options=options,
        )

    async def update_geo_policy(
        self, key_id: str, *, policy: GeoPolicy, **options: Unpack[CallOptions]
    ) -> Key:
        """Set where an API key's models may run [D: the feature; P: the call].

        Args:
            key_id: The key's id.
            policy: ``cn-only``, ``overseas-only`` or ``any`` [D].
            **options: See `CallOptions`.

        Returns:
            The changed key.

        Raises:
            TypeError: An argument has the wrong type.
            ValueError: The policy is none of the three, or the id leads to another path.
            NotFoundError: There is no such key.

        Example:
            >>> new = await client.keys.create(name="prod-2026")
            >>> key = await client.keys.update_geo_policy(new["key"]["key_id"], policy="cn-only")
            >>> key.geo_policy
            'cn-only'
        """
        return await self._caller.one(
            contract.UPDATE_GEO_POLICY,
            contract.UPDATE_GEO_POLICY.at(key_id),
            body=body({"policy": _geo_policy("policy", policy)}, options),
            options=options,
        )


def _geo_policy(name: str, value: object) -> str:
    return checks.one_of(name, value, contract.GEO_POLICIES)
