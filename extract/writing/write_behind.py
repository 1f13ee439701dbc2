"""Writing one shard in a thread while the next one is encoded."""

from __future__ import annotations

from collections.abc import Callable

from ...core.threads import Pool, Task


class WriteBehind:
    """Does one piece of writing at a time in a thread, in the order in which they are given.

    Use it as a context manager: at its end, however that comes, the piece in hand is done and no other begins, so that
    the store's lock can be given back.
    """

    def __init__(self) -> None:
        self._thread = Pool(1)
        self._in_hand: Task[None] | None = None

    def __enter__(self) -> WriteBehind:
        return self

    def __exit__(self, *_: object) -> None:
        interrupted: KeyboardInterrupt | None = None
        while True:
            # who is impatient waits for this piece all the same: a half-written shard would still be written to
            try:
                self._thread.shutdown()
                break
            except KeyboardInterrupt as error:
                interrupted = error
        if interrupted is not None:
            raise interrupted

    def give(self, write: Callable[[], None]) -> None:
        """Have a piece written, once the one before it is. Raises: what the writing of that one raised."""
        self.wait()
        self._in_hand = self._thread.submit(write)

    def wait(self) -> None:
        """Wait for the piece in hand. Raises: what its writing raised."""
        before, self._in_hand = self._in_hand, None
        if before is not None:
            before.result()
