"""The schema that a loaded model carries; knows no tables and no files."""

from __future__ import annotations

from typing import Any

from torch_binary_classifier.schemas.description import TableSchema

__all__ = ["carried_schema", "schema_of"]


def schema_of(model: Any) -> TableSchema:
    """Return the schema of the table that a model was trained on.

    Parameters
    ----------
    model : TableSchema or object
        A schema, or a model that `load` returned.

    Returns
    -------
    TableSchema
        The schema.

    Raises
    ------
    ValueError
        If the model carries none.
    """
    found = model if isinstance(model, TableSchema) else carried_schema(model)
    if found is None:
        msg = (
            "model must carry the schema of its training table, got "
            f"{type(model).__name__} without. Save it with save(model, path, X=X)."
        )
        raise ValueError(msg)
    return found


def carried_schema(model: Any) -> TableSchema | None:
    """Return the schema that a loaded model carries, or None."""
    plain = (getattr(model, "_manifest", None) or {}).get("schema")
    return None if plain is None else TableSchema.from_dict(plain)
