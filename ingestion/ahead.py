"""An iterator that works ahead in a thread of its own."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def ahead(items: Generator[T, None, None], *, depth: int) -> Generator[T, None, None]:
    """The items, of which up to ``depth`` are made before they are asked for; errors come in their place."""
    end = object()
    pool = ThreadPoolExecutor(1, "ahead")
    try:
        waiting = deque(pool.submit(next, items, end) for _ in range(depth))
        while (item := waiting.popleft().result()) is not end:
            waiting.append(pool.submit(next, items, end))
            yield item  # type: ignore[misc]  # what is not the end is an item
    finally:
        pool.shutdown(cancel_futures=True)
        items.close()
