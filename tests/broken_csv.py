"""CSV with wrong records at known places, written down while they are written."""

from dataclasses import dataclass

import numpy as np

# What the columns hold; a model of them knows these cities and needs a number in "a".
SCHEMA = {
    "id": "text",
    "a": "number",
    "b": "whole number",
    "c": "category",
    "d": "truth value",
    "e": "date",
}
CITIES = ("Oslo", "Bergen", "Tromsø", "Nes, Akershus")
# Beyond what is waited for.
LONG_BYTES = (1 << 22) + 10


@dataclass(frozen=True)
class Truth:
    """A wrong record: where it stands, and what is to be said of it."""

    row: int
    line: int
    byte_offset: int
    kind: str
    column: str | None
    fault: str
    raw: bytes


# What is written wrongly, what that is called, and in which column it stands.
KINDS = {
    "letters in a number": ("cast", "a"),
    "no number": ("missing", "a"),
    "a field less": ("too few fields", None),
    "a field more": ("too many fields", None),
    "text after a quote": ("quote", "id"),
    "open quote": ("quote", "id"),
    "other bytes": ("encoding", "c"),
    "inf": ("non-finite", "a"),
    "1e999": ("non-finite", "a"),
    "unseen city": ("unseen", "c"),
    "too long": ("too long", None),
    "maybe": ("cast", "d"),
    "no such day": ("cast", "e"),
}
# Those that a reader sees who knows no types.
STRUCTURAL = (
    "a field less",
    "a field more",
    "text after a quote",
    "open quote",
    "other bytes",
    "too long",
)
_WRITTEN = {
    "letters in a number": ("a", b"12x4"),
    "no number": ("a", b""),
    "other bytes": ("c", b"Troms\xf8"),
    "inf": ("a", b"inf"),
    "1e999": ("a", b"1e999"),
    "unseen city": ("c", b"Atlantis"),
    "maybe": ("d", b"maybe"),
    "no such day": ("e", b"2024-02-31"),
}


def broken_csv(
    n_rows, seed, kinds=tuple(KINDS), *, n_each=3, line_end=b"\n", long_bytes=LONG_BYTES
):
    """Return a file of so many records, and the truth on those that are wrong.

    Each kind occurs ``n_each`` times at places that the seed draws. The other records
    have cells with quotes, separators and line ends, and empty lines between them.
    """
    rng = np.random.default_rng(seed)
    rows = rng.choice(n_rows, size=n_each * len(kinds), replace=False)
    drawn = dict(zip(rows.tolist(), [*kinds] * n_each, strict=True))
    content = bytearray(",".join(SCHEMA).encode() + line_end)
    n_lines = 1
    truth = []
    for row in range(n_rows):
        if rng.random() < 0.1:
            content += line_end
            n_lines += 1
        fault = drawn.get(row)
        raw = _wrong(rng, row, fault, long_bytes) if fault else _right(rng, row)
        if fault:
            kind, column = KINDS[fault]
            place = (row, n_lines + 1, len(content), kind, column)
            truth.append(Truth(*place, fault, raw))
        content += raw + line_end
        n_lines += raw.count(b"\n") + 1
    return bytes(content), truth


def _cells(rng, row):
    """Return the cells of a good record by column."""
    city = CITIES[rng.integers(len(CITIES))]
    return {
        "id": b"r%d" % row,
        "a": b"%.4f" % rng.normal(),
        "b": b"%d" % rng.integers(-50, 50),
        "c": (f'"{city}"' if "," in city else city).encode(),
        "d": (b"true", b"false")[rng.integers(2)],
        "e": b"2024-%02d-%02d" % (rng.integers(1, 13), rng.integers(1, 29)),
    }


def _right(rng, row):
    """Return a good record; its first cell is written in one of several ways.

    No quote of it may close a cell that a wrong record left open.
    """
    cells = _cells(rng, row)
    ways = (
        b"r%d",
        b'"r%d"',
        b'"r%d, so"',
        b'"r%d ""so"""',
        b'"r%d\nso\n\nso"',
        b'r%d" so',
    )
    cells["id"] = ways[rng.integers(len(ways))] % row
    return b",".join(cells.values())


def _wrong(rng, row, fault, long_bytes):
    """Return a record that is wrong in one way."""
    cells = _cells(rng, row)
    if fault == "a field less":
        del cells["e"]
    elif fault == "a field more":
        cells["f"] = b"7"
    elif fault == "text after a quote":
        cells["id"] = b'"r%d" so' % row
    elif fault == "open quote":
        cells["id"] = b'"r%d' % row
    elif fault == "too long":
        cells["id"] += b"x" * long_bytes
    else:
        column, cell = _WRITTEN[fault]
        cells[column] = cell
    return b",".join(cells.values())
