"""A readable catalogue of the rulebook: definitions in, Markdown in Chinese or English out. PURE."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from services.rules import catalogue_words as words
from services.rules.catalogue_words import Language, Said
from services.rules.definition import Definition

Raw = Mapping[str, Any]
"""A definition, or a part of one, with the keys of its file."""

WITHOUT_SEVERITY = ("class", "score")


def catalogue(definitions: Iterable[Definition], language: Language) -> str:
    """The whole page: an index, then every rule, by output and number."""
    rules = sorted((definition.model_dump() for definition in definitions), key=lambda rule: _number(rule["id"]))
    groups = {output: [rule for rule in rules if rule["output"] == output] for output in words.OUTPUTS}
    lines = [
        f"# {words.TITLE[language]}",
        "",
        words.INTRODUCTION[language],
        "",
        f"## {words.HEADINGS['index'][language]}",
        "",
    ]
    lines += _index([rule for group in groups.values() for rule in group], language)
    for output, group in groups.items():
        if group:
            lines += [f"## {words.GROUPS[output][language]}", ""]
        for rule in group:
            lines += RulePage(rule, language).lines()
    return "\n".join(lines).rstrip("\n") + "\n"


def _number(rule_id: str) -> tuple[str, int, str]:
    letters, digits, rest = re.fullmatch(r"([A-Za-z]*)([0-9]*)(.*)", rule_id).groups()  # type: ignore[union-attr]
    return letters, int(digits or 0), rest


def _index(rules: Sequence[Raw], language: Language) -> list[str]:
    rows = [
        [
            f"[{rule['id']}](#{rule['id'].lower()})",
            rule["name"][language],
            words.OUTPUTS[rule["output"]][language],
            _severity(rule, language),
            rule["clause"]["source"],
        ]
        for rule in rules
    ]
    return _table([words.COLUMNS[name][language] for name in ("id", "name", "output", "severity", "source")], rows)


def _severity(rule: Raw, language: Language) -> str:
    return "—" if rule["output"] in WITHOUT_SEVERITY else words.SEVERITIES[rule["severity"]][language]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in row) + " |" for row in rows]
    return [*lines, ""]


class RulePage:
    """One rule's part of the page."""

    def __init__(self, rule: Raw, language: Language) -> None:
        self.rule = rule
        self.language = language

    def lines(self) -> list[str]:
        """Its Markdown lines, the last one empty."""
        rule, language = self.rule, self.language
        other: Language = "en" if language == "zh" else "zh"
        clause = rule["clause"]
        quoted = f"> {clause[language].strip()} — {clause['source']}"
        lines = [f'<a id="{rule["id"].lower()}"></a>', "", f"### {rule['id']} {rule['name'][language]}", ""]
        lines += [f"*{rule['name'][other]}*", "", quoted, ""]
        lines += self._traits()
        lines += self._condition()
        lines += self._classes()
        lines += self._inputs()
        lines += self._facts()
        lines += self._parameters()
        lines += self._texts()
        return lines

    def _say(self, said: Said) -> str:
        return said[self.language]

    def _heading(self, name: str) -> list[str]:
        return [f"**{self._say(words.HEADINGS[name])}**", ""]

    # -- what it is and whom it reaches

    def _traits(self) -> list[str]:
        rule = self.rule
        rows = [
            ("output", self._say(words.OUTPUTS[rule["output"]])),
            ("kind", self._say(words.KINDS[rule["kind"]])),
        ]
        if rule["output"] not in WITHOUT_SEVERITY:
            rows.append(("severity", _severity(rule, self.language)))
        rows.append(("subject", self._subject()))
        if rule.get("of"):
            rows.append(("event", self._event()))
        if rule.get("once_per"):
            rows.append(("once", ", ".join(f"`{field}`" for field in rule["once_per"])))
        if rule.get("run"):
            rows.append(("run", self._fact_label(rule["run"])))
        if rule.get("audience"):
            rows.append(("told", self._people(rule["audience"])))
        if rule.get("department"):
            rows.append(("department", self._department(rule["department"])))
        if rule.get("review"):
            rows.append(("review", self._review(rule["review"])))
        if rule.get("act_within_days"):
            rows.append(("act_within_days", words.act_within_words(rule["act_within_days"], self.language)))
        if rule.get("source"):
            rows.append(("feed", f"`{rule['source']}`"))
        return _table(["", ""], [(self._say(words.COLUMNS[name]), text) for name, text in rows])

    def _subject(self) -> str:
        per = self.rule.get("per")
        return self._say(words.SUBJECTS.get(per, words.WHOLE_CUSTOMER) if per else words.WHOLE_CUSTOMER)

    def _event(self) -> str:
        """What a point is about: the event type or series with its filter, and the options of the series."""
        rule = self.rule
        of = rule["of"] if isinstance(rule["of"], Mapping) else {"of": rule["of"]}
        options = [f"`{key}` {self._value(value)}" for key, value in of.items() if key not in ("of", "where")]
        items = self._items({**of, "where": rule.get("where") or of.get("where")})
        return self._say(words.COMMA).join([items, *options])

    def _people(self, people: Sequence[str]) -> str:
        return self._say(words.LISTED).join(self._say(words.PEOPLE[one]) for one in people)

    def _department(self, name: str) -> str:
        said = words.DEPARTMENTS.get(name)
        return self._say(said) if said else name

    def _review(self, review: Raw) -> str:
        departments = self._say(words.LISTED).join(self._department(one) for one in review["departments"])
        hours = review.get("hours", "wall")
        return words.review_words(review["within_hours"], hours, departments, review["quorum"], self.language)

    # -- conditions

    def _condition(self) -> list[str]:
        rule = self.rule
        if rule.get("classes") or not rule.get("when"):
            return []
        lines = [*self._heading("condition"), *self._listed(rule["when"], 0), ""]
        steps = [
            f"- {self._say(words.SEVERITIES[step['to']])}{self._say(words.COLON)}{self._inline(step['when'])}"
            + (f"{self._say(words.COMMA)}{self._people(step['audience'])}" if step.get("audience") else "")
            for step in rule.get("escalates") or ()
        ]
        return lines + ([*self._heading("escalates"), *steps, ""] if steps else [])

    def _listed(self, node: Raw, depth: int) -> Iterator[str]:
        """The tree as nested list items."""
        indent = "  " * depth
        if "condition" in node:
            yield from self._listed(self.rule["conditions"][node["condition"]], depth)
            return
        for mode in ("all", "any", "not"):
            if mode in node:
                yield f"{indent}- {self._say(words.MODES[mode])}{self._say(words.COLON).rstrip()}"
                for branch in node[mode] if isinstance(node[mode], list) else [node[mode]]:
                    yield from self._listed(branch, depth + 1)
                return
        yield f"{indent}- {self._leaf(node)}"

    def _inline(self, node: Raw, *, inner: bool = False) -> str:
        """The tree in one line, with brackets where it needs them."""
        if "condition" in node:
            return self._inline(self.rule["conditions"][node["condition"]], inner=inner)
        if "not" in node:
            return f"{self._say(words.NEGATED)} ({self._inline(node['not'])})"
        for mode in ("all", "any"):
            if mode in node:
                text = self._say(words.JOINED[mode]).join(self._inline(one, inner=True) for one in node[mode])
                return f"({text})" if inner and len(node[mode]) > 1 else text
        return self._leaf(node)

    def _leaf(self, leaf: Raw) -> str:
        label = self._fact_label(leaf["fact"]) if leaf.get("fact") else self._field_label(leaf["field"])
        if leaf["op"] == "known":
            return f"{label} {self._say(words.KNOWN[bool(leaf['value'])])}"
        return f"{label} {self._say(words.OPERATORS[leaf['op']])} {self._value(leaf['value'])}"

    def _fact_label(self, name: str) -> str:
        label = self.rule["facts"].get(name, {}).get("label") or {}
        return str(label.get(self.language, f"`{name}`"))

    def _field_label(self, path: str) -> str:
        label = self.rule["fields"].get(path) or {}
        return str(label.get(self.language, f"`{path}`"))

    def _value(self, value: Any) -> str:
        """A value of a tree or a fact: a parameter as its default and name."""
        if isinstance(value, str) and value.startswith("$"):
            parameter = self.rule["params"].get(value[1:])
            default = words.value_words(parameter["default"], self.language) if parameter else "?"
            return f"{default} (`{value[1:]}`)"
        if isinstance(value, list) and any(isinstance(one, str) and one.startswith("$") for one in value):
            return self._say(words.LISTED).join(self._value(one) for one in value)
        if isinstance(value, Mapping):
            return self._say(words.LISTED).join(f"`{key}` {self._value(one)}" for key, one in value.items())
        return words.value_words(value, self.language)

    # -- classes and scores

    def _classes(self) -> list[str]:
        classes = self.rule.get("classes") or []
        otherwise = self.rule.get("otherwise")
        rows = [self._class(one, self._inline(one["when"])) for one in classes]
        if otherwise:
            rows.append(self._class(otherwise, self._say(words.OTHERWISE)))
        if not rows:
            return []
        head = [self._say(words.COLUMNS[name]) for name in ("value", "name", "when", "advice")]
        return [*self._heading("classes"), *_table(head, rows)]

    def _class(self, one: Raw, when: str) -> list[str]:
        advice = (one.get("advice") or {}).get(self.language, "—")
        return [f"`{one['value']}`", one["name"][self.language], when, advice]

    def _inputs(self) -> list[str]:
        inputs = self.rule.get("inputs") or []
        if not inputs:
            return []
        head = [self._say(words.COLUMNS[name]) for name in ("input", "weight", "points", "missing")]
        rows = [[self._input_label(one), str(one["weight"]), self._points(one), self._missing(one)] for one in inputs]
        return [*self._heading("inputs"), *_table(head, rows)]

    def _input_label(self, one: Raw) -> str:
        label = one.get("label")
        return str(label[self.language]) if label else self._fact_label(one["fact"])

    def _points(self, one: Raw) -> str:
        pairs = one["map"].items() if one.get("map") else one.get("scale") or ()
        return self._say(words.COMMA).join(f"{found} → {points}" for found, points in pairs)

    def _missing(self, one: Raw) -> str:
        said = words.MISSING.get(str(one.get("missing")))
        return self._say(said) if said else str(one.get("missing"))

    # -- facts and parameters

    def _facts(self) -> list[str]:
        facts = self.rule["facts"]
        if not facts:
            return []
        head = [self._say(words.COLUMNS[name]) for name in ("fact", "looks")]
        rows = [[f"{self._fact_label(name)} (`{name}`)", self._measure(fact)] for name, fact in facts.items()]
        return [*self._heading("facts"), *_table(head, rows)]

    def _measure(self, fact: Raw) -> str:
        """The shape in words, what it is over, then its options as the file has them."""
        shape = words.SHAPES.get(str(fact.get("shape")))
        parts = [self._say(shape) if shape else f"`{fact.get('shape')}`"]
        if fact.get("shape") == "result":
            parts.append(f"{self._say(words.RULE_OF)} [{fact['of']}](#{str(fact['of']).lower()})")
        elif "of" in fact or "series" in fact:
            parts.append(self._items(fact))
        skipped = {"shape", "label", "of", "series", "where"}
        parts += [f"`{key}` {self._option(key, value)}" for key, value in fact.items() if key not in skipped]
        return self._say(words.COMMA).join(parts)

    def _option(self, key: str, value: Any) -> str:
        if key == "while":
            return self._inline({"condition": value} if isinstance(value, str) else value)
        if isinstance(value, list) and any(isinstance(one, Mapping) for one in value):
            return self._say(words.LISTED).join(self._option(key, one) for one in value)
        if isinstance(value, Mapping) and ("of" in value or "condition" in value):
            since = [self._inline({"condition": value["condition"]})] if "condition" in value else []
            return self._say(words.LISTED).join([*since, *([self._items(value)] if "of" in value else [])])
        return self._value(value)

    def _items(self, part: Raw) -> str:
        """The event type or series, with its filter."""
        name = f"`{part.get('of') or part.get('series')}`"
        where = part.get("where") or {}
        tests = [
            f"{path} {self._say(words.FILTERS[word])} {self._value(operand)}"
            for path, test in where.items()
            for word, operand in test.items()
        ]
        return f"{name} ({self._say(words.LISTED).join(tests)})" if tests else name

    def _parameters(self) -> list[str]:
        params = self.rule["params"]
        if not params:
            return []
        head = [self._say(words.COLUMNS[name]) for name in ("parameter", "label", "default", "bounds")]
        rows = [self._parameter(name, parameter) for name, parameter in params.items()]
        return [*self._heading("parameters"), *_table(head, rows)]

    def _parameter(self, name: str, parameter: Raw) -> list[str]:
        label = (parameter.get("label") or {}).get(self.language, "—")
        default = words.value_words(parameter["default"], self.language)
        low, high = (words.value_words(parameter.get(end), self.language) for end in ("min", "max"))
        bounds = "—" if low == high == "—" else f"{low} … {high}"
        return [f"`{name}`", label, default, bounds]

    # -- texts

    def _texts(self) -> list[str]:
        rule, language = self.rule, self.language
        lines: list[str] = []
        changes = "changes" if rule["output"] in ("class", "score") else "clears"
        texts = (("says", rule["summary"]), ("advice", rule.get("advice")), (changes, rule.get("clears")))
        for heading, text in texts:
            if text:
                lines += [
                    f"**{self._say(words.HEADINGS[heading])}**{self._say(words.COLON)}{text[language].strip()}",
                    "",
                ]
        names = [f"- {example['name']}" for example in rule["examples"]]
        return [*lines, *self._heading("examples"), *names, ""]
