"""What the tests share: a real broker, real subprocesses, waiting with a deadline, and the policy on skipping."""
