"""What is in some folders, and which entries of which directories that depends on. I/O, but no watching or reading.

Looking up a path reads directory entries: one for each of its parts, and more where one is a symbolic link. Whenever
one of these changes, so may what the path stands for. Remembering them covers with one rule all that a folder goes
through: editors that rename, folders that come and go, links to files elsewhere, and the volume of a ConfigMap, whose
files lead through a link `..data` that is swapped as a whole.
"""

import os
import stat
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from watchers.files.symlinks import Lookup, look_up

SUFFIXES = (".yaml", ".yml", ".json")
"""The files in a folder that are read; hidden ones, and with them editors' droppings, are not."""

MAX_PATHS = 100_000
"""The most files and folders of one source: more of them are hardly meant."""


_ATTEMPTS = 3
"""How often a path is looked at again where a folder around a missing file changed during the look."""


class TooManyFiles(Exception):
    """A source holds more than `MAX_PATHS` files and folders."""


class Signature(NamedTuple):
    """What changes when a file's content does, as far as the file system's clock (in ns) tells."""

    inode: int
    size: int
    modified: int
    changed: int

    @classmethod
    def of(cls, status: os.stat_result) -> "Signature":
        """Return the signature of a file with this status."""
        return cls(status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


class _Node(NamedTuple):
    """What a path stands for: a file has a signature, a folder has its chain, anything else has neither."""

    lookup: Lookup
    signature: Signature | None = None
    chain: frozenset[str] = frozenset()
    """The real paths of a folder and of those around it, against links that lead in circles."""
    identity: tuple[int, int] | None = None
    """The device and inode of a folder; None of one that is not there now, but may come back."""


class Tree:
    """The files of a source, by the paths under which its user knows them.

    Args:
        roots: folders, read recursively, and files, whatever their names are; as the user wrote them.
    """

    def __init__(self, roots: Iterable[str]) -> None:
        self._base = os.getcwd()
        self._reals: dict[str, str] = {}
        for root in map(os.path.normpath, roots):
            if not self._is_read_elsewhere(real := os.path.realpath(root)):
                self._reals[root] = real
        self._nodes: dict[str, _Node] = {}
        self._dependants: dict[str, set[str]] = {}
        self._folders: dict[str, set[str]] = {}
        self._directories: Counter[str] = Counter()
        self.unreadable: dict[str, str] = {}

    @property
    def roots(self) -> tuple[str, ...]:
        """The roots, without those that are the same as, or inside, another one."""
        return tuple(self._reals)

    @property
    def directories(self) -> frozenset[str]:
        """The directories of all entries on which anything depends, as absolute paths without links."""
        return frozenset(self._directories) | self._folders.keys()

    def signature(self, path: str) -> Signature | None:
        """Return the signature of a file when it was last looked at; None if it is no file of this source."""
        node = self._nodes.get(path)
        return node.signature if node else None

    def real(self, path: str) -> str:
        """Return the path without links of a file of this source."""
        return self._nodes[path].lookup.real

    def affected(self, entry: str) -> set[str]:
        """Return the paths that may stand for something else once this directory entry has changed."""
        directory, name = os.path.split(entry)
        folders = () if name.startswith(".") else self._folders.get(directory, ())
        return self._dependants.get(entry, set()) | {os.path.join(folder, name) for folder in folders}

    def look(self, path: str) -> set[str]:
        """Look again at a path: one of the roots or anything below one.

        What cannot be read goes into `unreadable`, and what was known of it or below it stays as it was. So does what
        is not there, though nobody deleted it: a root that is gone, and a folder in whose place there is another one
        with nothing in it, as where something is not mounted any more. Where a folder goes during the look, it looks
        again.

        Returns:
            The files at and below it that are there or were: all whose content may be another now. Where the folder
            around it is not the one that is known, those of that folder. None, and nothing has changed, if folders
            come and go all the time; their next change, or the next look at everything, tells.

        Raises:
            TooManyFiles: and nothing has changed.
        """
        for _ in range(_ATTEMPTS):
            path = self._moved(path)
            before = self._below(path)
            found, unreadable = dict[str, _Node](), dict[str, str]()
            for each, node in self._walk(path, unreadable):
                found[each] = node
                if len(self._nodes) - len(before) + len(found) > MAX_PATHS:
                    raise TooManyFiles
            lost = {
                each
                for each, node in before.items()
                if node.signature and not _is_file(found.get(each)) and not _is_at_any(each, unreadable)
            }
            if self._is_consistent(lost, before, found):
                return self._replace(path, before, found, unreadable)
        return set()

    def _is_consistent(self, lost: Iterable[str], before: Mapping[str, _Node], found: Mapping[str, _Node]) -> bool:
        """Return whether the lost files were deleted, rather than gone with a folder that went during the look.

        That is so if they, and all folders around them, are still what was found.
        """

        def known(path: str) -> _Node | None:
            return found.get(path) if path in before else self._nodes.get(path)

        # From the outside in: a folder that is there by now was away, or else the file is really missing.
        for path in sorted(set(lost).union(*map(self._folders_around, lost))):
            folder = None if path in self._reals else known(os.path.dirname(path))
            if path not in self._reals and not (folder and folder.chain):
                continue  # gone with its folder, which is looked at too
            try:
                if self._node(path, folder) != known(path):
                    return False
            except OSError:
                return False
        return True

    def _folders_around(self, path: str) -> Iterator[str]:
        """Yield the folders of this source around a path, from the innermost to the root."""
        while path not in self._reals and path != os.path.dirname(path):
            path = os.path.dirname(path)
            yield path

    def _replace(
        self, path: str, before: Mapping[str, _Node], found: dict[str, _Node], unreadable: dict[str, str]
    ) -> set[str]:
        """Replace what is known at and below a path by what a look found, and return the files to read anew."""
        held = self._hold(before, found, unreadable)
        kept = {each: node for each, node in before.items() if each not in found and _is_at_any(each, unreadable)}
        self.unreadable = {each: why for each, why in self.unreadable.items() if not _is_at(each, path)} | unreadable
        for each in before:
            self._remove(each)
        for each, node in (found | kept).items():
            self._add(each, node)
        return {each for each, node in (*before.items(), *found.items()) if node.signature} - kept.keys() - held

    def _moved(self, path: str) -> str:
        """Return the path, or the outermost folder around it that is not the one known: what was in it may be there."""
        moved = [folder for folder in self._folders_around(path) if not self._is_as_known(folder)]
        return moved[-1] if moved else path

    def _is_as_known(self, folder: str) -> bool:
        node = self._nodes.get(folder)
        if node is None or not node.chain:
            return True
        try:
            status = os.lstat(node.lookup.real)
        except OSError:
            return False
        return (status.st_dev, status.st_ino) == node.identity

    def _hold(self, before: Mapping[str, _Node], found: dict[str, _Node], unreadable: dict[str, str]) -> set[str]:
        """Keep what is not there though nobody deleted it, and return its paths."""
        held = set()
        for path, node in before.items():
            now = found.get(path)
            if now is not None and (why := self._absence(path, node, now, found)):
                unreadable[path] = why
                # Looked up anew, so that it is seen when it comes back.
                found[path] = node._replace(lookup=now.lookup, identity=None)
                held.add(path)
        return held

    def _absence(self, path: str, node: _Node, now: _Node, found: Mapping[str, _Node]) -> str | None:
        """Why what was at a path may come back, though it is not there now."""
        if path in self._reals and (node.signature or node.chain) and not (now.signature or now.chain):
            return "it is gone"
        is_another = node.chain and now.chain and now.identity != node.identity
        if is_another and _has_files(self._nodes, path) and not _has_files(found, path):
            return "it is another folder than before, and no file is in it; see whether something is not mounted"
        return None

    def _below(self, path: str) -> dict[str, _Node]:
        """Return what is known of a path and all below it; only for a folder that takes a search."""
        node = self._nodes.get(path)
        if node is None or not node.chain:
            return {path: node} if node else {}
        return {each: below for each, below in self._nodes.items() if _is_at(each, path)}

    def _walk(self, path: str, unreadable: dict[str, str]) -> Iterator[tuple[str, _Node]]:
        above = None if path in self._reals else self._nodes.get(os.path.dirname(path))
        pending = [(path, above)] if path in self._reals or (above and above.chain) else []
        while pending:
            each, folder = pending.pop()
            try:
                if (node := self._node(each, folder)) is None:
                    continue
                yield each, node
                pending += [(os.path.join(each, name), node) for name in _names(node)]
            except OSError as error:
                unreadable[each] = error.strerror or str(error)

    def _node(self, path: str, folder: _Node | None) -> _Node | None:
        """Return what a path in a folder is, or in none if it is a root; None if it does not matter at all."""
        if folder is None:
            lookup = look_up(os.path.join(self._base, path))
            self._reals[path] = lookup.real
        else:
            lookup = look_up(os.path.basename(path), folder.lookup.real)
        chain = folder.chain if folder else frozenset()
        linked = folder is not None and lookup.real != os.path.join(folder.lookup.real, os.path.basename(path))
        # What is not read, but is a link or a root, may come to be when something elsewhere changes.
        other = _Node(lookup) if linked or folder is None else None
        try:
            status = os.lstat(lookup.real)
        except (FileNotFoundError, NotADirectoryError):
            return other
        if linked and (lookup.real in chain or self._is_read_elsewhere(lookup.real)):
            return other
        if stat.S_ISDIR(status.st_mode):
            return _Node(lookup, None, chain | {lookup.real}, (status.st_dev, status.st_ino))
        if stat.S_ISREG(status.st_mode) and (folder is None or path.endswith(SUFFIXES)):
            return _Node(lookup, Signature.of(status))
        return other

    def _is_read_elsewhere(self, real: str) -> bool:
        """Whether the target of a link is in one of the roots, where it is read under its own name."""
        for root in self._reals.values():
            if real == root:
                return True
            if _is_at(real, root):
                parts = real[len(root) :].strip("/").split("/")
                if not any(part.startswith(".") for part in parts):
                    return os.path.isdir(real) or real.endswith(SUFFIXES)
        return False

    def _add(self, path: str, node: _Node) -> None:
        self._nodes[path] = node
        for entry in node.lookup.entries:
            self._dependants.setdefault(entry, set()).add(path)
            self._directories[os.path.dirname(entry)] += 1
        if node.chain:
            self._folders.setdefault(node.lookup.real, set()).add(path)

    def _remove(self, path: str) -> None:
        node = self._nodes.pop(path)
        for entry in node.lookup.entries:
            _discard(self._dependants, entry, path)
            directory = os.path.dirname(entry)
            self._directories[directory] -= 1
            if not self._directories[directory]:
                del self._directories[directory]
        if node.chain:
            _discard(self._folders, node.lookup.real, path)


def _is_at(path: str, root: str) -> bool:
    """Whether a path is the root or below it."""
    return path == root or path.startswith(root.rstrip("/") + "/")


def _is_at_any(path: str, roots: Iterable[str]) -> bool:
    """Return whether a path is one of the roots or below one."""
    return any(_is_at(path, root) for root in roots)


def _is_file(node: _Node | None) -> bool:
    return node is not None and node.signature is not None


def _has_files(nodes: Mapping[str, _Node], folder: str) -> bool:
    return any(node.signature and path != folder and _is_at(path, folder) for path, node in nodes.items())


def _names(node: _Node) -> list[str]:
    """Return what is in a folder, without what is hidden; nothing else has anything in it."""
    try:
        return [name for name in os.listdir(node.lookup.real) if not name.startswith(".")] if node.chain else []
    except (FileNotFoundError, NotADirectoryError):
        return []


def _discard(sets: dict[str, set[str]], key: str, member: str) -> None:
    sets[key].discard(member)
    if not sets[key]:
        del sets[key]
