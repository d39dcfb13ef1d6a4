"""The table of memos: dependencies, invalidation and verification.

A memo with a changed dependency is *dirty* and executes again; its transitive readers are *maybe dirty*, and execute
again only if the value of one of their own dependencies changes. README.md has the rules.
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
    State,
    Stored,
    reads_itself,
)
from translator.engine.query import CycleError, Query, QueryError, Reader

PART: Final = 128
"""If a query reads more outdated calls than this at once, each of them is evaluated in a step of its own."""


class Postponed(BaseException):
    """A query waits for calls that are evaluated in steps of their own, and then executes again.

    It derives from BaseException, so that no query catches it.

    Attributes:
        memos: the calls.
    """

    def __init__(self, memos: list[Memo]) -> None:
        """Set the calls to wait for."""
        super().__init__()
        self.memos = memos


class Memos:
    """The memos by query and arguments; the engine's other parts read and invalidate them by this class.

    Attributes:
        executions: the number of executions, by query name.
        verifications: the number of refreshes of memos, whether they executed or were only verified.
        failing: the failing roots, with their errors.
        waited_for: the memos for which a postponed query waits.
    """

    def __init__(self, reader: Reader, before_read: Callable[[], None]) -> None:
        """Create an empty table.

        Args:
            reader: the first argument of query functions.
            before_read: called before a read from outside of queries.
        """
        self.executions: Counter[str] = Counter()
        self.verifications = 0
        self.failing: dict[Memo, QueryError] = {}
        self.waited_for: list[Memo] = []
        self._reader = reader
        self._before_read = before_read
        self._memos: defaultdict[Query[..., Any] | Stored, dict[Any, Memo]] = defaultdict(dict)
        self._stack: list[Memo] = []
        self._unreferenced: set[Memo] = set()
        self._stale_firewalls: dict[Memo, None] = {}
        self._pending_invalidations: list[tuple[Memo, list[Memo]]] = []  # changed firewall queries, with their readers
        self._in_steps = False  # whether the current evaluation may be postponed

    def __len__(self) -> int:
        """Return the number of memos."""
        return sum(map(len, self._memos.values()))

    # The table

    def of(self, query: Query[..., Any] | Stored) -> dict[Any, Memo]:
        """Return the memos of a query, or of inputs or buckets, by key; a live dictionary."""
        return self._memos[query]

    def add(self, query: Query[..., Any] | Stored, key: Any, value: object = UNSET, state: State = DIRTY) -> Memo:
        """Add a memo that does not exist yet."""
        memo = self._memos[query][key] = Memo(query, key, value, state)
        if not self._stack:
            self._unreferenced.add(memo)
        return memo

    def get_or_add(self, query: Query[..., Any], key: Any) -> Memo:
        """Return the memo of a call, executed or not."""
        return self._memos[query].get(key) or self.add(query, key)

    def discard(self, memo: Memo) -> None:
        """Remove a memo that has no readers."""
        self._memos[memo.query].pop(memo.key, None)
        for dependency in memo.dependencies:
            self._drop(dependency, memo)

    def set_root(self, memo: Memo, root: Root | None) -> None:
        """Set the owner that keeps a memo up to date; with None, it is collected unless something reads it."""
        memo.root = root
        if root is None:
            self.failing.pop(memo, None)
            self._unreferenced.add(memo)

    @property
    def has_unreferenced(self) -> bool:
        """Whether there may be memos to collect."""
        return bool(self._unreferenced)

    def collect(self) -> Iterator[None]:
        """Remove the memos that have neither readers nor a root, one by step."""
        while self._unreferenced:
            memo = self._unreferenced.pop()
            if not memo.dependents and memo.root is None:
                self.discard(memo)
                yield
        self._unreferenced.clear()  # A set never shrinks by itself.

    # Reads

    @property
    def is_reading(self) -> bool:
        """Whether a query is being executed or verified, so that reads are recorded."""
        return bool(self._stack)

    def record(self, memo: Memo) -> None:
        """Record a memo as a dependency of the executing query."""
        stack = self._stack
        if stack:
            reader = stack[-1]
            known = reader.reads
            if memo not in known:  # type: ignore[operator]  # only what executes reads, and then it is a dict
                known[memo] = None  # type: ignore[index]
                memo.add_dependent(reader)

    def read(self, query: Query[..., Any], args: tuple[Any, ...]) -> Any:
        """Return a query's value for `args`, evaluated if necessary; record the dependency.

        Raises:
            QueryError: the query raised.
        """
        key = args[0] if query.unary else args
        memo = self._memos[query].get(key) or self.add(query, key)
        stack = self._stack
        if not stack:
            self._before_read()
        if memo.state is CLEAN:
            # As `record` does: this is the hottest path.
            if stack and memo not in (known := stack[-1].reads):  # type: ignore[operator]
                known[memo] = None  # type: ignore[index]
                memo.add_dependent(stack[-1])
        elif memo.state in BUSY:
            raise self._cycle(memo)
        else:
            self.record(memo)
            self.refresh(memo)
        if memo.failure is not None:
            raise QueryError(memo.failure.label, memo.failure.__cause__ or memo.failure)
        return memo.value

    def read_each(self, query: Query[..., Any], calls: Iterable[tuple[Any, ...]]) -> list[Any]:
        """Return a query's values for many calls, like `read`, at a quarter of its cost for clean memos.

        Raises:
            QueryError: the query raised.
        """
        assert self._stack, "only queries read many calls at once"
        self._wait_for(query, calls := list(calls))
        reader, memos, values = self._stack[-1], self._memos[query], list[Any]()
        reads, unary = cast(dict[Memo, None], reader.reads), query.unary
        for args in calls:
            memo = memos.get(args[0] if unary else args)
            if memo is None or memo.state is not CLEAN or memo.failure is not None:
                values.append(self.read(query, args))
                continue
            reads[memo] = None
            memo.add_dependent(reader)
            values.append(memo.value)
        return values

    # Invalidation: pushed

    def assign(self, memo: Memo, value: object) -> None:
        """Set the value of an input's or a bucket's memo."""
        if memo.value != value:
            memo.value = value
            self.invalidate(memo, memo.dependents)

    def invalidate(self, memo: Memo, readers: Iterable[Memo]) -> None:
        """Mark readers of a changed memo as dirty, and their transitive readers as maybe dirty."""
        for reader in readers:
            self._mark_maybe_dirty(reader, memo)
            reader.state = DIRTY

    def invalidate_firewall_readers(self) -> None:
        """Mark the readers of changed firewall queries as dirty."""
        while self._pending_invalidations:
            self.invalidate(*self._pending_invalidations.pop())

    def _mark_maybe_dirty(self, memo: Memo, source: Memo) -> None:
        """Mark a memo and its transitive readers as maybe dirty, because its dependency `source` is."""
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
        """Bring a memo up to date: verify its dependencies, and execute it again if one has changed."""
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
        """Bring a root up to date, and record whether it fails."""
        if memo.state is not CLEAN:
            self.refresh(memo)
        if memo.failure is not None:
            self.failing[memo] = memo.failure
        else:
            self.failing.pop(memo, None)

    def refresh_in_steps(self, memo: Memo) -> bool:
        """Bring a root up to date, unless it is postponed; return whether it is up to date."""
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
        """Bring one memo of `waited_for` up to date; it is not postponed itself, so that cycles are detected."""
        memo = self.waited_for.pop()
        if memo.state is not CLEAN:
            self.refresh(memo)

    @property
    def has_stale_firewalls(self) -> bool:
        """Whether firewall queries may be out of date."""
        return bool(self._stale_firewalls)

    def refresh_firewalls(self) -> Iterator[None]:
        """Bring the firewall queries that may be out of date up to date, one by step."""
        memos = list(self._stale_firewalls)
        self._stale_firewalls.clear()
        for memo in memos:
            yield
            if memo.dependents and memo.state is not CLEAN:
                self.refresh(memo)
                if memo.failure is None and reads_itself(memo):
                    # The refresh did not detect it, as the memos in between were clean.
                    memo.failure = QueryError(memo.label, CycleError(f"{memo.label} reads itself"))
                    self._changed(memo)

    def _wait_for(self, query: Query[..., Any], calls: list[tuple[Any, ...]]) -> None:
        """Postpone a query that is about to read many outdated calls, and record them as its dependencies.

        Raises:
            Postponed: more than `PART` of the calls are out of date.
        """
        if not self._in_steps:
            return
        memos = self._memos[query]
        keys = map(query.key, calls)
        late = [key for key in keys if (memo := memos.get(key)) is None or memo.state not in (CLEAN, *BUSY)]
        if len(late) > PART:
            waited_for = [memos.get(key) or self.add(query, key) for key in late]
            for each in waited_for:
                self.record(each)
            raise Postponed(waited_for)

    def _verify(self, memo: Memo) -> None:
        """Bring the dependencies that may have changed up to date, in order, until one has changed.

        The memo may not read the later ones again.
        """
        memo.state = VERIFYING
        for read in memo.maybe_changed_in_order():
            if read.state in BUSY:
                memo.state = DIRTY  # it waits for this memo: the execution shows whether that is a cycle
            elif read.state is not CLEAN:
                self.refresh(read)
            if memo.state is DIRTY:
                break

    def _cycle(self, memo: Memo) -> CycleError:
        """Return the error of the memo on top of the stack, which reads `memo`, which waits for it.

        The dependencies of all memos in the cycle are recorded for the top: when one changes, the cycle may be broken.
        """
        path = self._stack[self._stack.index(memo) :]
        for dependency in [each for waiting in path[:-1] for each in waiting.dependencies]:
            if dependency.state is CLEAN:
                self.record(dependency)
        return CycleError(" reads ".join(each.label for each in (*path, memo)))

    def _execute(self, memo: Memo) -> None:
        query = memo.query
        assert isinstance(query, Query)
        before = memo.dependencies
        reads: dict[Memo, None] = {}
        memo.reads = reads
        value, failure = memo.value, None
        memo.state = EXECUTING
        self.executions[query.name] += 1
        try:
            value = query.function(self._reader, memo.key) if query.unary else query.function(self._reader, *memo.key)
        except Postponed:
            memo.reads = tuple(dict.fromkeys((*before, *reads)))
            raise
        except QueryError as error:
            failure = error
        except Exception as error:  # a bug in one query affects only the outputs that read it
            failure = QueryError(memo.label, error)
        memo.reads = tuple(reads) if len(reads) != 1 else next(iter(reads))
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
        if memo.query.firewall:  # type: ignore[union-attr]  # only queries execute
            # Only the clean ones: an executing memo must not be invalidated before it ends.
            self._pending_invalidations.append((memo, [reader for reader in memo.dependents if reader.state is CLEAN]))

    def _drop(self, dependency: Memo, reader: Memo) -> None:
        dependency.drop_dependent(reader)
        if not dependency.dependents:
            self._unreferenced.add(dependency)
