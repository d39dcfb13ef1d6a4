"""A stream of bytes as lines: what a watch sends, one event each. Pure."""

from watchers.kubernetes.errors import TooLarge


class JsonLines:
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
        first, *others = chunk.split(b"\n")
        self._rest += first
        lines = [bytes(self._rest), *others] if others else []
        if others:
            self._rest = bytearray(lines.pop())
        if max(map(len, (self._rest, *lines))) > self._most:
            raise TooLarge(f"An event of a watch is longer than {self._most} bytes; it is not taken in")
        return [line for line in lines if line]
