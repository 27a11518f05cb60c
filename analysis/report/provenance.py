"""What computed the runs: versions, commits, word lists."""

import pandas as pd

from analysis.report.answer import few, plural

PREFIX = "version."


def theirs(runs: pd.DataFrame) -> dict[str, str]:
    """Of what computed the runs; where there are several, each with its number of runs."""
    names = {name: name.removeprefix(PREFIX) for name in map(str, runs) if name.startswith(PREFIX)}
    names |= {"git_revision": "commit", "data_sha256": "word list, SHA-256"}
    found = {title: _told(runs[name]) for name, title in names.items()}
    return {title: told for title, told in found.items() if told}


def _told(values: pd.Series) -> str:
    counts = values.dropna()[lambda of: of != ""].value_counts()
    texts = sorted(map(str, counts.index), key=lambda text: (-int(counts[text]), text))
    if len(texts) < 2:
        return "".join(texts)
    return few([f"{text} ({plural(int(counts[text]), 'run')})" for text in texts], ", ")
