"""Providers as test servers: real HTTP on the loopback interface, answering as the real ones do.

Each counts what reaches it by a clock of the test's, blocks as long as the real one, verifies signatures as it does,
and keeps what it accepted. None of them shares code with services/: what they check is written from the providers' own
words.
"""
