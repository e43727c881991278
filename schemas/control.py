"""Control records on the events topic: words for the rules service's partitions, from commands and from ingest.

A customer's word may be written to any partition: whoever reads it where the customer is not forwards it, so that it
comes after all that was said of the customer before.
"""

from __future__ import annotations

import orjson

CONTROL_KEY = b"\x00control"
"""The key of a control record: no customer id begins with a control character."""

ADVANCE_TYPE = "bellwether.clock.advance"
ERASE_TYPE = "bellwether.customer.erase"


def erase_value(customer_id: str, merged_into: str | None = None) -> bytes:
    """Nothing of the customer is to be kept. With `merged_into` its warnings are withdrawn before, for the customer
    turned out to be that one."""
    into = {} if merged_into is None else {"merged_into": merged_into}
    return orjson.dumps({"type": ERASE_TYPE, "customer_id": customer_id, **into})
