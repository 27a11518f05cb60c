"""One module a command: its options, what it runs, how it prints. Torch is imported on running."""
