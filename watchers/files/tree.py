"""The files in some folders, and the directory entries on which they depend. I/O, but no watches and no reads of files.

The lookup of a path reads directory entries: one for each of its parts, and more for symbolic links. When one of them
changes, the path may have another target. Storing these entries handles all kinds of changes with one rule: editors
that rename files, folders that are removed and created, links to files elsewhere, and the volume of a ConfigMap, whose
files are behind a link `..data` that is replaced as a whole.
"""

import os
import stat
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from watchers.files.symlinks import Lookup, look_up

SUFFIXES = (".yaml", ".yml", ".json")
"""The suffixes of files that are read from a folder; hidden files, such as editors' temporary ones, are not."""

MAX_PATHS = 100_000
"""Most files and folders of one source: more are probably a mistake."""


_ATTEMPTS = 3
"""Most looks at a path while a parent folder of a missing file changes during the look."""


class TooManyFiles(Exception):
    """A source has more than `MAX_PATHS` files and folders."""


class Signature(NamedTuple):
    """Metadata of a file that changes with its content, within the resolution of the file system's clock (in ns)."""

    inode: int
    size: int
    modified: int
    changed: int

    @classmethod
    def of(cls, status: os.stat_result) -> "Signature":
        """Return the signature in a file's status."""
        return cls(status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


class _Node(NamedTuple):
    """The target of a path: a file has a signature, a folder has a chain, anything else has neither."""

    lookup: Lookup
    signature: Signature | None = None
    chain: frozenset[str] = frozenset()
    """The real paths of a folder and its parents, to detect cycles of links."""
    identity: tuple[int, int] | None = None
    """The device and inode of a folder; None for one that is missing, but may come back."""


class Tree:
    """The files of a source, by the paths below the user's roots.

    Args:
        roots: folders, read recursively, and files with any name, as given by the user.
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
        """The roots, without those that are equal to, or inside of, another one."""
        return tuple(self._reals)

    @property
    def directories(self) -> frozenset[str]:
        """The directories of all entries on which a path depends, as absolute paths without links."""
        return frozenset(self._directories) | self._folders.keys()

    def signature(self, path: str) -> Signature | None:
        """Return the last signature of a file; None if it is not a file of this source."""
        node = self._nodes.get(path)
        return node.signature if node else None

    def real(self, path: str) -> str:
        """Return the real path of a file of this source."""
        return self._nodes[path].lookup.real

    def affected(self, entry: str) -> set[str]:
        """Return the paths whose target may have changed with a directory entry."""
        directory, name = os.path.split(entry)
        folders = () if name.startswith(".") else self._folders.get(directory, ())
        return self._dependants.get(entry, set()) | {os.path.join(folder, name) for folder in folders}

    def look(self, path: str) -> set[str]:
        """Look again at a path: one of the roots, or a path below one.

        Unreadable paths are added to `unreadable`, and the known files at and below them stay. So do those of missing
        paths that were probably not deleted: a root, and a folder that was replaced by an empty one, as when a file
        system is unmounted. If a folder is removed during the look, the look is repeated.

        Returns:
            The present and former files at and below the path, whose contents may have changed; if a parent folder was
            replaced, those of that folder. Empty, without a change, if folders change continuously; their next event,
            or the next look at everything, finds the changes.

        Raises:
            TooManyFiles: there are too many; nothing has changed.
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
        """Return whether lost files were deleted, and not missing because a folder was replaced during the look.

        They were if they, and all parent folders, are still as found.
        """

        def known(path: str) -> _Node | None:
            return found.get(path) if path in before else self._nodes.get(path)

        # From the outermost on: if all folders are unchanged, the file is really missing.
        for path in sorted(set(lost).union(*map(self._folders_around, lost))):
            folder = None if path in self._reals else known(os.path.dirname(path))
            if path not in self._reals and not (folder and folder.chain):
                continue  # its folder is missing, which is looked at, too
            try:
                if self._node(path, folder) != known(path):
                    return False
            except OSError:
                return False
        return True

    def _folders_around(self, path: str) -> Iterator[str]:
        """Yield the parent folders of a path in this source, from the innermost to the root."""
        while path not in self._reals and path != os.path.dirname(path):
            path = os.path.dirname(path)
            yield path

    def _replace(
        self, path: str, before: Mapping[str, _Node], found: dict[str, _Node], unreadable: dict[str, str]
    ) -> set[str]:
        """Replace the nodes at and below a path by those that a look found; return the files to read."""
        held = self._hold(before, found, unreadable)
        kept = {each: node for each, node in before.items() if each not in found and _is_at_any(each, unreadable)}
        self.unreadable = {each: why for each, why in self.unreadable.items() if not _is_at(each, path)} | unreadable
        for each in before:
            self._remove(each)
        for each, node in (found | kept).items():
            self._add(each, node)
        return {each for each, node in (*before.items(), *found.items()) if node.signature} - kept.keys() - held

    def _moved(self, path: str) -> str:
        """Return the path, or its outermost parent folder that was replaced, whose files may have changed."""
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
        """Keep the nodes of missing paths that were probably not deleted; return the paths."""
        held = set()
        for path, node in before.items():
            now = found.get(path)
            if now is not None and (why := self._absence(path, node, now, found)):
                unreadable[path] = why
                # With the new lookup, so that its return is noticed.
                found[path] = node._replace(lookup=now.lookup, identity=None)
                held.add(path)
        return held

    def _absence(self, path: str, node: _Node, now: _Node, found: Mapping[str, _Node]) -> str | None:
        """Return the reason why a missing path probably was not deleted; None if it was."""
        if path in self._reals and (node.signature or node.chain) and not (now.signature or now.chain):
            return "it is gone"
        is_another = node.chain and now.chain and now.identity != node.identity
        if is_another and _has_files(self._nodes, path) and not _has_files(found, path):
            return "it is another folder than before, and no file is in it; see whether something is not mounted"
        return None

    def _below(self, path: str) -> dict[str, _Node]:
        """Return the nodes at and below a path; only a folder needs a search."""
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
        """Return the node of a path in a folder, None for a root; None if the path is not relevant."""
        if folder is None:
            lookup = look_up(os.path.join(self._base, path))
            self._reals[path] = lookup.real
        else:
            lookup = look_up(os.path.basename(path), folder.lookup.real)
        chain = folder.chain if folder else frozenset()
        linked = folder is not None and lookup.real != os.path.join(folder.lookup.real, os.path.basename(path))
        # A link or a root without a file may get one by a change elsewhere.
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
        """Return whether the target of a link is in one of the roots, and so is read under its own path."""
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
    """Return whether a path is a root or below it."""
    return path == root or path.startswith(root.rstrip("/") + "/")


def _is_at_any(path: str, roots: Iterable[str]) -> bool:
    """Return whether a path is one of the roots or below one."""
    return any(_is_at(path, root) for root in roots)


def _is_file(node: _Node | None) -> bool:
    return node is not None and node.signature is not None


def _has_files(nodes: Mapping[str, _Node], folder: str) -> bool:
    return any(node.signature and path != folder and _is_at(path, folder) for path, node in nodes.items())


def _names(node: _Node) -> list[str]:
    """Return the names in a folder, without hidden ones; empty for anything else."""
    try:
        return [name for name in os.listdir(node.lookup.real) if not name.startswith(".")] if node.chain else []
    except (FileNotFoundError, NotADirectoryError):
        return []


def _discard(sets: dict[str, set[str]], key: str, member: str) -> None:
    sets[key].discard(member)
    if not sets[key]:
        del sets[key]
