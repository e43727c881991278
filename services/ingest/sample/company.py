"""Who works here, and who the customers are: what the notifier's directory file says."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any

from services.ingest.sample.names import OVERSEAS, REGIONS, company_name

HEAD = "li.na"
ENGLISH_EVERY = 5
"""Every fifth customer is abroad: an English name, and invoices in USD."""


@dataclass(frozen=True)
class Person:
    """Somebody of the company; `reports_to` is None for the head of all."""

    id: str
    name: str
    department: str
    language: str
    reports_to: str | None


@dataclass(frozen=True)
class Customer:
    """A customer as the directory knows it."""

    id: str
    name: str
    owner: str
    region: str
    english: bool


_LEADS = ("wang.lei", "yang.fan")
_STAFF = (
    Person(HEAD, "李娜", "management", "zh", None),
    Person("wang.lei", "王磊", "sales", "zh", HEAD),
    Person("yang.fan", "杨帆", "sales", "en", HEAD),
    Person("zhang.wei", "张伟", "sales", "zh", "wang.lei"),
    Person("liu.yang", "刘洋", "sales", "zh", "wang.lei"),
    Person("chen.jing", "陈静", "sales", "en", "wang.lei"),
    Person("zhao.min", "赵敏", "sales", "zh", "yang.fan"),
    Person("zhou.tao", "周涛", "sales", "zh", "yang.fan"),
    Person("wu.xia", "吴霞", "sales", "en", "yang.fan"),
    Person("sun.peng", "孙鹏", "finance", "zh", HEAD),
    Person("he.jie", "何洁", "service", "zh", HEAD),
    Person("gao.yuan", "高远", "service", "en", "he.jie"),
    Person("lin.bo", "林博", "technical", "zh", HEAD),
    Person("xu.lan", "许兰", "legal", "zh", HEAD),
)
_HEADS = (
    ("management", "管理层", HEAD),
    ("sales", "销售部", "wang.lei"),
    ("finance", "财务部", "sun.peng"),
    ("service", "客服部", "he.jie"),
    ("technical", "技术部", "lin.bo"),
    ("legal", "法务部", "xu.lan"),
)
_OWNERS = tuple(person.id for person in _STAFF if person.reports_to in _LEADS)


def customers(seed: int, count: int) -> list[Customer]:
    """C001, C002, … with their owners in turn."""
    random = Random(f"{seed}/customers")  # noqa: S311  # a seed makes the sample, no secret
    made = []
    for index in range(count):
        english = index % ENGLISH_EVERY == ENGLISH_EVERY - 1
        made.append(
            Customer(
                id=f"C{index + 1:03d}",
                name=company_name(index, english, random),
                owner=_OWNERS[index % len(_OWNERS)],
                region=OVERSEAS if english else random.choice(REGIONS),
                english=english,
            )
        )
    return made


def other_owner(owner: str) -> str:
    """A colleague who can take a customer over."""
    return _OWNERS[(_OWNERS.index(owner) + 1) % len(_OWNERS)]


def directory(known: list[Customer]) -> dict[str, Any]:
    """The document of the directory file. Addresses are in a reserved domain: no page can reach a stranger."""
    people = [
        {
            "id": person.id,
            "name": person.name,
            "department": person.department,
            "language": person.language,
            **({"reports_to": person.reports_to} if person.reports_to else {}),
            "email": f"{person.id}@example.com",
        }
        for person in _STAFF
    ]
    listed = [{"id": one.id, "name": one.name, "owner": one.owner, "region": one.region} for one in known]
    departments = [{"id": id, "name": name, "head": head} for id, name, head in _HEADS]
    return {"people": people, "departments": departments, "customers": listed, "fallback": HEAD}
