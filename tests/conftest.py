"""Fixtures and policy for every test; the parts are in tests/support."""

pytest_plugins = ["tests.support.policy", "tests.support.fixtures"]
