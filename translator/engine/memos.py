"""How remembered calls are kept up to date: what changed is pushed, what came of it is pulled.

A memo that read something changed is *dirty* and runs again; what read that memo in turn is *maybe dirty*, and runs
again only if something that it read came out different. `translator.engine.database` says what there is to read.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable, Iterable
from typing import Any, Final

from translator.engine.memo import BUSY, CLEAN, DIRTY, EXECUTING, MAYBE_DIRTY, UNSET, VERIFYING, Memo
from translator.engine.query import CycleError, Prioritised, Query, QueryError

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


class Evaluation(ABC):
    """Memos, who reads whom, and what is to be looked at.

    `executions` counts, by query name, how often functions really ran; `verifications`, how often a memo was brought up
    to date, whether its function had to run for that or not.
    """

    def __init__(self, ahead: Iterable[Prioritised]) -> None:
        """Begin with no memos, and these indexes and firewall queries."""
        self.executions: Counter[str] = Counter()
        self.verifications = 0
        self._memos: defaultdict[Query[..., Any] | str, dict[tuple[Any, ...], Memo]] = defaultdict(dict)
        self._stack: list[Memo] = []
        self._unreferenced: set[Memo] = set()
        self._outputs: dict[Memo, Callable[[Memo], None]] = {}
        self._due: OrderedDict[Memo, bool] = OrderedDict()  # outputs to look at; True: new or changed, to be reported
        # By index the inputs to file again, by firewall query the memos to look at.
        self._stale: dict[Prioritised, set[Any]] = {each: set() for each in ahead}
        self._pending_invalidations: list[
            tuple[Memo, list[Memo]]
        ] = []  # firewall queries that changed, and the readers to be invalidated
        self._in_steps = False  # whether what is evaluated now may be postponed
        self._waited_for: list[Memo] = []

    @abstractmethod
    def _root_maybe_dirty(self, memo: Memo) -> None:
        """Have an index's entries or an output looked at in time."""

    def _add(self, query: Query[..., Any] | str, args: tuple[Any, ...], value: object) -> Memo:
        memo = self._memos[query][args] = Memo(query, args, value)
        if not self._stack:
            self._unreferenced.add(memo)
        return memo

    def _record(self, memo: Memo) -> None:
        if self._stack:
            reader = self._stack[-1]
            known = reader.dependencies
            if memo not in known:
                assert isinstance(known, dict), "only what runs reads"
                known[memo] = None
                memo.add_dependent(reader)

    def _assign(self, memo: Memo, value: object) -> None:
        """Give an input's or a bucket's memo a new value."""
        if memo.value != value:
            memo.value = value
            self._invalidate(memo, memo.dependents)

    def _invalidate(self, memo: Memo, readers: Iterable[Memo]) -> None:
        """Have these readers run again, and what is behind them looked at, because `memo` is different."""
        for reader in readers:
            self._mark_maybe_dirty(reader, memo)
            reader.state = DIRTY

    def _mark_maybe_dirty(self, memo: Memo, source: Memo) -> None:
        """Mark `memo`, and all behind it, as perhaps changed because of `source`."""
        pending = [(memo, source)]
        while pending:
            memo, source = pending.pop()
            memo.note_maybe_changed(source)
            if memo.state is not CLEAN:
                continue
            memo.state = MAYBE_DIRTY
            if memo.root:
                self._root_maybe_dirty(memo)
            stale = None if isinstance(memo.query, str) else self._stale.get(memo.query)
            if stale is not None:
                stale.add(memo)
            else:
                pending.extend((reader, memo) for reader in memo.dependents)

    def _refresh(self, memo: Memo) -> None:
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

    def _refresh_in_steps(self, memo: Memo) -> bool:
        """Bring an output up to date, unless it has to wait for others; tell whether it is."""
        self._in_steps = True
        try:
            if memo.state is not CLEAN:
                self._refresh(memo)
        except Postponed as postponed:
            self._waited_for += postponed.memos
        finally:
            self._in_steps = False
        return memo.state is CLEAN

    def _refresh_waited_for(self) -> None:
        """Bring one more memo up to date that is waited for; it waits for none itself, so that cycles are noticed."""
        memo = self._waited_for.pop()
        if memo.state is not CLEAN:
            self._refresh(memo)

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
            waited_for = [memos.get(args) or self._add(query, args, UNSET) for args in late]
            for each in waited_for:
                self._record(each)
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
                self._refresh(read)
            if memo.state is DIRTY:
                break

    def _cycle(self, memo: Memo) -> CycleError:
        """Tell that the memo on top of the stack reads `memo`, which waits for it.

        What led there is counted among what the top has read: once that changes, the cycle may be gone.
        """
        path = self._stack[self._stack.index(memo) :]
        for dependency in [each for waiting in path[:-1] for each in waiting.dependencies]:
            if dependency.state is CLEAN:
                self._record(dependency)
        return CycleError(" reads ".join(each.label for each in (*path, memo)))

    def _execute(self, memo: Memo) -> None:
        assert isinstance(memo.query, Query)
        before, reads = memo.dependencies, dict[Memo, None]()
        memo.dependencies = reads
        value, failure = memo.value, None
        memo.state = EXECUTING
        self.executions[memo.query.name] += 1
        try:
            value = memo.query.function(self, *memo.args)
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
        if memo in self._outputs:
            self._due[memo] = True
        for reader in memo.dependents:
            if reader.state is MAYBE_DIRTY or reader.state is VERIFYING:
                reader.state = DIRTY
        if memo.query in self._stale:
            # Those who do not know yet; what is running now must not be overtaken by the news.
            self._pending_invalidations.append((memo, [reader for reader in memo.dependents if reader.state is CLEAN]))

    def _drop(self, dependency: Memo, reader: Memo) -> None:
        dependency.drop_dependent(reader)
        if not dependency.dependents:
            self._unreferenced.add(dependency)
