"""Draw the pictures in docs/img: a real run while it trains, and how it ended.

Run it in the checkout: ``.venv/bin/python docs/screens.py``. It takes a few seconds.
"""

import contextlib
import io
import re
import tempfile
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from rich.console import Console
from rich.text import Text

from ninja import runs
from ninja.config import RunConfig
from ninja.faults import CONF
from ninja.fit import Interrupted, fit
from ninja.schema import config_of
from ninja.screen.live import View
from ninja.screen.summary import summary

IMAGES = Path(__file__).parent / "img"
KEYS = ("model.activation=sigmoid", "model.n_layers=6", "norm=none", "init=kaiming")
STEP = 4000  # at which the first picture is taken
FONT = re.compile(r"\s*@font-face \{.*?\}", re.DOTALL)


def main() -> None:
    """Train in a folder that goes away, and draw both pictures."""
    config = composed(*KEYS)
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        draw(config, runs.folder(config))


def composed(*keys: str) -> RunConfig:
    """The run that these keys mean on the command line."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        plain: Any = OmegaConf.to_container(compose("config", list(keys)), resolve=True)
    return config_of(RunConfig, plain)


def draw(config: RunConfig, folder: Path) -> None:
    """Train in the folder."""
    console = recorder()
    view = View(config, console)

    def tell(row: dict[str, Any]) -> None:
        if row["step"] == STEP:
            view.read = float("-inf")  # so that the table is of this step
        view.tell(row)
        if row["step"] == STEP:
            said = f"{folder}: {config.backward}, {config.steps:,} steps, seed {config.seed}"
            console.print(Text(said), view, sep="\n")
            save(console, "live")

    ended = fit(config, folder, tell)
    assert not isinstance(ended, Interrupted)
    console = recorder()
    summary(console, ended, folder)
    save(console, "summary")


def recorder() -> Console:
    """A terminal of which pictures can be taken."""
    return Console(
        file=io.StringIO(),
        record=True,
        width=100,
        height=24,
        force_terminal=True,
        color_system="truecolor",
        highlight=False,
    )


def save(console: Console, name: str) -> None:
    """Write what was printed as a picture that loads nothing from elsewhere."""
    title = f"python run.py {' '.join(KEYS)}"
    drawn = FONT.sub("", console.export_svg(title=title, unique_id=name))
    path = IMAGES / f"{name}.svg"
    path.write_text(drawn, encoding="utf-8")
    print(path)


if __name__ == "__main__":
    main()
