"""Commands that are killed, or refused a file operation, at each of their file operations: see `harness`."""
