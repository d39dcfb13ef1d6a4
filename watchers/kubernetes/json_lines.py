"""Splits the bytes of a watch into lines, one for each event. Pure."""

from watchers.kubernetes.errors import TooLarge


class JsonLines:
    """Assembles lines from chunks; the rest without a line end is incomplete, and not yielded.

    Args:
        most: the most bytes of a line.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._rest = bytearray()

    def feed(self, chunk: bytes) -> list[bytes]:
        """Add a chunk; return the lines that it completes, without line ends and empty lines.

        Raises:
            TooLarge: a line is too long.
        """
        first, *others = chunk.split(b"\n")
        self._rest += first
        lines = [bytes(self._rest), *others] if others else []
        if others:
            self._rest = bytearray(lines.pop())
        if max(map(len, (self._rest, *lines))) > self._most:
            raise TooLarge(f"An event of a watch is longer than {self._most} bytes")
        return [line for line in lines if line]
