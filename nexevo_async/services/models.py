from typing import Unpack, final

from nexevo_async.config import CallOptions
from nexevo_async.contract import models as contract
from nexevo_async.contract.models import ModelInfo
from nexevo_async.pagination import AsyncPage
from nexevo_async.services.caller import Caller


@final
class Models:
    """The models that the gateway offers [P]."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def list(self, **options: Unpack[CallOptions]) -> AsyncPage[ModelInfo]:
        """List the models that the key may use [P].

        Args:
            **options: See `CallOptions`.

        Returns:
            A page with all of them.

        Example:
            >>> models = await client.models.list()
            >>> "gpt-4o" in [model.id for model in models.data]
            True
        """
        return await self._caller.page(contract.LIST, contract.LIST.path, query={}, options=options)
