"""Rule files: their form, their parameters, and what is wrong with a bad one. PURE: text in, a Definition out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, StringConstraints, ValidationError

from schemas.warnings import Hours
from services.rules.calendar import DAY, HOUR, SECOND, Micros
from services.rules.forming import MOST_LEVELS, BadParameter, mended, too_deep, written_twice

RULE_ID = r"^[A-Z][A-Za-z0-9]{0,15}$"
RuleId = Annotated[str, StringConstraints(pattern=RULE_ID)]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$")]

ClassName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,39}$")]

Subject = Literal[
    "contract",
    "contact",
    "promise",
    "feedback",
    "service_case",
    "opportunity",
    "order",
    "milestone",
    "anniversary",
]

SUBJECTS: dict[Subject, str] = {
    "contract": "contract_id",
    "contact": "contact_id",
    "promise": "promise_id",
    "feedback": "feedback_id",
    "service_case": "case_id",
    "opportunity": "opportunity_id",
    "order": "order_id",
    "milestone": "subject",
    "anniversary": "subject",
}
"""What `per:` may name, and the field of an item that holds it."""

Severity = Literal["low", "medium", "high", "critical"]
Output = Literal["warning", "task", "suggestion", "class", "score"]
Who = Literal["owner", "superior"]


class BadRule(Exception):
    """A rule file that cannot be used. `problems` are sentences, each with the file, the line and what to mend."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, populate_by_name=True)


class Words(_Part):
    """A text in both languages of the people who read it."""

    zh: Annotated[str, StringConstraints(min_length=1)]
    en: Annotated[str, StringConstraints(min_length=1)]


class Clause(Words):
    """The sentence of the company's policy from which the rule comes, and where it stands."""

    source: Annotated[str, StringConstraints(min_length=1)]


class Parameter(_Part):
    """A number or choice that sales operations may tune, within its bounds."""

    type: Literal["int", "decimal", "bool", "duration", "list", "text"]
    default: Any
    min: Any = None
    max: Any = None
    label: Words | None = None


class Demand(_Part):
    """R4: the superior's review within so many hours, and a quorum of departments before the case may close. `hours`
    says by which hours it is counted: the wall's, or those in which the company works."""

    within_hours: Annotated[int, Field(ge=1, le=24 * 365)]
    departments: list[str]
    quorum: Annotated[int, Field(ge=0)]
    hours: Hours = "wall"


class Escalation(_Part):
    """The severity that the warning takes while `when` holds as well, and who is told then."""

    to: Severity
    when: dict[str, Any]
    audience: list[Who] | None = None


class Class(_Part):
    """A word for the customer, while `when` holds and none before it does."""

    value: ClassName
    name: Words
    advice: Words | None = None
    when: dict[str, Any]


class Otherwise(_Part):
    """The word for a customer of whom none of the others holds."""

    value: ClassName
    name: Words
    advice: Words | None = None


class ScoreInput(_Part):
    """A fact that a score weighs, scaled to 0–100 by `scale` or `map`; `missing` says what to do without it."""

    fact: Name
    label: Words | None = None
    weight: int | str
    scale: list[list[int | str]] | None = None
    map: dict[str, int | str] | None = None
    missing: Literal["reweight", "inconclusive"] | int = "inconclusive"


class ExampleEvent(_Part):
    """An event in short: its type without the prefix, its time, its data. Ids are made up, `id` gives one."""

    type: str
    time: str
    data: dict[str, Any] = {}
    id: str | None = None
    supersedes: str | None = None
    retracted: bool = False


class Example(_Part):
    """A history and what the rule must find in it: the episodes, each [start, end] (end null while it holds); for a
    class or score what it `is` at `until`, null for inconclusive. `reference` holds events of no customer."""

    name: Annotated[str, StringConstraints(min_length=1)]
    events: list[ExampleEvent]
    reference: list[ExampleEvent] = []
    until: str
    fires: list[list[str | None]] | None = None
    is_: Annotated[str | None, Field(alias="is")] = None
    subject: str | None = None
    params: dict[str, Any] = {}


