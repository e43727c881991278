"""The one channel that writes to customers: R29's greetings. Off unless a file switches it on (docs/channels.md)."""
