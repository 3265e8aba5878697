"""A value that won't print.

Rule: a token, a key or a password travels as a `Secret` until the one line that puts it on the wire.
"""

from __future__ import annotations


class Secret:
    """Text that shows itself only when asked by name.

    `repr`, `str`, format and comparison give nothing away; pickling is refused, because a pickle is a file waiting to happen.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Give the text itself. Call it where the value leaves for its destination, not before."""
        return self._text

    def __repr__(self) -> str:
        """Say what it is, not what it says."""
        return "Secret('***')"

    __str__ = __repr__

    def __format__(self, _spec: str) -> str:
        """Keep f-strings silent too."""
        return "***"

    def __bool__(self) -> bool:
        """Tell an empty secret from one that is there."""
        return bool(self._text)

    def __reduce__(self) -> tuple[object, ...]:
        """Refuse to be pickled."""
        raise TypeError("a Secret can't be pickled")
