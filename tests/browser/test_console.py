"""A case from its page to its close, as people do it: in a real browser, in both languages, on a desk and a phone."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest
from selenium.common.exceptions import WebDriverException
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.expected_conditions import staleness_of
from selenium.webdriver.support.select import Select
from selenium.webdriver.support.wait import WebDriverWait

from services.notifier.button import PAUSE
from services.notifier.channels.base import FateUnknown
from tests.browser.conftest import PAGE_LOAD_S, Site
from tests.unit.notifier_console.scene import HOSTILE, PASSWORD

PHONE, DESK = 360, 1280
BESIDE = (
    "/suggestions?whose=all",
    "/customers/C-1005",
    "/findings/R11-C-1005",
    "/findings/R24cl-C-1005",
    "/rejected",
    "/methods",
)


@dataclass
class Reader:
    """Somebody at the browser."""

    browser: Chrome
    site: Site

    def look(self, width: int) -> None:
        """A phone is narrower than the narrowest window, so the screen is emulated."""
        screen = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width == PHONE}
        self.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)

    def go(self, path: str) -> None:
        self.browser.get(self.site.address + path)

    def sign_in(self, name: str) -> None:
        self.go("/cases")
        self.find("#name").send_keys(name)
        self.find("#password").send_keys(PASSWORD)
        self.follow(self.find("main form .button.main"))

    def find(self, selector: str) -> WebElement:
        return self.browser.find_element(By.CSS_SELECTOR, selector)

    def width(self) -> int:
        """How wide the page is, in CSS pixels: more than the screen means scrolling sideways."""
        return int(self.browser.execute_script("return document.documentElement.scrollWidth"))

    def follow(self, control: WebElement) -> None:
        """Clicks what leads to another page, and waits for it: a click returns while the old page still shows."""
        old = self.find("html")
        control.click()
        # In the moment of the change Chromium may say of the old page that it is in no document, before it is stale.
        wait = WebDriverWait(self.browser, PAGE_LOAD_S, ignored_exceptions=[WebDriverException])
        wait.until(staleness_of(old))

    def read_in(self, language: str) -> None:
        """Switches the language, where it is another one."""
        for button in self.browser.find_elements(By.CSS_SELECTOR, f"button[name=language][value={language}]"):
            self.follow(button)

    def open_case(self, customer: str) -> None:
        self.follow(self.browser.find_element(By.LINK_TEXT, customer))

    def send(self, action: str) -> None:
        """Sends the form of that action."""
        self.follow(self.find(f"form[action$='/{action}'] .button"))

    def unfold(self, action: str) -> WebElement:
        """The form of that action, unfolded."""
        form = self.find(f"form[action$='/{action}']")
        if not form.is_displayed():
            form.find_element(By.XPATH, "preceding-sibling::summary").click()
        return form

    def said(self) -> str:
        """The confirmation of the last action."""
        return self.find("[role=status]").text


@pytest.fixture
def reader(browser: Chrome, site: Site) -> Reader:
    return Reader(browser, site)


ZH = ("zh", ["已记录您的确认", "审核已开始", "审核决定已保存", "已记录部门加入", "已记录部门加入", "案件已关闭"])
EN = (
    "en",
    ["acknowledgement is recorded", "review is open", "decision is saved", "joined", "joined", "case is closed"],
)


@pytest.mark.parametrize(
    ("language", "said", "width"),
    [
        (*ZH, PHONE),
        (*EN, DESK),
        pytest.param(*ZH, DESK, marks=pytest.mark.nightly),
        pytest.param(*EN, PHONE, marks=pytest.mark.nightly),
    ],
)
def test_a_superior_takes_a_case_from_its_page_to_its_close(
    reader: Reader, language: str, said: list[str], width: int
) -> None:
    reader.look(width)
    reader.sign_in("li.na")
    reader.read_in(language)
    assert reader.find("html").get_attribute("lang") == {"zh": "zh-CN", "en": "en"}[language]
    reader.open_case("华东精密机械有限公司")

    heard = []
    for action in ("acknowledge", "open-review"):
        reader.send(action)
        heard.append(reader.said())
    form = reader.unfold("decide")
    form.find_element(By.CSS_SELECTOR, "input[value=act]").click()
    form.find_element(By.NAME, "note").send_keys("Visit them before Friday")
    reader.send("decide")
    heard.append(reader.said())
    for department in ("finance", "service"):
        form = reader.unfold("join")
        Select(form.find_element(By.NAME, "department")).select_by_value(department)
        reader.send("join")
        heard.append(reader.said())
    form = reader.unfold("close")
    form.find_element(By.CSS_SELECTOR, "input[value=watch]").click()
    form.find_element(By.NAME, "reason").send_keys("They have paid")
    reader.send("close")
    heard.append(reader.said())

    assert reader.width() <= width, "also of a case in which all was done"
    assert [words in sentence for words, sentence in zip(said, heard, strict=True)] == [True] * 6
    assert reader.site.office.desk.get_case(reader.site.office.case_of("C-1001")).line.status == "closed"
    assert_a_quiet_browser(reader)


def test_no_page_is_wider_than_a_phone_in_either_language(reader: Reader) -> None:
    reader.look(PHONE)
    reader.go("/sign-in")
    pages = ["/cases", "/cases?state=overdue", "/inbox", "/tasks", "/tasks?state=over", "/no/such/page", *BESIDE]
    widths = {"/sign-in": reader.width()}
    reader.sign_in("zhang.wei")
    for language in ("en", "zh"):
        reader.read_in(language)
        for page in (*pages, f"/cases/{reader.site.office.case_of('C-1001')}"):
            reader.go(page)
            widths[f"{page} {language}"] = reader.width()
    assert {page: width for page, width in widths.items() if width > PHONE} == {}


def test_a_hostile_customer_name_is_only_read(reader: Reader) -> None:
    reader.sign_in("zhang.wei")
    reader.open_case(HOSTILE)
    assert HOSTILE in reader.find("h1").text
    assert reader.browser.find_elements(By.CSS_SELECTOR, "script") == []
    assert_a_quiet_browser(reader)


def test_every_field_has_a_label_and_every_page_one_heading(reader: Reader) -> None:
    reader.sign_in("li.na")
    for path in ("/cases", f"/cases/{reader.site.office.case_of('C-1001')}", "/inbox", "/tasks", *BESIDE):
        reader.go(path)
        fields = "input:not([type=hidden]), select, textarea"
        unlabelled = f"return [...document.querySelectorAll('{fields}')].filter(f => !f.labels.length).length"
        assert reader.browser.execute_script(unlabelled) == 0
        assert len(reader.browser.find_elements(By.CSS_SELECTOR, "h1")) == 1


def test_from_a_case_to_what_else_is_open_and_its_task_done(reader: Reader) -> None:
    reader.sign_in("zhang.wei")
    reader.read_in("en")
    reader.open_case("华东精密机械有限公司")
    behind = reader.find(".tree .behind")
    assert not behind.find_element(By.CSS_SELECTOR, "li").is_displayed()
    behind.find_element(By.TAG_NAME, "summary").click()
    assert behind.find_element(By.CSS_SELECTOR, "li").text == "erp / C-1001-0001"
    reader.follow(reader.browser.find_element(By.LINK_TEXT, "Update the customer's file"))
    assert reader.find("h1").text == "Update the customer's file"
    reader.send("done")
    assert "task is done" in reader.said()
    assert reader.browser.find_elements(By.CSS_SELECTOR, ".letters form[action$='/done']") == []
    assert_a_quiet_browser(reader)


@pytest.mark.parametrize(
    ("language", "said", "stage"),
    [
        ("zh", "案件已交给经办人", "部门介入"),
        pytest.param("en", "given to them", "Intervention", marks=pytest.mark.nightly),
    ],
)
def test_a_case_is_given_on_delegated_valued_and_its_task_done(
    reader: Reader, language: str, said: str, stage: str
) -> None:
    reader.look(PHONE)
    reader.sign_in("li.na")
    reader.read_in(language)
    reader.open_case("华东精密机械有限公司")
    form = reader.unfold("assign")
    Select(form.find_element(By.NAME, "person")).select_by_value("emma.brown")
    reader.send("assign")
    assert said in reader.said()
    form = reader.unfold("value")
    form.find_element(By.NAME, "amount").send_keys("120,000")
    reader.send("value")
    assert "120000 CNY" in reader.find(".facts").text
    form = reader.unfold("task")
    Select(form.find_element(By.NAME, "person")).select_by_value("li.na")
    form.find_element(By.NAME, "text").send_keys("Call the director")
    due = form.find_element(By.NAME, "due")
    reader.browser.execute_script("arguments[0].value = '2026-03-25'", due)
    reader.send("task")
    form = reader.unfold("join")
    Select(form.find_element(By.NAME, "department")).select_by_value("finance")
    reader.send("join")
    assert stage in reader.find(".facts").text
    reader.go("/tasks")
    mine = reader.browser.find_element(By.XPATH, "//li[contains(., 'Call the director')]//button")
    reader.follow(mine)
    assert reader.width() <= PHONE
    todos = reader.site.office.desk.list_todos("emma.brown")
    assert reader.site.office.case_of("C-1001") in {todo.case_id for todo in todos}
    assert reader.site.office.desk.list_todos("li.na") == []
    assert_a_quiet_browser(reader)


@pytest.mark.parametrize(
    ("language", "width", "said"),
    [
        (
            "zh",
            PHONE,
            ["验证码已发出", "验证码不正确", "该地址已验证", "渠道已接受测试消息", "无法得知测试消息是否送达"],
        ),
        ("en", DESK, ["A code is on its way", "not the code", "is verified", "has accepted", "Nobody knows whether"]),
    ],
)
def test_an_address_is_proved_by_a_code_and_tried(reader: Reader, language: str, width: int, said: list[str]) -> None:
    reader.look(width)
    reader.sign_in("li.na")
    reader.read_in(language)
    reader.follow(reader.find(".me a[href='/methods']"))
    member, heard = reader.site.addresses.member, []
    reader.send("code")
    heard.append(reader.said())
    (code,) = re.findall(r"\d{6}", member.sent[0].text)
    for entered in ("999999", code):
        field = reader.find("input[name=code]")
        assert "…rk" in str(field.accessible_name), "which address it is for is read aloud"
        field.send_keys(entered)
        reader.send("confirm")
        heard.append(reader.find(".said").text)
        assert reader.width() <= width
    button = "//li[contains(., 'Li…rk')]//form[@action='/methods/test']/button"
    reader.follow(reader.browser.find_element(By.XPATH, button))
    heard.append(reader.said())
    member.problem = FateUnknown("the answer was lost")
    reader.site.office.now += PAUSE
    reader.follow(reader.browser.find_element(By.XPATH, button))
    heard.append(reader.find("[role=alert]").text)

    assert [words in sentence for words, sentence in zip(said, heard, strict=True)] == [True] * 5
    assert "the answer was lost" in heard[-1]
    assert_a_quiet_browser(reader, refused=2)


def assert_a_quiet_browser(reader: Reader, refused: int = 0) -> None:
    """Nothing in the browser's console but that so many forms were refused, and no request to anywhere but the
    console's own address."""
    logged = reader.browser.get_log("browser")  # type: ignore[no-untyped-call]
    assert ["status of 422" in line["message"] for line in logged] == [True] * refused
    sent = [json.loads(line["message"])["message"] for line in reader.browser.get_log("performance")]  # type: ignore[no-untyped-call]
    asked = [one["params"]["request"]["url"] for one in sent if one["method"] == "Network.requestWillBeSent"]
    here = urlsplit(reader.site.address).netloc
    # The browser's own first page asks for chrome:// addresses, which leave nothing.
    assert {urlsplit(url).netloc for url in asked if urlsplit(url).scheme in ("http", "https", "ws", "wss")} == {here}
