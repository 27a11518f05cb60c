"""What a run is made from: typed, immutable values. `ninja.checks` refuses the impossible ones.

Nothing heavy is imported here, so that a configuration can be shown before torch is loaded.
"""

from dataclasses import dataclass, field
from typing import Literal

Scheme = Literal["raw", "kaiming", "xavier", "orthogonal"]


@dataclass(frozen=True)
class DataConfig:
    """The words.

    Attributes:
        path: a UTF-8 word list, one word a line; none for the shipped one.
        block_size: letters of context.
    """

    path: str | None = None
    block_size: int = 3


@dataclass(frozen=True)
class ModelConfig:
    """The layers.

    Attributes:
        n_embd: width of the embedding.
        n_hidden: width of the hidden layers.
        n_layers: number of hidden layers.
        activation: name of the hidden layers' activation.
        residual: add each hidden layer, from the second on, to its input.
        bias: give the hidden linear layers a bias.
        consecutive: how many positions each layer fuses: 0 for all of them before the first layer
            (parts 3 and 4), 2 for pairs level by level (part 5).
    """

    n_embd: int = 10
    n_hidden: int = 200
    n_layers: int = 1
    activation: str = "tanh"
    residual: bool = False
    bias: bool = True
    consecutive: int = 0


@dataclass(frozen=True)
class InitConfig:
    """The first values of the parameters.

    Attributes:
        scheme: of the hidden weights.
        gain: of the hidden weights: a number, a fraction ("5/3") or an activation's name.
        bias_std: standard deviation of every bias of a linear layer; none for zeros that draw
            nothing, while 0.0 draws and multiplies by 0, as the lecture does in part 3.
        output_scheme: of the last linear layer's weight.
        output_scale: gain of the output: of the last γ if there is a norm after the last linear
            layer, of that layer's weight otherwise.
        norm_std: standard deviation of the noise on γ (around 1) and β (around 0).
    """

    scheme: Scheme = "kaiming"
    gain: float | str = "5/3"
    bias_std: float | None = None
    output_scheme: Scheme = "kaiming"
    output_scale: float = 1.0
    norm_std: float = 0.0


@dataclass(frozen=True)
class NormConfig:
    """The normalisation between a hidden linear layer and its activation.

    Attributes:
        name: which one.
        affine: train a γ, and a β where there is one.
        eps: added to the variance.
        momentum: weight of the newest batch in BatchNorm's running statistics.
        bessel: BatchNorm divides the batch's variance by n − 1 and not by n.
        running_bessel: the same for the running variance.
        running: what BatchNorm keeps for evaluation, the variance or the standard deviation.
        calibrate: evaluate BatchNorm by the statistics of the whole training set, as part 4 does,
            and not by the running ones.
        output: also normalise after the last linear layer, as the six-layer network of part 3.
    """

    name: Literal["none", "batchnorm", "layernorm", "rmsnorm"] = "batchnorm"
    affine: bool = True
    eps: float = 1e-5
    momentum: float = 0.001
    bessel: bool = True
    running_bessel: bool = True
    running: Literal["var", "std"] = "var"
    calibrate: bool = False
    output: bool = False


@dataclass(frozen=True)
class NetworkConfig:
    """A network and the contexts it reads."""

    block_size: int = field(default=3, metadata={"key": "data.block_size"})
    model: ModelConfig = field(default_factory=ModelConfig)
    init: InitConfig = field(default_factory=InitConfig)
    norm: NormConfig = field(default_factory=NormConfig)


@dataclass(frozen=True)
class OptimizerConfig:
    """The update.

    Attributes:
        name: which one.
        lr: learning rate of step 0.
        lr_schedule: pairs of a step and a factor: from that step on the rate is lr times the
            factor, until the next.
        momentum: of SGD.
        betas: of AdamW.
        eps: of AdamW.
        weight_decay: of AdamW, decoupled.
        clip: largest norm of a run's whole gradient; none for no clipping.
    """

    name: Literal["sgd", "adamw"] = "sgd"
    lr: float = 0.1
    lr_schedule: tuple[tuple[int, float], ...] = ()
    momentum: float = 0.0
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: float = 0.01
    clip: float | None = None


