"""Which rules hold: the only importer of durable_rules, with its limits met here and nowhere else.

What is posted is, for each leaf of a condition tree, the side of its threshold on which the fact lies: -1, 0 or 1. So
durable_rules sees typed whole numbers only (it takes text for greater than any number, and cannot compare decimals),
and a verdict depends on nothing else, so each is asked once and kept.

Its limits, as measured: rulesets are global and cannot be changed (each book registers its own, under a new name); a
message that matches more than 64 rules fails (MAX_RULES in one ruleset); many properties slow it (only the leaves
asked about are posted); a rule of more than 15 nested groups is refused (parts of a bigger tree are rules of their
own, asked before it); a context is never freed (one for ever); a repeated message is refused as observed (each has
an id); no match raises; a failing action is kept, not raised (the actions only note a name).
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from services.rules.conditions import Judge, Leaf, Node, Side, Tree, leaves_of, plain_judge

try:
    from durable import engine as durable_engine
    from durable import lang
except ImportError as error:  # a Python for which the C extension does not build
    durable_engine = None
    _missing: ImportError | None = error
else:
    _missing = None

log = logging.getLogger(__name__)

MAX_RULES = 40
"""Rules in one ruleset; 64 firing at once is the engine's end."""

MAX_PROPERTIES = 60
"""Leaves in one ruleset; with 300 properties a message is refused."""

MAX_GROUPS = 12
"""Nested `all` and `any` in one rule; the sixteenth is refused as an expression that is too long (error 113)."""

MAX_VERDICTS = 100_000
"""Signatures remembered for one tree. Beyond, they are asked again."""

_serial = itertools.count(1)


class MatcherFailed(Exception):
    """durable_rules answered with an error; the message says for which trees."""


class PlainMatcher:
    """The same answers by the plain interpreter."""

    def __init__(self, trees: Mapping[str, Node]) -> None:
        self._judges = {name: plain_judge(tree) for name, tree in trees.items()}
        self._leaves = {name: frozenset(leaf.name for leaf in leaves_of(tree)) for name, tree in trees.items()}

    def fired(self, sides: Mapping[str, Side], among: Iterable[str] | None = None) -> frozenset[str]:
        """The names of the trees that hold, among those (or all) all of whose leaves are given."""
        names = self._judges if among is None else among
        return frozenset(name for name in names if self._leaves[name] <= sides.keys() and self._judges[name](sides))


class Part(NamedTuple):
    """What one rule of durable_rules decides: a whole tree, or a piece that stands in a bigger one as a leaf.

    `level`: how many levels of pieces must have been decided before it.
    """

    node: Node
    level: int


class DurableMatcher:
    """Condition trees compiled to durable_rules rulesets: facts in, names of the trees that hold out."""

    def __init__(self, trees: Mapping[str, Node]) -> None:
        if _missing is not None:
            raise MatcherFailed(f"durable_rules cannot be imported: {_missing}")
        self._host = _quiet_host()
        self._fired: list[str] = []
        self._leaves = {name: [leaf.name for leaf in leaves_of(tree)] for name, tree in trees.items()}
        self._ruleset_of: dict[str, str] = {}
        self._message = itertools.count(1)
        self._pieces = {name: pieces_of(name, tree) for name, tree in trees.items()}
        self._properties: dict[str, list[str]] = {}
        by_level: dict[int, dict[str, Node]] = {}
        for pieces in self._pieces.values():
            for name, part in pieces.items():
                by_level.setdefault(part.level, {})[name] = part.node
                self._properties[name] = [leaf.name for leaf in leaves_of(part.node)]
        for nodes in by_level.values():
            for chunk in _chunks({name: self._properties[name] for name in nodes}):
                self._register({name: nodes[name] for name in chunk})

    def fired(self, sides: Mapping[str, Side], among: Iterable[str] | None = None) -> frozenset[str]:
        """The names of the trees that hold, among those (or all) all of whose leaves are given."""
        wanted = self._leaves if among is None else among
        names = [name for name in wanted if all(leaf in sides for leaf in self._leaves[name])]
        asked: dict[int, dict[str, list[str]]] = {}
        for name in names:
            for piece, part in self._pieces[name].items():
                asked.setdefault(part.level, {}).setdefault(self._ruleset_of[piece], []).append(piece)
        known, holding = dict(sides), set[str]()
        for level in sorted(asked):
            for ruleset, pieces in asked[level].items():
                found = self._ask(ruleset, pieces, known) & set(pieces)
                holding |= found
                known.update({piece: 1 if piece in found else -1 for piece in pieces})
        return frozenset(holding.intersection(names))

    def _ask(self, ruleset: str, names: list[str], sides: Mapping[str, Side]) -> set[str]:
        # A fact, since an event is consumed by the first rule that it matches; taken back at once, since it would stay.
        message: dict[str, object] = {"id": next(self._message)}
        message.update({leaf: int(sides[leaf]) for name in names for leaf in self._properties[name]})
        self._fired.clear()
        try:
            try:
                self._host.assert_fact(ruleset, message)
            except durable_engine.MessageNotHandledException:
                return set()
            self._host.retract_fact(ruleset, message)
        except Exception as error:
            raise MatcherFailed(f"durable_rules failed on {', '.join(names)}: {error!r}") from error
        return set(self._fired)

    def _register(self, nodes: Mapping[str, Node]) -> None:
        ruleset = lang.ruleset(f"bellwether{next(_serial)}")
        with ruleset:
            for name, node in nodes.items():
                rule = lang.when_all(_expression(node))
                rule(self._action(name))
        full_name, definition = ruleset.define()
        lang._rulesets.pop(full_name, None)  # noqa: SLF001 - lang's own global host would register it a second time
        try:
            self._host.register_rulesets({full_name: definition})
        except Exception as error:
            raise MatcherFailed(f"durable_rules refuses {', '.join(nodes)}: {error!r}") from error
        self._ruleset_of.update(dict.fromkeys(nodes, full_name))

    def _action(self, name: str) -> Callable[[object], None]:
        fired = self._fired

        def note(_closure: object) -> None:
            fired.append(name)

        return note


