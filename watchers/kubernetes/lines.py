"""A stream of bytes as lines: what a watch sends, one event each. Pure."""

from watchers.kubernetes.errors import TooLarge


class Lines:
    """Puts lines together from chunks; what is left without an end is no line, for it was cut off.

    Args:
        most: the most bytes of a line.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._rest = bytearray()

    def feed(self, chunk: bytes) -> list[bytes]:
        """Take a chunk, give the lines that it completes, without their ends; empty ones are left out.

        Raises:
            TooLarge: a line is longer than is taken in.
        """
        head, newline, tail = chunk.rpartition(b"\n")
        if len(self._rest) + len(head if newline else tail) > self._most and not self._fits(chunk):
            raise TooLarge(f"An event of a watch is longer than {self._most} bytes; it is not taken in")
        if not newline:
            self._rest += tail
            return []
        lines = (bytes(self._rest) + head).split(b"\n")
        self._rest = bytearray(tail)
        return [line for line in lines if line]

    def _fits(self, chunk: bytes) -> bool:
        """Whether no single line of what is there and this chunk is too long; for chunks of many lines."""
        first, *others = chunk.split(b"\n")
        return len(self._rest) + len(first) <= self._most and all(len(each) <= self._most for each in others)
