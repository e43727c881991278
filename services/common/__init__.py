"""Thin adapters that all three services use: settings, the clock, health and metrics over HTTP."""
