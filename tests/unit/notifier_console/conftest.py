"""The console on the real desk."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.types import ASGIApp

from services.notifier.console.app import build_console
from tests.unit.notifier_console.office import SHANGHAI, Office, open_office
from tests.unit.notifier_console.visitor import Visitor


@pytest.fixture(scope="session")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an office in which the scene has happened, with three accounts; tests work on copies of it."""
    folder = tmp_path_factory.mktemp("office")
    with open_office(folder) as office:
        office.warn_everything()
        office.hire("zhang.wei", "emma.brown", "li.na")
    return folder


@pytest.fixture
def office(furnished: Path, tmp_path: Path) -> Iterator[Office]:
    """The office of this test alone."""
    folder = tmp_path / "office"
    shutil.copytree(furnished, folder)
    with open_office(folder) as opened:
        yield opened


@pytest.fixture
def console(office: Office) -> ASGIApp:
    """The pages of that office."""
    return build_console(office.desk, SHANGHAI)


@pytest.fixture
def visitor(console: ASGIApp) -> Visitor:
    """Somebody who has not signed in."""
    return Visitor(console)


@pytest.fixture
def superior(console: ASGIApp) -> Visitor:
    """Li Na, who reviews, reading Chinese."""
    signed_in = Visitor(console)
    assert signed_in.sign_in("li.na").status_code == 303
    return signed_in


@pytest.fixture
def colleague(console: ASGIApp) -> Visitor:
    """Emma Brown, who owns customers, reading English."""
    signed_in = Visitor(console)
    assert signed_in.sign_in("emma.brown").status_code == 303
    return signed_in
