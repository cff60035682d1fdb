"""How a CSV file is written: its separator and its encoding; reads nothing."""

from __future__ import annotations

import codecs
from dataclasses import dataclass

__all__ = ["CsvFormat"]

# How shells and people write what is hard to type.
SPELT_SEPARATORS = {"tab": "\t", "\\t": "\t"}


@dataclass(frozen=True)
class CsvFormat:
    r"""How a CSV file is written.

    Attributes
    ----------
    separator : str, default=","
        One character of ASCII between two cells; ``"tab"`` and ``"\\t"``, as a shell
        hands it over, stand for a tab.
    encoding : str, default="utf-8"
        A name that Python knows, such as ``"cp1252"`` or ``"utf-16"``.

    Raises
    ------
    ValueError
        If the separator cannot separate, or Python knows no such encoding of text.

    Examples
    --------
    >>> CsvFormat(separator="tab").delimiter
    '\t'
    >>> CsvFormat(encoding="latin")
    CsvFormat(separator=',', encoding='latin')
    """

    separator: str = ","
    encoding: str = "utf-8"

    def __post_init__(self) -> None:
        if not isinstance(self.separator, str) or not _separates(self.delimiter):
            msg = (
                "separator must be one ASCII character other than a quote or a line "
                f"end, or 'tab', got {self.separator!r}."
            )
            raise ValueError(msg)
        if not _is_known(self.encoding):
            msg = (
                "encoding must be an encoding of text that Python knows, such as "
                f"'cp1252', got {self.encoding!r}."
            )
            raise ValueError(msg)

    @property
    def delimiter(self) -> str:
        """Return the character between two cells."""
        return SPELT_SEPARATORS.get(self.separator, self.separator)

    @property
    def is_utf8(self) -> bool:
        """Return whether text need not be transcoded."""
        return codecs.lookup(self.encoding).name in {"utf-8", "utf-8-sig"}


def _separates(delimiter: str) -> bool:
    """Return whether something can stand between two cells."""
    return len(delimiter) == 1 and delimiter.isascii() and delimiter not in '"\r\n'


def _is_known(encoding: object) -> bool:
    """Return whether Python decodes text by this name."""
    if not isinstance(encoding, str):
        return False
    try:
        # Other codecs, such as that of gzip, are known but give no text.
        b"a".decode(encoding, errors="replace")
        codecs.getincrementaldecoder(encoding)
    except (LookupError, ValueError):
        return False
    return True
