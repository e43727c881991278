"""PURE: what is missing in a directory, so that a page about some customer would reach nobody, or the wrong one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from schemas.warnings import Bilingual
from services.notifier.people import DEPARTMENTS, Directory, Person

GapKind = Literal[
    "nobody_to_page",
    "loop",
    "superior_unknown",
    "owner_unknown",
    "no_owner",
    "unverified_only",
    "no_method",
    "head_unknown",
    "delegate_unknown",
    "no_lead",
]
"""The worst first."""

SHOWN = 10
"""Of each kind, in a page."""


@dataclass(frozen=True)
class Gap:
    """`subject` is the customer, person, department or loop that it is about; with `kind` it names the gap."""

    kind: GapKind
    subject: str
    said: Bilingual


def has_address(person: Person) -> bool:
    """Whether a page can be sent to somebody at all, as far as the directory knows."""
    return bool(person.verified)


def find_gaps(directory: Directory, is_reached: Callable[[Person], bool] = has_address) -> tuple[Gap, ...]:
    """Every gap, the worst kinds first. Of 50,000 customers it takes some tens of milliseconds. `is_reached`: a channel
    that is set up may reach people who have no address of their own."""
    reached = {person.id for person in directory.people.values() if is_reached(person)}
    found = [*_people(directory, reached), *_loops(directory), *_customers(directory, reached)]
    found += [*_offices(directory), *_leads(directory)]
    return tuple(sorted(found, key=lambda gap: (get_args(GapKind).index(gap.kind), gap.subject)))


def summary(gaps: Sequence[Gap]) -> Bilingual:
    """What to tell somebody: the first of each kind, and how many more there are."""
    return Bilingual(zh=" ".join(_listed(gaps, "zh")), en=" ".join(_listed(gaps, "en")))


def _listed(gaps: Sequence[Gap], language: Literal["zh", "en"]) -> Iterator[str]:
    counts = Counter(gap.kind for gap in gaps)
    shown: Counter[str] = Counter()
    for gap in gaps:
        shown[gap.kind] += 1
        if shown[gap.kind] <= SHOWN:
            yield gap.said.zh if language == "zh" else gap.said.en
        elif shown[gap.kind] == counts[gap.kind]:
            more = counts[gap.kind] - SHOWN
            yield f"另有 {more} 项同类缺口。" if language == "zh" else f"There are {more} more of this kind."


def _customers(directory: Directory, reached: set[str]) -> Iterator[Gap]:
    """Owners that are missing, and owners above whom nobody can be paged."""
    paged: dict[str, bool] = {}
    for customer in directory.customers.values():
        if customer.owner is None:
            zh, en = f"客户 {customer.id} 没有负责人。", f"Customer {customer.id} has no owner."
            yield _gap("no_owner", customer.id, zh, en)
        elif customer.owner not in directory.people:
            zh = f"客户 {customer.id} 的负责人 {customer.owner} 不在通讯录中。"
            en = f"The owner {customer.owner} of customer {customer.id} is not in the directory."
            yield _gap("owner_unknown", customer.id, zh, en)
        else:
            paged.setdefault(customer.owner, False)
    for owner in sorted({*paged, directory.fallback}):
        line = (owner, *directory.superiors_of(owner), directory.fallback)
        if not reached.intersection(line):
            zh = f"{owner} 及其所有上级和后备联系人都没有已验证的联系方式：无人可通知。"
            en = f"Neither {owner} nor anybody above nor the fallback has a verified address: nobody is left to page."
            yield _gap("nobody_to_page", owner, zh, en)


def _people(directory: Directory, reached: set[str]) -> Iterator[Gap]:
    """Who may be paged and cannot be, and who reports to nobody known."""
    for id in sorted(_who_is_paged(directory)):
        person = directory.people[id]
        if id in reached:
            continue
        if person.methods:
            zh, en = f"{id} 的联系方式都未经验证。", f"None of the addresses of {id} is verified."
            yield _gap("unverified_only", id, zh, en)
        else:
            zh, en = f"{id} 没有任何联系方式。", f"There is no address at all for {id}."
            yield _gap("no_method", id, zh, en)
    for person in directory.people.values():
        if person.reports_to is not None and person.reports_to not in directory.people:
            zh = f"{person.id} 的上级 {person.reports_to} 不在通讯录中。"
            en = f"{person.id} reports to {person.reports_to}, who is not in the directory."
            yield _gap("superior_unknown", person.id, zh, en)


def _who_is_paged(directory: Directory) -> set[str]:
    """Owners, everybody above them, heads and who leads where there is none, delegates and the fallback."""
    owners = {customer.owner for customer in directory.customers.values() if customer.owner in directory.people}
    heads = {office.head for office in directory.offices}
    heads.update(lead for name in DEPARTMENTS for lead in directory.leads_of(name))
    delegates = {absence.delegate for absence in directory.absences}
    named = (*owners, *heads, *delegates, directory.fallback)
    first = {id for id in named if id is not None and id in directory.people}
    return first | {above for id in first for above in directory.superiors_of(id)}


def _loops(directory: Directory) -> Iterator[Gap]:
    """Each loop once, told from its first person in the order of ids."""
    done: set[str] = set()
    for start in sorted(directory.people):
        line: list[str] = []
        at: str | None = start
        while at is not None and at in directory.people and at not in done and at not in line:
            line.append(at)
            at = directory.people[at].reports_to
        done.update(line)
        if at in line:
            loop = line[line.index(at) :]
            first = loop.index(min(loop))
            told = " -> ".join([*loop[first:], *loop[:first], loop[first]])
            yield _gap("loop", loop[first], f"汇报关系成环：{told}。", f"The reporting line loops: {told}.")


def _offices(directory: Directory) -> Iterator[Gap]:
    for office in directory.offices:
        if office.head is not None and office.head not in directory.people:
            zh = f"部门 {office.id} 的主管 {office.head} 不在通讯录中。"
            en = f"The head {office.head} of the department {office.id} is not in the directory."
            yield _gap("head_unknown", office.id, zh, en)
    unknown = {(one.person, one.delegate) for one in directory.absences if one.delegate not in directory.people}
    for person, delegate in sorted((person, delegate) for person, delegate in unknown if delegate is not None):
        zh = f"{person} 的代理人 {delegate} 不在通讯录中。"
        en = f"{delegate}, who is to stand in for {person}, is not in the directory."
        yield _gap("delegate_unknown", person, zh, en)


def _leads(directory: Directory) -> Iterator[Gap]:
    """Departments that reviews draw in and nobody can be asked for. A company that is not divided into departments
    needs none; its owners and superiors record themselves who took part."""
    if not directory.offices and len(directory.departments()) < 2:
        return
    for name in DEPARTMENTS:
        if directory.leads_of(name):
            continue
        staff = len(directory.people_of(name))
        zh = f"部门 {name}（{staff} 人）没有指定主管，也看不出由谁负责：需要其介入时无人可通知。请指定主管。"
        en = (
            f"The department {name} names no head, and its {staff} people do not tell who leads it: nobody can be "
            "asked when it is to join an intervention. Name its head."
        )
        yield _gap("no_lead", name, zh, en)


def _gap(kind: GapKind, subject: str, zh: str, en: str) -> Gap:
    return Gap(kind, subject, Bilingual(zh=zh, en=en))


def keys_of(gaps: Iterable[Gap]) -> frozenset[tuple[str, str]]:
    """By which gaps are told from others."""
    return frozenset((gap.kind, gap.subject) for gap in gaps)
