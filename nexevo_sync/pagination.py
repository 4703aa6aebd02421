from collections.abc import Iterator
from typing import Generic, NoReturn, TypeVar, final

from nexevo_async.contract.model import Model
from nexevo_async.meta import Meta
from nexevo_async.pagination import AsyncPage
from nexevo_sync.portal import wait_for

M = TypeVar("M", bound=Model)


@final
class Page(Generic[M]):
    """A page of a list; ``for`` walks this page and all that follow it.

    Attributes:
        data: The items of this page.
        has_more: Whether there are more pages.
        next_cursor: Where the next page begins; None on the last.
        meta: What the gateway said beside this page.

    Example:
        >>> for title in ("one", "two", "three"):
        ...     _ = client.conversations.create(title=title)
        >>> page = client.conversations.list(limit=2)
        >>> [conv.title for conv in page.data]
        ['three', 'two']
        >>> [conv.title for conv in page]
        ['three', 'two', 'one']
    """

    def __init__(self, page: AsyncPage[M]) -> None:
        self.data: list[M] = page.data
        self.has_more: bool = page.has_more
        self.next_cursor: str | None = page.next_cursor
        self.meta: Meta = page.meta
        self._page = page

    def next_page(self) -> "Page[M] | None":
        """Give the next page; None when this is the last.

        Raises:
            PaginationError: the gateway's cursors lead in a circle, or nowhere.
        """
        page = wait_for(self._page.next_page())
        return None if page is None else Page(page)

    def __iter__(self) -> Iterator[M]:
        page: Page[M] | None = self
        while page is not None:
            yield from page.data
            page = page.next_page()

    def __aiter__(self) -> NoReturn:
        raise TypeError(
            "this is a page of the sync client: use `for item in page`, "
            "or nexevo_async.AsyncNexevo for `async for`"
        )

    def __repr__(self) -> str:
        return f"<Page of {len(self.data)}, has_more={self.has_more}>"