class Definition(_Part):
    """One rule file, with its parameters not yet put in."""

    id: RuleId
    name: Words
    kind: Literal["stretch", "streak", "point", "class", "score"]
    output: Output
    severity: Severity = "low"
    clause: Clause
    advice: Words
    clears: Words | None = None
    per: Subject | None = None
    source: str | None = None
    department: str | None = None
    params: dict[Name, Parameter] = {}
    facts: dict[Name, dict[str, Any]] = {}
    conditions: dict[Name, dict[str, Any]] = {}
    of: str | dict[str, Any] | None = None
    where: dict[str, Any] | None = None
    once_per: list[str] = []
    fields: dict[str, Words] = {}
    when: dict[str, Any] | None = None
    classes: list[Class] = []
    otherwise: Otherwise | None = None
    inputs: list[ScoreInput] = []
    run: Name | None = None
    escalates: list[Escalation] = []
    audience: list[Who] = []
    review: Demand | None = None
    act_within_days: Annotated[int, Field(ge=1, le=366)] | None = None
    summary: Words
    examples: Annotated[list[Example], Field(min_length=2)]
    _tree: Any = PrivateAttr(default=None)

    @property
    def judges(self) -> bool:
        """Whether it gives a class or a score, and no episodes."""
        return self.kind in ("class", "score")

    def line(self, path: list[str]) -> int:
        """The line of the file at which something stands."""
        return line_of(self._tree, path)


