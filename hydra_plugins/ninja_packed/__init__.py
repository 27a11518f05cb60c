"""Hydra plugins: the packed launcher and its sweeper. What they do is in `ninja.sweep`."""
