"""One file a channel. A channel sends one message and says what became of it; it never retries and never remembers."""
