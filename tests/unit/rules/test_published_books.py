"""Published rulebooks: no bytes harm the worker, a bad one is refused in words, the last good one stays in force."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from prometheus_client import CollectorRegistry

from schemas.rulebook import MAX_BOOK_BYTES, PublishedBook, decode_book, encode_book
from services.rules import checking, trial
from services.rules.bookkeeping import GOOD_FILE, BookKeeper
from services.rules.books import SHIPPED, read_files, read_rules
from services.rules.checking import check_published
from services.rules.compiling import Rule
from services.rules.rulebook import Rulebook
from services.rules.runtime_metrics import RuntimeMetrics
from services.rules.trial import tried
from tests.support.standin_core import StandInCore
from tests.unit.rules.mutants import text_mutant

AT = datetime(2026, 3, 1, tzinfo=UTC)
R3 = "R3_competitors_at_trade_fairs.yaml"
FILES = read_files(SHIPPED)[0]
ONE_RULE = {R3: FILES[R3]}
SHIPPED_PRINT = Rulebook(read_rules(SHIPPED)).fingerprint


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def book(files: dict[str, str] | None = None, **overrides: dict[str, Any]) -> bytes:
    return encode_book(PublishedBook(files=files or ONE_RULE, overrides=overrides, author="me", at=AT))


def print_of(**overrides: dict[str, Any]) -> str:
    rules = [rule for rule in read_rules(SHIPPED, overrides) if rule.id == "R3"]
    return Rulebook(rules).fingerprint


# ---- judging bytes


def test_the_shipped_rules_may_be_published() -> None:
    raw = book(FILES, R3={"days": 3})
    assert check_published(raw) == []
    assert encode_book(decode_book(raw)) == raw


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (b"", "no valid JSON"),
        (b"\xff\xfe", "no valid JSON"),
        (b"[]", "valid dictionary"),
        (b'{"files": {}, "author": "me", "at": "2026-03-01T00:00:00Z"}', "at least 1 item"),
        (b'{"files": {"../x.yaml": ""}, "author": "me", "at": "2026-03-01T00:00:00Z"}', "should match pattern"),
        (b'{"files": {"x.yaml": 1}, "author": "me", "at": "2026-03-01T00:00:00Z"}', "valid string"),
        (b"[" * 100_000, "no valid JSON"),
        (b" " * (MAX_BOOK_BYTES + 1), f"at most {MAX_BOOK_BYTES}"),
    ],
)
def test_bytes_that_are_no_book_are_refused(raw: bytes, problem: str) -> None:
    assert problem in "; ".join(check_published(raw))


def changed(old: str, new: str) -> dict[str, str]:
    assert old in FILES[R3]
    return {R3: FILES[R3].replace(old, new)}


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (
            lambda: book(changed("kind: stretch", "kind: strech")),
            rf"{R3}:\d+: R3: kind: 'strech' is none of .* did you mean stretch",
        ),
        (lambda: book({R3: "a: [1"}), rf"{R3}:\d+: not valid YAML"),
        (lambda: book({R3: FILES[R3], "copy.yaml": FILES[R3]}), "R3 is also in"),
        (lambda: book(R9={"gap": 1}), "there is no rule R9"),
        (lambda: book(R3={"days": -1}), "below the least"),
        (lambda: book(R3={"nothing": 1}), "has no parameter nothing"),
        (lambda: book({R3: "a: &a [1]\nb: [*a, *a]"}), f"{R3}:2: write out what the alias"),
    ],
)
def test_a_bad_book_is_refused_with_file_line_and_what_to_mend(raw: Callable[[], bytes], problem: str) -> None:
    assert re.search(problem, "; ".join(check_published(raw())))


def test_a_rule_that_does_not_do_what_its_examples_say_is_refused() -> None:
    problems = check_published(book(changed("default: 2,", "default: 3,")))
    assert "example “two days within ninety”: should find" in problems[0]


@pytest.mark.parametrize("seed", range(8))
def test_mutants_of_good_rule_files_are_judged_and_never_raise(seed: int) -> None:
    rng, refused = random.Random(seed), 0
    names = sorted(FILES)
    for _ in range(40):
        name = rng.choice(names)
        raw = encode_book(PublishedBook(files={name: text_mutant(rng, FILES[name])}, author="me", at=AT))
        problems = check_published(raw)
        refused += bool(problems)
        assert all(problems)
        assert [problem for problem in problems if "cannot be judged" in problem] == []
    assert refused > 15


@pytest.mark.parametrize("seed", range(4))
def test_mutants_of_a_books_bytes_are_judged_and_never_raise(seed: int) -> None:
    rng, good, refused = random.Random(seed), book(R3={"days": 3}), 0
    for _ in range(60):
        raw = bytearray(good)
        for _ in range(rng.randrange(1, 5)):
            place = rng.randrange(len(raw))
            match rng.randrange(4):
                case 0:
                    raw[place] = rng.randrange(256)
                case 1:
                    del raw[place : place + rng.randrange(1, 200)]
                case 2:
                    raw[place:place] = raw[place : place + rng.randrange(1, 50)]
                case _:
                    raw[place:place] = rng.choice([b'"', b"}", b"\\u0000", b"null", b"[[", b"\xed\xa0\x80"])
        problems = check_published(bytes(raw))
        refused += bool(problems)
        assert all(problems)
    assert refused > 15


# ---- a process of its own


@pytest.mark.anyio
async def test_the_trial_says_what_the_check_says() -> None:
    bad = book(changed("kind: stretch", "kind: strech"))
    assert await tried(bad) == check_published(bad) != []
    assert await tried(book()) == []


@pytest.mark.anyio
async def test_a_trial_without_an_end_is_a_refusal() -> None:
    (problem,) = await tried(book(FILES), patience_s=0.01)
    assert "take too long" in problem


@pytest.mark.anyio
async def test_a_trial_that_breaks_down_is_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "_MODULE", "services.rules.nothing_here")
    (problem,) = await tried(book())
    assert "brought its trial down (exit code 1)" in problem


def test_what_nobody_has_thought_of_is_a_refusal_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def burst(*_: object) -> None:
        raise ZeroDivisionError("nobody thought of it")

    monkeypatch.setattr(checking, "check_files", burst)
    assert check_published(book()) == ["the rulebook cannot be judged: ZeroDivisionError: nobody thought of it"]


# ---- what is in force


class Keeping:
    """A book keeper with its metrics; books are tried in this process."""

    def __init__(self, folder: Path) -> None:
        self.registry = CollectorRegistry()
        self.tries = 0
        self.keeper = BookKeeper(folder, self.build, self.trial, RuntimeMetrics(self.registry))

    def build(self, rules: list[Rule]) -> StandInCore:
        core = StandInCore()
        core.book = Rulebook(rules).fingerprint
        return core

    async def trial(self, raw: bytes) -> list[str]:
        self.tries += 1
        return check_published(raw)

    async def begins_with(self, newest: bytes | None) -> str:
        return str((await self.keeper.begin(newest)).book)  # type: ignore[attr-defined]

    async def considers(self, raw: bytes | None) -> str | None:
        core = await self.keeper.consider(raw)
        return None if core is None else str(core.book)  # type: ignore[attr-defined]

    def sample(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, labels)


@pytest.mark.anyio
async def test_without_a_published_book_the_shipped_one_is_in_force(tmp_path: Path) -> None:
    keeping = Keeping(tmp_path)
    assert await keeping.begins_with(None) == SHIPPED_PRINT
    assert keeping.sample("bellwether_rulebook_in_force", fingerprint=SHIPPED_PRINT, origin="shipped") == 1
    assert not (tmp_path / GOOD_FILE).exists()


@pytest.mark.anyio
async def test_a_good_book_replaces_the_one_in_force_and_is_remembered(tmp_path: Path) -> None:
    keeping = Keeping(tmp_path)
    await keeping.begins_with(None)
    raw = book(R3={"days": 3})
    assert await keeping.considers(raw) == print_of(R3={"days": 3})
    assert (tmp_path / GOOD_FILE).read_bytes() == raw
    assert keeping.sample("bellwether_rulebook_in_force", fingerprint=SHIPPED_PRINT, origin="shipped") is None
    assert keeping.sample("bellwether_rulebook_published_seconds") == AT.timestamp()


@pytest.mark.anyio
async def test_the_same_rules_published_again_change_nothing(tmp_path: Path) -> None:
    keeping = Keeping(tmp_path)
    await keeping.begins_with(None)
    assert await keeping.considers(book(FILES)) is None
    assert keeping.sample("bellwether_rulebook_in_force", fingerprint=SHIPPED_PRINT, origin="topic") == 1


@pytest.mark.anyio
@pytest.mark.parametrize("bad", [b"{", None, book(changed("kind: stretch", "kind: strech"))])
async def test_a_bad_book_changes_nothing_and_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, bad: bytes | None
) -> None:
    keeping = Keeping(tmp_path)
    await keeping.begins_with(None)
    assert await keeping.considers(bad) is None
    assert keeping.sample("bellwether_rulebook_refused_total") == 1
    assert "the rulebook (topic) is refused: " in caplog.text
    assert not (tmp_path / GOOD_FILE).exists()


@pytest.mark.anyio
async def test_the_last_good_book_is_in_force_over_a_restart_with_a_bad_one_on_the_topic(tmp_path: Path) -> None:
    before, good = Keeping(tmp_path), book(R3={"days": 3})
    await before.begins_with(good)
    assert before.sample("bellwether_rulebook_newest_refused") == 0
    assert await before.considers(b"{") is None
    assert before.sample("bellwether_rulebook_newest_refused") == 1

    after = Keeping(tmp_path)
    assert await after.begins_with(b"{") == print_of(R3={"days": 3})
    assert after.sample("bellwether_rulebook_refused_total") == 1
    assert after.sample("bellwether_rulebook_newest_refused") == 1
    await after.considers(good)
    assert after.sample("bellwether_rulebook_newest_refused") == 0
    assert await Keeping(tmp_path / "elsewhere").begins_with(b"{") == SHIPPED_PRINT


@pytest.mark.anyio
async def test_a_book_that_was_accepted_before_is_not_tried_again_at_the_start(tmp_path: Path) -> None:
    await Keeping(tmp_path).begins_with(book())
    again = Keeping(tmp_path)
    assert await again.begins_with(book()) == print_of()
    assert again.tries == 0


@pytest.mark.anyio
async def test_a_remembered_book_that_no_longer_compiles_gives_way_to_the_shipped_one(tmp_path: Path) -> None:
    (tmp_path / GOOD_FILE).write_bytes(b"\x00" * 100)
    assert await Keeping(tmp_path).begins_with(None) == SHIPPED_PRINT


@pytest.mark.anyio
async def test_a_full_disk_does_not_stop_a_good_book(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("no folder")
    keeping = Keeping(tmp_path / "file")
    assert await keeping.begins_with(book()) == print_of()
    assert "cannot be remembered" in caplog.text


@pytest.mark.anyio
async def test_a_book_whose_core_cannot_be_built_is_refused(tmp_path: Path) -> None:
    class Broken(Keeping):
        def build(self, rules: list[Rule]) -> StandInCore:
            if len(rules) == 1:
                raise ArithmeticError("the matcher has burst")
            return super().build(rules)

    keeping = Broken(tmp_path)
    assert await keeping.begins_with(book()) == SHIPPED_PRINT
    assert keeping.sample("bellwether_rulebook_refused_total") == 1


def test_a_books_json_says_what_the_topic_promises() -> None:
    assert orjson.loads(book(R3={"days": 3})) == {
        "files": ONE_RULE,
        "overrides": {"R3": {"days": 3}},
        "author": "me",
        "at": "2026-03-01T00:00:00Z",
    }
