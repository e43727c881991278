"""Half an hour under load with a million customers: memory does not grow by more than the customers do."""

from __future__ import annotations

import pytest

from tests.bench.meter import Meter
from tests.bench.sizes import WHOLE
from tests.bench.soak import measure
from tests.bench.stage import staged


@pytest.mark.nightly
@pytest.mark.timeout(3_600)
def test_a_worker_under_load_does_not_grow() -> None:
    with Meter(1) as meter, staged(WHOLE, 1, meter, quick=False) as stage:
        section = measure(stage)
    assert section.rows[0].reached, section.text
