"""What pyarrow's types of cells are; knows no cells."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

__all__ = ["is_numeric", "is_text"]


def is_text(kind: Any) -> bool:
    """Return whether a pyarrow type is one of strings."""
    return bool(
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_string_view(kind)
    )


def is_numeric(kind: Any) -> bool:
    """Return whether a pyarrow type counts as one of numbers."""
    return bool(
        pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_decimal(kind)
        or pa.types.is_boolean(kind)
        or pa.types.is_null(kind)
    )
