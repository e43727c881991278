"""The wire: what the services say to each other, and the only thing they share about it."""
