"""From a CSV export to events: mappings, rows, and sending them through ingest's own door."""
