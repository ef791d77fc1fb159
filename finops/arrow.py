"""Arrow columns of few texts and many rows."""

from __future__ import annotations

from typing import Any


def spread(values: Any, numbers: Any) -> Any:
    """Each row's value, by its number among ``values``; texts are kept once, as a dictionary."""
    import pyarrow as pa  # noqa: PLC0415  # loaded with the engine, not with the app

    if not pa.types.is_string(values.type) or values.null_count:
        return values.take(numbers)
    # Each text once: readers are faster by the runs of equal ones.
    once = values.dictionary_encode()
    return pa.DictionaryArray.from_arrays(once.indices.take(numbers), once.dictionary)
