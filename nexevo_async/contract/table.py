"""Every operation of the contract, for whoever needs them all: the sandbox and the documents."""

from typing import Any, Final

from nexevo_async.contract import (
    auth,
    billing,
    chat,
    conversations,
    feedback,
    keys,
    models,
    organizations,
)
from nexevo_async.contract.operation import Operation

OPERATIONS: Final[tuple[Operation[Any], ...]] = (
    *conversations.OPERATIONS,
    *chat.OPERATIONS,
    *models.OPERATIONS,
    *feedback.OPERATIONS,
    *auth.OPERATIONS,
    *keys.OPERATIONS,
    *billing.OPERATIONS,
    *organizations.OPERATIONS,
)