@dataclass(frozen=True)
class ProbeConfig:
    """What is looked at, and when.

    Attributes:
        early: steps that are looked at closely in any case, while most happens.
        every: and then every so many steps; 0 for the early ones only.
        close_every: look closely every so many of these steps; 0 for the early ones only.
        gap_every: compare with the other engine every so many steps; 0 for never.
        val_every: loss of the whole validation split after every so many steps; 0 for at the end.
        on_gap: what a wrong gradient does: a warning, or the end of the run.
        histograms: of activations and gradients, where it is looked closely.
        noise_scale: also measure the gradient's noise on every step that is looked at, by sixteen
            more batches.
    """

    early: tuple[int, ...] = (0, 1, 2, 5, 10, 20, 50)
    every: int = 100
    close_every: int = 1000
    gap_every: int = 100
    val_every: int = 10_000
    on_gap: Literal["warn", "stop"] = "warn"
    histograms: bool = True
    noise_scale: bool = False


@dataclass(frozen=True)
class CheckpointConfig:
    """How much work a kill may cost.

    Attributes:
        every: steps between two checkpoints; 0 for none but at the end.
    """

    every: int = 1000


@dataclass(frozen=True)
class WandbConfig:
    """Where a run is shown in Weights & Biases.

    Attributes:
        project: of W&B.
        entity: user or team; none for the user's default.
        group: runs that belong together; none for the study.
        tags: of the run.
        timeout: seconds that a server which does not answer may cost a whole command.
    """

    project: str = "gradient-ninja"
    entity: str | None = None
    group: str | None = None
    tags: tuple[str, ...] = ()
    timeout: float = 10.0


@dataclass(frozen=True)
class RunConfig:
    """One run.

    Attributes:
        study: name of the folder its results lie in.
        output: folder of all studies.
        seed: of every generator.
        steps: to train.
        batch_size: examples a step.
        data: the words.
        model: the layers.
        init: first values.
        norm: normalisation.
        backward: the engine.
        optimizer: the update.
        probe: what is looked at.
        checkpoint: how often the state is kept.
        tracker: whether W&B mirrors the record, to its server or into local files.
        wandb: where it is shown there.
        device: where it trains.
        dtype: of parameters and activations.
        threads: of the process; bit-identity is promised for one.
        compile: make the steps that nobody looks at by compiled code.
        recompute: on steps that nobody looks at, keep only what enters each of so many segments of
            layers, and compute the rest again in the backward; "sqrt" for as many as keep the
            fewest activations.
    """

    study: str = "default"
    output: str = "outputs"
    seed: int = 2147483647
    steps: int = 10_000
    batch_size: int = 32
    data: DataConfig = field(default_factory=DataConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    init: InitConfig = field(default_factory=InitConfig)
    norm: NormConfig = field(default_factory=NormConfig)
    backward: Literal["autograd", "manual_atomic", "manual_fused"] = "manual_fused"
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    probe: ProbeConfig = field(default_factory=ProbeConfig)
    checkpoint: CheckpointConfig = field(default_factory=CheckpointConfig)
    tracker: Literal["offline", "online", "disabled"] = "offline"
    wandb: WandbConfig = field(default_factory=WandbConfig)
    device: Literal["cpu", "cuda"] = "cpu"
    dtype: Literal["float32", "float64"] = "float32"
    threads: int = 1
    compile: bool = False
    recompute: Literal["none", "sqrt"] | int = "none"

    @property
    def network(self) -> NetworkConfig:
        """The part that makes the network."""
        return NetworkConfig(self.data.block_size, self.model, self.init, self.norm)
