"""What all tables of the notifier are gathered in, so that each part may describe its own in a file of its own."""

from __future__ import annotations

from sqlalchemy import MetaData, String

metadata = MetaData()

ID = String(100)
LABEL = String(200)
