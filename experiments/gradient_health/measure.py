"""The default sweep: where gradients vanish and explode, and what BatchNorm changes."""

from collections.abc import Iterable

from experiments.deep import Measured
from experiments.trained import trained
from ninja import theory
from ninja.checks import gain_value
from ninja.folders import Diagnosed

GAINS = {"0.5": 0.5, "1": 1.0, "5/3": 5 / 3, "10": 10.0}
DEPTH = 8
VERDICTS = {
    ("none", "0.5"): "vanishing",
    ("none", "1"): "healthy",
    ("none", "5/3"): "healthy",
    ("none", "10"): "saturated",
    ("batchnorm", "0.5"): "healthy",
    ("batchnorm", "1"): "healthy",
    ("batchnorm", "5/3"): "healthy",
}
"""What each cell of the grid is called."""


def measure(*, quick: bool) -> Measured:
    """The claims' numbers."""
    shorter = ("steps=300", "seed=1") if quick else ()
    runs = trained("experiment=gradient_health", "study=gradient_health", *shorter)
    found: Measured = {
        f"profile_{gain}": [
            _number(run, "delta profile", "start") for run in of("none", gain, runs)
        ]
        for gain in GAINS
    }
    for (norm, gain), verdict in VERDICTS.items():
        cell = of(norm, gain, runs)
        found[f"{norm}_{gain}"] = [float(run.verdict == verdict) for run in cell]
    large, usual = (_updates(of("batchnorm", gain, runs)) for gain in ("10", "1"))
    found["batchnorm_update"] = [ten - one for ten, one in zip(large, usual, strict=True)]
    found["gap"] = [max(_number(run, "gap", "run") for run in runs)]
    return found


def predict() -> dict[str, float]:
    """The profiles by `ninja.theory`: of infinitely wide layers."""
    return {
        f"profile_{name}": theory.predict(theory.Setting(DEPTH, gain**2, "tanh")).layers[0].delta
        for name, gain in GAINS.items()
    }


def of(norm: str, gain: str, runs: Iterable[Diagnosed]) -> list[Diagnosed]:
    """The runs of a cell: every engine and seed."""
    return [
        run
        for run in runs
        if (config := run.about.config)
        and config["norm"]["name"] == norm
        and gain_value(config["init"]["gain"]) == gain_value(gain)
    ]


def _updates(runs: Iterable[Diagnosed]) -> list[float]:
    """log10 of the first update of the hidden matrices, by seed and engine."""

    def of(run: Diagnosed) -> float:
        hidden = {f"{unit.weights}.W" for unit in run.history.units}
        rows = [at for at, name in enumerate(run.history.matrices) if name in hidden]
        return float(run.history.moves["update_ratio"][0, rows].mean())

    def key(run: Diagnosed) -> tuple[int, str]:
        config = run.about.config or {}
        return config["seed"], config["backward"]

    return [of(run) for run in sorted(runs, key=key)]


def _number(run: Diagnosed, name: str, when: str) -> float:
    (value,) = (one.value for one in run.evidence if one.name == name and one.when == when)
    return float("nan") if value is None else value
