"""What is set of the spool."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.common.settings import BadSetting
from services.ingest.spool_config import SpoolSettings, read_spool_settings


def test_without_a_folder_there_is_no_spool() -> None:
    assert read_spool_settings({}) is None
    assert read_spool_settings({"BELLWETHER_INGEST_SPOOL": ""}) is None


def test_a_folder_is_enough() -> None:
    assert read_spool_settings({"BELLWETHER_INGEST_SPOOL": "waiting"}) == SpoolSettings(Path("waiting"), 1024**3)


@pytest.mark.parametrize("text", ["1 GiB", "0", "-5", "1e9", "99999999999999999"])
def test_a_size_that_is_none_names_the_setting(text: str) -> None:
    with pytest.raises(BadSetting, match="BELLWETHER_INGEST_SPOOL_BYTES"):
        read_spool_settings({"BELLWETHER_INGEST_SPOOL": "waiting", "BELLWETHER_INGEST_SPOOL_BYTES": text})
