"""The figure that answers a study: what it claims and what was measured, side by side.

`chart` draws it, `command` puts it beside the study's README.
"""
