"""A customer is forgotten: the one command that reaches into all three services, and the proof of what it did."""
