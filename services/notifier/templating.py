"""PURE: templates of messages: which one is taken for a reader, and how it is filled in safely.

Whatever a template shows is escaped for the shape of the message, by the environment and not by the template; there is
no filter that would leave it out. A template of an operator that fails is replaced by ours: a page is sent either way.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial, wraps
from typing import Any, Literal, Self, get_args

from jinja2 import FunctionLoader, StrictUndefined, TemplateError, TemplateNotFound, TemplateSyntaxError
from jinja2.filters import FILTERS
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup

from services.notifier.escaping import SHAPES, Link, Shape, address, escape

Part = Literal["page", "digest"]
Form = Literal["subject", "plain", "html", "markdown", "summary"]
PARTS: tuple[Part, ...] = get_args(Part)
FORMS: tuple[Form, ...] = get_args(Form)

# Those that give plain text: none marks anything as safe, or escapes by other rules than ours.
_FILTERS = (
    *("capitalize", "default", "first", "float", "int", "join", "last", "length", "list", "lower", "max", "min"),
    *("reject", "replace", "reverse", "round", "select", "sort", "title", "trim", "truncate", "unique", "upper"),
)


_UNKNOWN = re.compile(r"^'dict object' has no attribute ('[^']*')$")


@dataclass(frozen=True)
class Problem:
    """What is wrong with a template: where, and in a sentence."""

    file: str
    line: int
    what: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.what}"


@dataclass(frozen=True)
class Ready:
    """Values of which every text escapes itself for the shape already."""

    shape: Shape
    texts: Mapping[str, Any]


class BadTemplate(Exception):
    """A template cannot be filled in; `problem` says where."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


class Templates:
    """`shipped` and `own` are templates by name, such as `zh/page.plain.j2`; of two with one name the own one counts.
    `told` hears of an own one that failed, once for each."""

    def __init__(
        self,
        shipped: Mapping[str, str],
        own: Mapping[str, str] | None = None,
        told: Callable[[Problem], None] = lambda _: None,
    ) -> None:
        self._own = dict(own or {})
        self.sources: Mapping[str, str] = {**shipped, **self._own}
        self._all = {shape: _Sandbox(self.sources, shape) for shape in SHAPES}
        self._shipped = {shape: _Sandbox(shipped, shape) for shape in SHAPES} if self._own else self._all
        self._told = told
        self._failed: set[Problem] = set()

    def ready(self, shape: Shape, values: Mapping[str, object]) -> Ready:
        """The values for several forms of one shape: what fill() would otherwise do for each anew."""
        return Ready(shape, self._all[shape].texts(values))

    def fill(self, shape: Shape, names: Sequence[str], values: Mapping[str, object] | Ready) -> str:
        """The first template of `names` that there is, filled in; ours where an own one fails."""
        try:
            return self.try_to_fill(shape, names, values)
        except BadTemplate as error:
            if not self._own:
                raise
            if error.problem not in self._failed:
                self._failed.add(error.problem)
                self._told(error.problem)
            return _fill(self._shipped[shape], names, values)

    def try_to_fill(self, shape: Shape, names: Sequence[str], values: Mapping[str, object] | Ready) -> str:
        """The same, but a template that fails is told: BadTemplate."""
        return _fill(self._all[shape], names, values)

    def chosen(self, names: Sequence[str]) -> str:
        """The name of the template that is taken."""
        return next(name for name in names if name in self.sources)

    def unreadable(self) -> list[Problem]:
        """What is no template at all."""
        found = []
        for name in sorted(self.sources):
            try:
                self._all["plain"].get_template(name)
            except TemplateSyntaxError as error:
                found.append(Problem(error.name or name, error.lineno, error.message or "cannot be read"))
        return found


@lru_cache(maxsize=1024)
def names_of(part: Part, form: Form, language: str, *special: str) -> tuple[str, ...]:
    """Under which names a template is looked for, the most special first: for a rule or a kind of page in a language,
    in any language, then for all pages."""
    found = [f"{folder}{part}.{form}.{one}.j2" for one in special for folder in (f"{language}/", "")]
    return (*found, f"{language}/{part}.{form}.j2", f"{part}.{form}.j2")


