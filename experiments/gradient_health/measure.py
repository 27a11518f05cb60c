"""The default sweep: where gradients vanish and explode, and what BatchNorm changes."""

from collections.abc import Iterable, Sequence

from experiments.deep import Measured
from experiments.trained import trained
from ninja import theory
from ninja.checks import gain_value
from ninja.folders import Diagnosed

GAINS = {"0.5": 0.5, "1": 1.0, "5/3": 5 / 3, "3": 3.0, "10": 10.0}
LECTURE, DEEP = 1, 8
VERDICTS = {
    (DEEP, "none", "0.5"): "vanishing",
    (DEEP, "none", "10"): "saturated",
    **{(DEEP, "none", gain): "healthy" for gain in ("1", "5/3", "3")},
    **{(DEEP, "batchnorm", gain): "healthy" for gain in ("0.5", "1", "5/3", "3")},
    (LECTURE, "none", "10"): "saturated",
    **{(LECTURE, "none", gain): "healthy" for gain in ("0.5", "1", "5/3", "3")},
    **{(LECTURE, "batchnorm", gain): "healthy" for gain in ("0.5", "1", "5/3", "3")},
}
"""What each cell of the grid is called: hidden layers, norm, gain."""


def measure(*, quick: bool) -> Measured:
    """The claims' numbers."""
    shorter = ("steps=300", "seed=1") if quick else ()
    return numbers(trained("experiment=gradient_health", "study=gradient_health", *shorter))


def numbers(runs: Sequence[Diagnosed]) -> Measured:
    """The same of runs that were trained."""
    found: Measured = {
        f"profile_{gain}": [
            _number(run, "delta profile", "start") for run in of(DEEP, "none", gain, runs)
        ]
        for gain in GAINS
    }
    for (layers, norm, gain), verdict in VERDICTS.items():
        cell = of(layers, norm, gain, runs)
        name = f"{norm}_{gain}" if layers == DEEP else f"lecture_{norm}_{gain}"
        found[name] = [float(run.verdict == verdict) for run in cell]
    large, usual = (_updates(of(DEEP, "batchnorm", gain, runs)) for gain in ("10", "1"))
    found["batchnorm_update"] = [ten - one for ten, one in zip(large, usual, strict=True)]
    found["gap"] = [max(_number(run, "gap", "run") for run in runs)]
    return found


def predict() -> dict[str, float]:
    """The profiles by `ninja.theory`: of infinitely wide layers."""
    return {
        f"profile_{name}": theory.predict(theory.Setting(DEEP, gain**2, "tanh")).layers[0].delta
        for name, gain in GAINS.items()
    }


def of(layers: int, norm: str, gain: str, runs: Iterable[Diagnosed]) -> list[Diagnosed]:
    """The runs of a cell: every engine and seed."""
    return [
        run
        for run in runs
        if (config := run.about.config)
        and config["model"]["n_layers"] == layers
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
