"""The report: one page, a table and a text for pull requests, all from the records alone.

`answer` says which settings are healthy, which are not and what fixes them; `page` collects what
the page shows as plain values, `render` and `markdown` write it, and `write` keeps it on disk.
"""
