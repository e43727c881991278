"""A real Chromium, and the console on a real port of this machine, on the real desk."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import uvicorn
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service

from deploy.ports import free_port
from services.notifier.console.app import build_console
from tests.support.programs import require_program
from tests.support.waiting import wait_until
from tests.unit.notifier_console.addresses import Addresses
from tests.unit.notifier_console.office import SHANGHAI, Office, open_office

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)
PAGE_LOAD_S = 30


@dataclass(frozen=True)
class Site:
    """The console, the desk behind it, and what is sent to people's addresses."""

    address: str
    office: Office
    addresses: Addresses


@pytest.fixture(scope="session")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an office in which the scene has happened, with three accounts; tests work on copies of it."""
    folder = tmp_path_factory.mktemp("office")
    with open_office(folder) as office:
        office.warn_everything()
        office.hire("zhang.wei", "emma.brown", "li.na")
    return folder


@pytest.fixture
def site(furnished: Path, tmp_path: Path) -> Iterator[Site]:
    """The office of the console's unit tests, served on 127.0.0.1."""
    folder = tmp_path / "office"
    shutil.copytree(furnished, folder)
    with open_office(folder) as office:
        port, addresses = free_port(), Addresses(office)
        console = build_console(office.desk, SHANGHAI, methods=addresses.methods)
        config = uvicorn.Config(console, host="127.0.0.1", port=port, log_level="warning")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, name="console")
        thread.start()
        wait_until(lambda: server.started, "the console to listen")
        yield Site(f"http://127.0.0.1:{port}", office, addresses)
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    """Chromium with a profile of its own, which logs its console and every request that it makes."""
    options = ChromeOptions()
    options.binary_location = str(require_program("chromium"))
    for flag in FLAGS:
        options.add_argument(flag)
    profile = tmp_path_factory.mktemp("chromium") / "profile"
    options.add_argument(f"--user-data-dir={profile}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = Chrome(options=options, service=Service(str(require_program("chromedriver"))))
    driver.set_page_load_timeout(PAGE_LOAD_S)
    yield driver
    driver.quit()
    shutil.rmtree(profile, ignore_errors=True)


@pytest.fixture
def browser(chromium: Chrome) -> Chrome:
    """Chromium without anything that an earlier test has left: a site, a screen, cookies, what it kept or logged."""
    chromium.get("about:blank")
    chromium.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    chromium.execute_cdp_cmd("Network.clearBrowserCookies", {})
    chromium.execute_cdp_cmd("Network.clearBrowserCache", {})
    for kind in ("browser", "performance"):
        chromium.get_log(kind)  # type: ignore[no-untyped-call]
    return chromium
