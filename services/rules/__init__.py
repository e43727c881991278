"""The rules service: a pure core that decides, and a runtime that feeds it from Kafka."""

import os

from services.compiled import compiled_rules

if (_compiled := compiled_rules(os.environ)) is not None:
    __path__.insert(0, str(_compiled))
