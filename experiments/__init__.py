"""Studies: what is known of gradients, measured by our own rules and probes and held to numbers.

A study is a folder: ``claims.yaml`` says what is predicted, by whom and how closely; ``measure.py``
measures it; ``README.md`` tells. ``python -m experiments`` runs them.
"""