class _Sandbox(ImmutableSandboxedEnvironment):
    """Text stays text that escapes itself, whatever a template does with it: `__html__` is asked wherever anything is
    put together or out."""

    intercepted_binops = frozenset({"+", "*", "%"})

    def __init__(self, sources: Mapping[str, str], shape: Shape) -> None:
        super().__init__(
            loader=FunctionLoader(partial(_source, sources)),
            autoescape=True,
            undefined=StrictUndefined,
            finalize=self.shown,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
            cache_size=-1,
            auto_reload=False,
        )
        self.sources = sources
        self.shape = shape
        self.filters = {name: self._filter(FILTERS[name]) for name in _FILTERS}
        self.globals = {}

    def ready(self, values: Mapping[str, object] | Ready) -> Any:
        """The values with every text in them one of this shape."""
        if not isinstance(values, Ready):
            return self.texts(values)
        # Texts of another shape would be escaped for that.
        assert values.shape == self.shape, f"{values.shape} for {self.shape}"
        return values.texts

    def texts(self, value: object) -> Any:
        """The value with every text in it made one that escapes itself for this shape."""
        if isinstance(value, str):
            if hasattr(value, "__html__"):
                return value
            return _Address(value, self.shape) if isinstance(value, Link) else _Text(value, self.shape)
        if isinstance(value, (list, tuple)):
            return [self.texts(one) for one in value]
        if isinstance(value, Mapping):
            return {key: self.texts(one) for key, one in value.items()}
        return value

    def shown(self, value: Any) -> Markup:
        """What comes out of a template's expression. Of something undefined str() raises."""
        found = value if hasattr(value, "__html__") else _Text(str(value), self.shape)
        return Markup(found.__html__())  # noqa: S704 - escaped for the shape

    def getattr(self, obj: Any, attribute: str) -> Any:
        """A part by its name, before anything that a dictionary has of itself."""
        if type(obj) is dict and attribute in obj:
            return obj[attribute]
        return super().getattr(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """A slice of a text is one too."""
        return self.texts(super().getitem(obj, argument))

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """So are two of them, one after the other."""
        return self.texts(super().call_binop(context, operator, left, right))

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """A text has no methods here: there are filters, whose results are texts again."""
        return not isinstance(obj, str) and super().is_safe_attribute(obj, attr, value)

    def _filter(self, found: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(found)
        def filtered(*args: Any, **options: Any) -> Any:
            result = found(*args, **options)
            return self.texts(list(result) if isinstance(result, Iterator) else result)

        return filtered


class _Text(str):
    """A text from anywhere."""

    __slots__ = ("shape",)
    shape: Shape

    def __new__(cls, text: str, shape: Shape) -> Self:
        made = super().__new__(cls, text)
        made.shape = shape
        return made

    def __html__(self) -> str:
        return escape(self.shape, str(self))


class _Address(_Text):
    """A link of ours."""

    __slots__ = ()

    def __html__(self) -> str:
        return address(self.shape, Link(self))


def _source(sources: Mapping[str, str], name: str) -> tuple[str, str, Callable[[], bool]] | None:
    # The name stands for the file, so that an error tells it.
    return (sources[name], name, lambda: True) if name in sources else None


def _fill(environment: _Sandbox, names: Sequence[str], values: Mapping[str, object] | Ready) -> str:
    name = next((one for one in names if one in environment.sources), names[-1])
    try:
        return environment.get_template(name).render(environment.ready(values))
    except TemplateSyntaxError as error:
        raise BadTemplate(Problem(error.name or name, error.lineno, error.message or "cannot be read")) from error
    except TemplateNotFound as error:
        place = _place(error, name, environment.sources)
        raise BadTemplate(Problem(*place, f"there is no template {error.message}")) from error
    except (TemplateError, ArithmeticError, LookupError, TypeError, ValueError) as error:
        said = _UNKNOWN.sub(r"there is no part named \1", str(error)) or type(error).__name__
        raise BadTemplate(Problem(*_place(error, name, environment.sources), said)) from error


def _place(error: BaseException, name: str, sources: Mapping[str, str]) -> tuple[str, int]:
    """The template and the line in which an error arose: the innermost that is one of ours."""
    found, trace = (name, 1), error.__traceback__
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if file in sources:
            found = file, trace.tb_lineno
        trace = trace.tb_next
    return found
