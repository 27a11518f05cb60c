"""From a config to a network, and the lecture's own networks."""

from dataclasses import replace

from ninja.checks import check, gain_value
from ninja.config import InitConfig, ModelConfig, NetworkConfig, NormConfig
from ninja.init import Constant, Fill, Normal, weight_fill
from ninja.net import Net, Node
from ninja.rules import (
    BatchNorm,
    CrossEntropy,
    Embedding,
    FlattenConsecutive,
    LayerNorm,
    Linear,
    Residual,
    RMSNorm,
    Rule,
    activations,
)

PRESETS: dict[str, NetworkConfig] = {
    # Part 3, one hidden layer with BatchNorm: no bias under it, running deviation, no eps; the
    # output's bias is drawn, and multiplied by 0.
    "lecture_batchnorm": NetworkConfig(
        model=ModelConfig(bias=False),
        init=InitConfig(bias_std=0.0, output_scheme="raw", output_scale=0.01),
        norm=NormConfig(eps=0.0, running="std"),
    ),
    # Part 3, six layers: BatchNorm after every linear layer, the last γ 0.1.
    "lecture_deep": NetworkConfig(
        model=ModelConfig(n_hidden=100, n_layers=5, bias=False),
        init=InitConfig(gain=1.0, output_scale=0.1),
        norm=NormConfig(momentum=0.1, output=True),
    ),
    # Part 4, exercise 4: every parameter away from 0 and 1, so that no mistake can hide.
    "lecture_manual": NetworkConfig(
        init=InitConfig(bias_std=0.1, output_scheme="raw", output_scale=0.1, norm_std=0.1),
    ),
    # Part 5: eight letters of context, fused two by two.
    "lecture_wavenet": NetworkConfig(
        block_size=8,
        model=ModelConfig(n_embd=24, n_hidden=128, n_layers=3, bias=False, consecutive=2),
        init=InitConfig(gain=1.0, output_scale=0.1),
        norm=NormConfig(momentum=0.1),
    ),
}


def with_hidden(config: NetworkConfig, n_hidden: int) -> NetworkConfig:
    """The same network at another width."""
    return replace(config, model=replace(config.model, n_hidden=n_hidden))


def build(config: NetworkConfig, vocab_size: int) -> Net:
    """The network of a config: embedding, hidden layers, output layer, cross-entropy.

    Raises:
        ConfigError: the config contradicts itself (`check`).
    """
    check(config)
    return Net(_Builder(config, vocab_size).nodes())


class _Builder:
    """Appends nodes one after the other; each reads the one before it unless told otherwise.

    Nodes are numbers until all are there: how many decides how far their names are padded.
    """

    def __init__(self, config: NetworkConfig, vocab_size: int) -> None:
        self.config = config
        self.vocab_size = vocab_size
        self.built: list[tuple[str, Rule, tuple[int | str, ...], dict[str, Fill]]] = []
        self.last: int | str = "tokens"

    def add(
        self,
        kind: str,
        rule: Rule,
        fills: dict[str, Fill] | None = None,
        second: int | str | None = None,
    ) -> None:
        """Append a rule; ``second`` is another input, after the last node."""
        inputs = (self.last,) if second is None else (self.last, second)
        self.last = len(self.built)
        self.built.append((kind, rule, inputs, fills or {}))

    def named(self) -> tuple[Node, ...]:
        """The nodes under their names, zero-padded, so that sorting them is depth."""
        width = max(2, len(str(len(self.built) - 1)))
        names = [f"{i:0{width}d}.{kind}" for i, (kind, *_) in enumerate(self.built)]
        return tuple(
            Node(
                name,
                rule,
                tuple(names[of] if isinstance(of, int) else of for of in inputs),
                fills,
            )
            for name, (_, rule, inputs, fills) in zip(names, self.built, strict=True)
        )

    def nodes(self) -> tuple[Node, ...]:
        """All of them, in forward order."""
        model = self.config.model
        self.add("embedding", Embedding(self.vocab_size, model.n_embd), {"C": Normal()})
        width = model.n_embd
        if not model.consecutive:
            self.add("flatten", FlattenConsecutive(self.config.block_size))
            width *= self.config.block_size
        for layer in range(model.n_layers):
            if model.consecutive:
                self.add("flatten", FlattenConsecutive(model.consecutive))
                width *= model.consecutive
            skip = self.last if model.residual and layer > 0 else None
            self.hidden(width)
            if skip is not None:
                self.add("residual", Residual(), second=skip)
            width = model.n_hidden
        self.output(width)
        self.add("loss", CrossEntropy(), second="targets")
        return self.named()

    def hidden(self, width: int) -> None:
        """Linear → norm → activation."""
        model, init = self.config.model, self.config.init
        fills: dict[str, Fill] = {
            "W": weight_fill(init.scheme, gain_value(init.gain), width, model.n_hidden),
            "b": self.bias(),
        }
        self.add("linear", Linear(width, model.n_hidden, model.bias), fills)
        self.norm(model.n_hidden, gain=1.0)
        self.add(model.activation, activations()[model.activation]())

    def output(self, width: int) -> None:
        """Linear → norm if asked; the output scale is the last of them's."""
        norm, init = self.config.norm, self.config.init
        scale = 1.0 if norm.output else init.output_scale
        fills: dict[str, Fill] = {
            "W": weight_fill(init.output_scheme, scale, width, self.vocab_size),
            "b": self.bias(),
        }
        self.add("linear", Linear(width, self.vocab_size, bias=not norm.output), fills)
        if norm.output:
            self.norm(self.vocab_size, gain=init.output_scale)

    def bias(self) -> Fill:
        """The fill of a linear layer's bias."""
        std = self.config.init.bias_std
        return Constant(0.0) if std is None else Normal(std)

    def norm(self, features: int, gain: float) -> None:
        """The configured norm, if any."""
        norm, std = self.config.norm, self.config.init.norm_std
        rule: Rule
        match norm.name:
            case "none":
                return
            case "batchnorm":
                rule = BatchNorm(
                    features,
                    norm.eps,
                    norm.momentum,
                    norm.bessel,
                    norm.running_bessel,
                    norm.running,
                    norm.affine,
                )
            case "layernorm":
                rule = LayerNorm(features, norm.eps, norm.affine)
            case "rmsnorm":
                rule = RMSNorm(features, norm.eps, norm.affine)
        noise = Normal(std, stream="norm", mean=gain) if std else Constant(gain)
        bias = Normal(std, stream="norm") if std else Constant(0.0)
        self.add(norm.name, rule, {"gain": noise, "bias": bias})
