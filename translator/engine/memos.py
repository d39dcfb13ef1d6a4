"""The table of memos: dependencies, invalidation and verification.

A memo that read something changed is *dirty* and executes again; what read that memo in turn is *maybe dirty*, and
executes again only if something that it read came out different. README.md has the rules.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, cast

from translator.engine.memo import (
    BUSY,
    CLEAN,
    DIRTY,
    EXECUTING,
    MAYBE_DIRTY,
    UNSET,
    VERIFYING,
    Memo,
    Root,
    reads_itself,
)
from translator.engine.query import CycleError, Query, QueryError, Reader

PART: Final = 128
"""Of so many calls that a query reads at once, and that are not up to date, each is a step of its own."""


class Postponed(BaseException):
    """A query waits for calls that are evaluated first, in steps of their own; then it runs again. No query catches it.

    Attributes:
        memos: those calls.
    """

    def __init__(self, memos: list[Memo]) -> None:
        """Take what is waited for."""
        super().__init__()
        self.memos = memos


class Memos:
    """All memos, by what they remember; the engine's other parts read and invalidate through it.

    Attributes:
        executions: by query name, how often functions really executed.
        verifications: how often a memo was brought up to date, whether its function had to execute for that or not.
        failing: the roots that fail now, and why.
        waited_for: the memos that a postponed query waits for.
    """

    def __init__(self, reader: Reader, before_read: Callable[[], None]) -> None:
        """Make an empty table.

        Args:
            reader: what query functions get as their first argument.
            before_read: called before a read from outside of queries.
        """
        self.executions: Counter[str] = Counter()
        self.verifications = 0
        self.failing: dict[Memo, QueryError] = {}
        self.waited_for: list[Memo] = []
        self._reader = reader
        self._before_read = before_read
        self._memos: defaultdict[Query[..., Any] | str, dict[tuple[Any, ...], Memo]] = defaultdict(dict)
        self._stack: list[Memo] = []
        self._unreferenced: set[Memo] = set()
        self._stale_firewalls: dict[Memo, None] = {}
        self._pending_invalidations: list[tuple[Memo, list[Memo]]] = []  # changed firewall queries, and their readers
        self._in_steps = False  # whether what is evaluated now may be postponed

    def __len__(self) -> int:
        """Return the number of memos."""
        return sum(map(len, self._memos.values()))

    # The table

    def of(self, query: Query[..., Any] | str) -> dict[tuple[Any, ...], Memo]:
        """Return the memos of a query, or of a kind of input or bucket, by arguments; the dictionary stays the same."""
        return self._memos[query]

    def add(self, query: Query[..., Any] | str, args: tuple[Any, ...], value: object = UNSET) -> Memo:
        """Add a memo that is not there yet."""
        memo = self._memos[query][args] = Memo(query, args, value)
        if not self._stack:
            self._unreferenced.add(memo)
        return memo

    def get_or_add(self, query: Query[..., Any], args: tuple[Any, ...]) -> Memo:
        """Return the memo of a call, executed or not."""
        return self._memos[query].get(args) or self.add(query, args)

    def set_root(self, memo: Memo, root: Root | None) -> None:
        """Keep a memo up to date for itself, or, with None, only as long as something reads it."""
        memo.root = root
        if root is None:
            self.failing.pop(memo, None)
            self._unreferenced.add(memo)

    @property
    def has_unreferenced(self) -> bool:
        """Whether there may be memos to collect."""
        return bool(self._unreferenced)

    def collect(self) -> Iterator[Memo]:
        """Remove the memos that nothing reads and that are no roots, one a step, and yield each that is looked at."""
        while self._unreferenced:
            memo = self._unreferenced.pop()
            if not memo.dependents and memo.root is None:
                self._memos[memo.query].pop(memo.args, None)
                for dependency in memo.dependencies:
                    self._drop(dependency, memo)
                yield memo
        self._unreferenced.clear()  # A set keeps room for the most that it ever held.

    # Reads

    @property
    def is_reading(self) -> bool:
        """Whether a query executes or is verified now, which records what is read."""
        return bool(self._stack)

    def record(self, memo: Memo) -> None:
        """Note that the query that executes now reads `memo`."""
        if self._stack:
            reader = self._stack[-1]
            known = reader.dependencies
            if memo not in known:
                assert isinstance(known, dict), "only what runs reads"
                known[memo] = None
                memo.add_dependent(reader)

    def read(self, query: Query[..., Any], args: tuple[Any, ...]) -> Any:
        """Return a query's value for `args`, evaluated if need be; record the read.

        Raises:
            QueryError: the query raised.
        """
        memo = self._memos[query].get(args) or self.add(query, args)
        if not self._stack:
            self._before_read()
        if memo.state is CLEAN:
            self.record(memo)
        elif memo.state in BUSY:
            raise self._cycle(memo)
        else:
            self.record(memo)
            self.refresh(memo)
        if memo.failure is not None:
            raise QueryError(memo.failure.label, memo.failure.__cause__ or memo.failure)
        return memo.value

    def read_each(self, query: Query[..., Any], calls: Iterable[tuple[Any, ...]]) -> list[Any]:
        """Return a query's values for many calls, as `read` would; what is up to date costs a quarter of that.

        Raises:
            QueryError: the query raised.
        """
        assert self._stack, "it is queries that read so much"
        self._wait_for(query, calls := list(calls))
        reader, memos, values = self._stack[-1], self._memos[query], list[Any]()
        reads = cast(dict[Memo, None], reader.dependencies)
        for args in calls:
            memo = memos.get(args)
            if memo is None or memo.state is not CLEAN or memo.failure is not None:
                values.append(self.read(query, args))
                continue
            reads[memo] = None
            if reader not in memo.dependents:
                memo.add_dependent(reader)
            values.append(memo.value)
        return values

    # Invalidation: pushed

    def assign(self, memo: Memo, value: object) -> None:
        """Give the memo of an input or a bucket a new value."""
        if memo.value != value:
            memo.value = value
            self.invalidate(memo, memo.dependents)

    def invalidate(self, memo: Memo, readers: Iterable[Memo]) -> None:
        """Mark these readers as dirty, and what is behind them as maybe dirty, because `memo` is different."""
        for reader in readers:
            self._mark_maybe_dirty(reader, memo)
            reader.state = DIRTY

    def invalidate_firewall_readers(self) -> None:
        """Mark the readers of firewall queries that came out different as dirty."""
        while self._pending_invalidations:
            self.invalidate(*self._pending_invalidations.pop())

    def _mark_maybe_dirty(self, memo: Memo, source: Memo) -> None:
        """Mark `memo`, and all behind it, as maybe dirty because of `source`."""
        pending = [(memo, source)]
        while pending:
            memo, source = pending.pop()
            memo.note_maybe_changed(source)
            if memo.state is not CLEAN:
                continue
            memo.state = MAYBE_DIRTY
            if memo.root is not None:
                memo.root.on_maybe_dirty(memo)
            if isinstance(memo.query, Query) and memo.query.firewall:
                self._stale_firewalls[memo] = None
            else:
                pending.extend((reader, memo) for reader in memo.dependents)

    # Verification: pulled

    def refresh(self, memo: Memo) -> None:
        """Bring a memo up to date: verify what it read, and execute it again if something is different."""
        self._stack.append(memo)
        self.verifications += 1
        try:
            if memo.state is MAYBE_DIRTY:
                self._verify(memo)
            if memo.state is DIRTY:
                self._execute(memo)
        except Postponed:
            memo.state = MAYBE_DIRTY if memo.state is VERIFYING else DIRTY
            raise
        finally:
            self._stack.pop()
        memo.state = CLEAN
        memo.maybe_changed = None

    def refresh_root(self, memo: Memo) -> None:
        """Bring a root up to date, and note whether it fails."""
        if memo.state is not CLEAN:
            self.refresh(memo)
        if memo.failure is not None:
            self.failing[memo] = memo.failure
        else:
            self.failing.pop(memo, None)

    def refresh_in_steps(self, memo: Memo) -> bool:
        """Bring a root up to date, unless it has to wait for others; return whether it is."""
        self._in_steps = True
        try:
            if memo.state is not CLEAN:
                self.refresh(memo)
        except Postponed as postponed:
            self.waited_for += postponed.memos
        finally:
            self._in_steps = False
        return memo.state is CLEAN

    def refresh_waited_for(self) -> None:
        """Bring one more memo up to date that is waited for; it waits for none itself, so that cycles are noticed."""
        memo = self.waited_for.pop()
        if memo.state is not CLEAN:
            self.refresh(memo)

    @property
    def has_stale_firewalls(self) -> bool:
        """Whether firewall queries may be out of date."""
        return bool(self._stale_firewalls)

    def refresh_firewalls(self) -> Iterator[None]:
        """Bring the firewall queries up to date that may be out of date now, one a step."""
        memos = list(self._stale_firewalls)
        self._stale_firewalls.clear()
        for memo in memos:
            yield
            if memo.dependents and memo.state is not CLEAN:
                self.refresh(memo)
                if memo.failure is None and reads_itself(memo):
                    # It was not noticed: what stood between was clean.
                    memo.failure = QueryError(memo.label, CycleError(f"{memo.label} reads itself"))
                    self._changed(memo)

    def _wait_for(self, query: Query[..., Any], calls: list[tuple[Any, ...]]) -> None:
        """Have many calls evaluated before the query that is about to read them, which has read them then.

        Raises:
            Postponed: that is so.
        """
        if not self._in_steps:
            return
        memos = self._memos[query]
        late = [args for args in calls if (memo := memos.get(args)) is None or memo.state not in (CLEAN, *BUSY)]
        if len(late) > PART:
            waited_for = [memos.get(args) or self.add(query, args) for args in late]
            for each in waited_for:
                self.record(each)
            raise Postponed(waited_for)

    def _verify(self, memo: Memo) -> None:
        """Bring up to date what `memo` read that may have changed, in order, to the first that differs.

        What it read after that one it may not read again.
        """
        memo.state = VERIFYING
        for read in memo.maybe_changed_in_order():
            if read.state in BUSY:
                memo.state = DIRTY  # it is waiting for this memo: whether that is a cycle, the function will tell
            elif read.state is not CLEAN:
                self.refresh(read)
            if memo.state is DIRTY:
                break

    def _cycle(self, memo: Memo) -> CycleError:
        """Return the error for the memo on top of the stack, which reads `memo`, which waits for it.

        What led there is counted among what the top has read: once that changes, the cycle may be gone.
        """
        path = self._stack[self._stack.index(memo) :]
        for dependency in [each for waiting in path[:-1] for each in waiting.dependencies]:
            if dependency.state is CLEAN:
                self.record(dependency)
        return CycleError(" reads ".join(each.label for each in (*path, memo)))

    def _execute(self, memo: Memo) -> None:
        assert isinstance(memo.query, Query)
        before, reads = memo.dependencies, dict[Memo, None]()
        memo.dependencies = reads
        value, failure = memo.value, None
        memo.state = EXECUTING
        self.executions[memo.query.name] += 1
        try:
            value = memo.query.function(self._reader, *memo.args)
        except Postponed:
            memo.dependencies = tuple(dict.fromkeys((*before, *reads)))
            raise
        except QueryError as error:
            failure = error
        except Exception as error:  # a bug in one query stays inside the outputs that read it
            failure = QueryError(memo.label, error)
        memo.dependencies = tuple(reads)
        for dependency in before:
            if dependency not in reads:
                self._drop(dependency, memo)
        if value != memo.value or (failure is not memo.failure and str(failure) != str(memo.failure)):
            memo.value, memo.failure = value, failure
            self._changed(memo)

    def _changed(self, memo: Memo) -> None:
        if memo.root is not None:
            memo.root.on_changed(memo)
        for reader in memo.dependents:
            if reader.state is MAYBE_DIRTY or reader.state is VERIFYING:
                reader.state = DIRTY
        if memo.query.firewall:  # type: ignore[union-attr]  # what changes here was executed
            # Those that are clean; what executes now must not be invalidated before it ends.
            self._pending_invalidations.append((memo, [reader for reader in memo.dependents if reader.state is CLEAN]))

    def _drop(self, dependency: Memo, reader: Memo) -> None:
        dependency.drop_dependent(reader)
        if not dependency.dependents:
            self._unreferenced.add(dependency)
