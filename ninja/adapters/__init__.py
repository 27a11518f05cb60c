"""`ninja.watch` in other people's training loops: thin callbacks, each an extra."""
