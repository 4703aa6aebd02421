from typing import Annotated, TypedDict

import msgspec


class PageQuery(TypedDict, total=False):
    """The query of every list.

    Attributes:
        limit: Items a page, 1 to 100; the gateway's default is 20 [P].
        cursor: Where to go on, from the page before [P].
    """

    limit: Annotated[int, msgspec.Meta(ge=1, le=100)]
    cursor: Annotated[str, msgspec.Meta(min_length=1)]