def parse_definition(text: str, file: str) -> Definition:
    """The definition in a YAML text; raises BadRule with every problem that the form has. `file` is for messages."""
    try:
        tree, raw = _read(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{file}:{mark.line + 1}" if mark else file
        raise BadRule([f"{where}: not valid YAML: {getattr(error, 'problem', None) or error}"]) from None
    except (ValueError, RecursionError, LookupError, AttributeError, TypeError, ArithmeticError) as error:
        # PyYAML's own constructors fail in many ways on tags such as !!int "".
        raise BadRule([f"{file}: not usable YAML: {error}"]) from None
    deep = too_deep(tree)
    if deep is not None:
        raise BadRule([f"{file}:{deep}: nested more than {MOST_LEVELS} levels deep: give parts a name in `conditions`"])
    if not isinstance(raw, dict):
        raise BadRule([f"{file}:1: a rule file holds one mapping with id, name, when …"])
    rule = _rule_of(raw)
    twice = [f"{file}:{line}: {rule}{key}: is said twice: take one of them away" for line, key in written_twice(tree)]
    try:
        definition = Definition.model_validate(raw)
    except ValidationError as error:
        problems = [_problem(file, tree, rule, item) for item in error.errors(include_url=False)]
        raise BadRule([*twice, *problems]) from None
    if twice:
        raise BadRule(twice)
    definition._tree = tree  # noqa: SLF001 made here, for its own messages
    _check_examples(definition, file)
    return definition


_Loader: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _read(text: str) -> tuple[yaml.Node | None, Any]:
    """The document with its lines, and as values."""
    loader = _Loader(text)
    try:
        tree = loader.get_single_node()
        return tree, None if tree is None else loader.construct_document(tree)
    finally:
        loader.dispose()


def _check_examples(definition: Definition, file: str) -> None:
    line = definition.line(["examples"])
    if definition.judges:
        values = {example.is_ for example in definition.examples}
        if any(example.fires is not None for example in definition.examples):
            raise BadRule([f"{file}:{line}: examples of a class or score say what it `is`, not what `fires`"])
        if len(values) < 2:
            raise BadRule([f"{file}:{line}: all examples give the same: add one with another value"])
        return
    if any(example.fires is None or example.is_ is not None for example in definition.examples):
        raise BadRule([f"{file}:{line}: every example lists the episodes that it `fires`, [] for none"])
    if not any(example.fires for example in definition.examples):
        raise BadRule([f"{file}:{line}: no example fires: add one whose `fires` lists an episode"])
    if all(example.fires for example in definition.examples):
        raise BadRule([f"{file}:{line}: no example stays quiet: add one with `fires: []`"])


def _rule_of(raw: dict[Any, Any]) -> str:
    """The rule's id for the beginning of a sentence, where the file has a usable one."""
    name = raw.get("id")
    return f"{name}: " if isinstance(name, str) and re.fullmatch(RULE_ID, name) else ""


def _problem(file: str, tree: yaml.Node | None, rule: str, item: Any) -> str:
    path = [str(part) for part in item["loc"]]
    return f"{file}:{line_of(tree, path)}: {rule}{'.'.join(path) or 'rule'}: {mended(item, _keys_at(path))}"


def _keys_at(path: list[str]) -> list[str]:
    """The keys that may stand beside the last one of a path."""
    parents = [part for part in path[:-1] if not part.isdigit()]
    if not parents:
        model: type[_Part] = Definition
    elif parents[0] == "params" and len(parents) == 2:
        model = Parameter
    else:
        model = _PARTS.get(parents[-1], Words)
    return [item.alias or name for name, item in model.model_fields.items()]


_PARTS: dict[str, type[_Part]] = {
    "clause": Clause,
    "review": Demand,
    "escalates": Escalation,
    "classes": Class,
    "otherwise": Otherwise,
    "inputs": ScoreInput,
    "examples": Example,
    "events": ExampleEvent,
    "reference": ExampleEvent,
}
"""What stands under a key; texts in both languages under any other."""


def line_of(node: yaml.Node | None, path: list[str]) -> int:
    """The line, from 1, of the deepest node on the path that the file has."""
    line = node.start_mark.line + 1 if node is not None else 1
    for part in path:
        found = _child(node, part)
        if found is None:
            break
        node = found
        line = node.start_mark.line + 1
    return line


def _child(node: yaml.Node | None, part: str) -> yaml.Node | None:
    if isinstance(node, yaml.MappingNode):
        return next((value for key, value in node.value if getattr(key, "value", None) == part), None)
    if isinstance(node, yaml.SequenceNode) and part.isdigit() and int(part) < len(node.value):
        inner: yaml.Node = node.value[int(part)]
        return inner
    return None


_DURATION = re.compile(r"([0-9]{1,6})(d|h|m|s)")
_UNITS = {"d": DAY, "h": HOUR, "m": 60 * SECOND, "s": SECOND}


def parse_duration(text: Any) -> Micros:
    """30d, 72h, 90m or 20s in microseconds; a day has 24 hours. Raises ValueError."""
    match = _DURATION.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise ValueError(f"{text!r} is no duration such as 30d, 72h or 90m")
    return int(match[1]) * _UNITS[match[2]]


def parameter_value(parameter: Parameter, raw: Any) -> Any:
    """The value in the parameter's type and bounds; texts (from a command line) are read as that type.

    Raises ValueError with a sentence.
    """
    value = _typed(parameter.type, raw)
    bounds = [_typed(parameter.type, bound) for bound in (parameter.min, parameter.max) if bound is not None]
    if parameter.type in ("int", "decimal", "duration") and bounds != sorted(bounds):
        raise ValueError(f"its least, {parameter.min}, lies above its greatest, {parameter.max}: exchange them")
    for bound, wrong in ((parameter.min, -1), (parameter.max, 1)):
        if bound is None or parameter.type in ("bool", "list", "text"):
            continue
        limit = _typed(parameter.type, bound)
        if (value < limit and wrong < 0) or (value > limit and wrong > 0):
            raise ValueError(f"{raw} is {'below the least' if wrong < 0 else 'above the greatest'} allowed, {bound}")
    return value


def _typed(kind: str, raw: Any) -> Any:
    if kind == "int":
        if isinstance(raw, bool) or not re.fullmatch(r"-?[0-9]{1,12}", str(raw)):
            raise ValueError(f"{raw!r} is no whole number")
        return int(raw)
    if kind == "decimal":
        return _decimal(raw)
    if kind == "bool":
        if str(raw).lower() not in ("true", "false"):
            raise ValueError(f"{raw!r} is neither true nor false")
        return str(raw).lower() == "true"
    if kind == "duration":
        return parse_duration(raw)
    if kind == "list":
        items = raw.split(",") if isinstance(raw, str) else raw
        if not isinstance(items, list) or not items or not all(isinstance(item, str) and item for item in items):
            raise ValueError(f"{raw!r} is no list of words")
        return [item.strip() for item in items]
    if not isinstance(raw, str):
        raise ValueError(f"{raw!r} is no text")
    return raw


def _decimal(raw: Any) -> Decimal:
    # A YAML float has lost its decimals already: 0.1 is refused, "0.1" is not.
    if isinstance(raw, (bool, float)):
        raise ValueError(f"{raw!r} must be written as a text, such as '0.01'")
    try:
        value = Decimal(str(raw))
    except InvalidOperation:
        raise ValueError(f"{raw!r} is no decimal such as '0.01'") from None
    if not value.is_finite():
        raise ValueError(f"{raw!r} is no finite number")
    return value


def resolve_parameters(definition: Definition, overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Every parameter's value; raises ValueError that names an unknown one, BadParameter for one that is wrong."""
    unknown = sorted(set(overrides) - set(definition.params))
    if unknown:
        known = ", ".join(sorted(definition.params)) or "none"
        raise ValueError(f"{definition.id} has no parameter {unknown[0]} (it has: {known})")
    values = {}
    for name, parameter in definition.params.items():
        try:
            values[name] = parameter_value(parameter, overrides.get(name, parameter.default))
        except (ValueError, TypeError) as error:
            raise BadParameter(f"{definition.id}.{name}: {error}", name) from None
    return values