def pieces_of(name: str, tree: Node) -> dict[str, Part]:
    """The tree cut into pieces that durable_rules can take, each before those that it is a leaf of; the last, under the
    tree's own name, decides."""
    pieces: dict[str, Part] = {}

    def put_aside(node: Node) -> Leaf:
        piece = f"{name}/{len(pieces)}"
        pieces[piece] = Part(node, level_of(node))
        return Leaf(piece, piece, ">", 0)

    def level_of(node: Node) -> int:
        return max((pieces[leaf.name].level + 1 for leaf in leaves_of(node) if leaf.name in pieces), default=0)

    def cut(node: Node) -> Node:
        if isinstance(node, Leaf):
            return node
        branches = tuple(cut(branch) for branch in _flat(node))
        if not _fits(Tree(node.mode, branches)):
            branches = tuple(branch if isinstance(branch, Leaf) else put_aside(branch) for branch in branches)
        while len(branches) > MAX_PROPERTIES:
            portions = [branches[first : first + MAX_PROPERTIES] for first in range(0, len(branches), MAX_PROPERTIES)]
            branches = tuple(put_aside(Tree(node.mode, portion)) for portion in portions)
        return Tree(node.mode, branches)

    root = cut(_single(tree))
    pieces[name] = Part(root, level_of(root))
    return pieces


def _flat(tree: Tree) -> Iterable[Node]:
    """The branches of a tree, those of branches of its own kind in their place."""
    for branch in map(_single, tree.branches):
        if isinstance(branch, Tree) and branch.mode == tree.mode:
            yield from _flat(branch)
        else:
            yield branch


def _single(node: Node) -> Node:
    """What stands alone is no group."""
    return _single(node.branches[0]) if isinstance(node, Tree) and len(node.branches) == 1 else node


def _fits(node: Node) -> bool:
    return _groups(node) <= MAX_GROUPS and sum(1 for _ in leaves_of(node)) <= MAX_PROPERTIES


def _groups(node: Node) -> int:
    return 0 if isinstance(node, Leaf) else 1 + sum(map(_groups, node.branches))


def _chunks(leaves: Mapping[str, list[str]]) -> Iterable[list[str]]:
    chunk: list[str] = []
    properties = 0
    for name, names in leaves.items():
        if chunk and (len(chunk) == MAX_RULES or properties + len(names) > MAX_PROPERTIES):
            yield chunk
            chunk, properties = [], 0
        chunk.append(name)
        properties += len(names)
    if chunk:
        yield chunk


def _expression(node: Node) -> object:
    """The tree in durable_rules' own terms: an expression over the message's properties."""
    if isinstance(node, Leaf):
        return _comparison(node)
    expression = _expression(node.branches[0])
    for branch in node.branches[1:]:
        other = _expression(branch)
        expression = expression & other if node.mode == "all" else expression | other  # type: ignore[operator]
    return expression


def _comparison(leaf: Leaf) -> object:
    side = getattr(lang.m, leaf.name)
    comparisons: dict[str, Callable[[], object]] = {
        "<": lambda: side < 0,
        "<=": lambda: side <= 0,
        "==": lambda: side == 0,
        "!=": lambda: side != 0,
        ">=": lambda: side >= 0,
        ">": lambda: side > 0,
    }
    return comparisons[leaf.op]()


def _quiet_host() -> "durable_engine.Host":  # noqa: UP037 (the name is None where the extension is missing)
    class QuietHost(durable_engine.Host):  # type: ignore[misc, name-defined, unused-ignore]
        """Without the two background threads: they would run actions behind our back, and we use no timers."""

        def _run(self) -> None:
            return

    return QuietHost()


def matcher_for(trees: Mapping[str, Node]) -> DurableMatcher | PlainMatcher:
    """durable_rules where it can be imported; else the interpreter that the tests hold equal to it, with a log line."""
    if _missing is not None:
        log.warning("durable_rules cannot be imported (%s): the plain interpreter decides", _missing)
        return PlainMatcher(trees)
    return DurableMatcher(trees)


def remembering_judge(matcher: DurableMatcher | PlainMatcher, name: str, tree: Node) -> Judge:
    """The verdict on one tree by the signature of its leaves, asked once for each signature."""
    leaves = [leaf.name for leaf in leaves_of(tree)]
    verdicts: dict[tuple[int, ...], bool] = {}

    def judge(sides: Mapping[str, Side]) -> bool:
        signature = tuple(sides[leaf] for leaf in leaves)
        verdict = verdicts.get(signature)
        if verdict is None:
            verdict = bool(matcher.fired({leaf: sides[leaf] for leaf in leaves}, [name]))
            if len(verdicts) < MAX_VERDICTS:
                verdicts[signature] = verdict
        return verdict

    return judge
