"""Invented names. Companies are put together from parts; none is meant to be a real one."""

from __future__ import annotations

from random import Random

REGIONS = ("华东", "华南", "华北", "西南", "华中")
OVERSEAS = "海外"

_ZH_PLACES = ("江南", "云岭", "南屿", "北川", "东浦", "青山", "临海", "松原", "白鹭", "金沙")
_ZH_WORDS = ("恒远", "明达", "启新", "瑞丰", "同舟", "博衡", "立信", "远航", "晨光", "合木")
_ZH_TRADES = ("精密机械", "电子科技", "新材料", "医疗器械", "汽车零部件", "仪器仪表", "自动化设备", "包装材料")
_EN_WORDS = ("Harbour", "Juniper", "Northgate", "Willow", "Copperfield", "Lantern", "Highmoor", "Seabright")
_EN_TRADES = ("Instruments Ltd", "Precision Parts Inc", "Components GmbH", "Controls BV", "Packaging Ltd", "Motors Pty")

_CONTACTS_ZH = ["林涛", "郑洁", "梁宇", "宋佳", "唐琳", "许峰", "韩雪", "冯凯", "曹颖", "邓超然", "彭越", "曾宁"]
_CONTACTS_EN = ["Ada Brook", "Tom Hollis", "Mia Carver", "Leo Marsh", "Nora Fenn", "Sam Alder"]


def company_name(number: int, english: bool, random: Random) -> str:
    """A company's name. Different numbers never share one: the number picks the first two parts."""
    if english:
        word = _EN_WORDS[number % len(_EN_WORDS)]
        second = _EN_WORDS[(number // len(_EN_WORDS) + number + 3) % len(_EN_WORDS)]
        suffix = "" if number < len(_EN_WORDS) ** 2 else f" {number}"
        return f"{word} {second}{suffix} {random.choice(_EN_TRADES)}"
    place = _ZH_PLACES[number % len(_ZH_PLACES)]
    word = _ZH_WORDS[(number // len(_ZH_PLACES)) % len(_ZH_WORDS)]
    suffix = "" if number < len(_ZH_PLACES) * len(_ZH_WORDS) else str(number)
    return f"{place}{word}{suffix}{random.choice(_ZH_TRADES)}有限公司"


def contact_name(english: bool, random: Random) -> str:
    """A person at a customer."""
    return random.choice(_CONTACTS_EN if english else _CONTACTS_ZH)
