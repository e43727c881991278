"""The rules service: a pure core that decides, and a runtime that feeds it from Kafka."""
