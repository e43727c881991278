"""The three services and what they share in adapters (services.common)."""
