from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Generic, NoReturn, TypeVar, final

from nexevo_async.codec.answers import PageContent
from nexevo_async.contract.model import Model
from nexevo_async.errors import PaginationError
from nexevo_async.meta import Meta

M = TypeVar("M", bound=Model)

Fetch = Callable[[str | None], Awaitable[PageContent[M]]]


@final
class AsyncPage(Generic[M]):
    """A page of a list; ``async for`` walks this page and all that follow it.

    Attributes:
        data: The items of this page.
        has_more: Whether there are more pages.
        next_cursor: Where the next page begins; None on the last.
        meta: What the gateway said beside this page.

    Example:
        >>> for title in ("one", "two", "three"):
        ...     _ = await client.conversations.create(title=title)
        >>> page = await client.conversations.list(limit=2)
        >>> [conv.title for conv in page.data]
        ['three', 'two']
        >>> [conv.title async for conv in page]
        ['three', 'two', 'one']
    """

    def __init__(
        self,
        content: PageContent[M],
        fetch: Fetch[M],
        operation: str,
        seen: frozenset[str] = frozenset(),
    ) -> None:
        self.data: list[M] = content.data
        self.has_more: bool = content.has_more
        self.next_cursor: str | None = content.next_cursor if content.has_more else None
        self.meta: Meta = content.meta
        self._fetch = fetch
        self._operation = operation
        self._seen = seen

    async def next_page(self) -> "AsyncPage[M] | None":
        """Give the next page; None when this is the last.

        Raises:
            PaginationError: the gateway's cursors lead in a circle, or nowhere.
        """
        if not self.has_more:
            return None
        cursor = self.next_cursor
        if cursor is None:
            raise self._lost("says that there are more pages, and no cursor that leads there")
        if cursor in self._seen:
            raise self._lost(
                f"gave the cursor {cursor!r} a second time, so that its pages lead in a circle"
            )
        content = await self._fetch(cursor)
        return AsyncPage(content, self._fetch, self._operation, self._seen | {cursor})

    def _lost(self, what: str) -> PaginationError:
        return PaginationError(
            f"{self._operation}: the gateway {what}. "
            "What came before is all that can be had; report this to Nexevo.",
            cursor=self.next_cursor or "",
            operation=self._operation,
        )

    async def __aiter__(self) -> AsyncIterator[M]:
        page: AsyncPage[M] | None = self
        while page is not None:
            for item in page.data:
                yield item
            page = await page.next_page()

    def __iter__(self) -> NoReturn:
        raise TypeError(
            "this is a page of the async client: use `async for item in page`, "
            "or `for item in page.data` for the items of this page alone"
        )

    def __repr__(self) -> str:
        return f"<AsyncPage of {len(self.data)}, has_more={self.has_more}>"
