"""Who finds what is wrong with a run: `ninja.diagnosis` and four published rule sets, side by side.

From the bottom up: `cases` says what is trained, `faults` what is wrong with it, `mlp` draws both;
`train` makes records and `cache` keeps them; `label` decides, by intervention, what is sick;
`rivals` are the others' rules; `score` counts, `table` shows.
"""
