"""Settings of one trial: every field here can be a parameter of the search space, by its dotted path."""

from typing import Literal

from pydantic import Field, PositiveInt, model_validator

from cluster.settings import Settings


class ModelConfig(Settings):
    """The network."""

    kind: Literal["cnn_gru", "cnn_transformer", "cnn_conformer", "lcnn_bilstm", "graph", "edge_gru"] = "cnn_gru"
    """Architecture, by its name in ``trainable.models``, where each says which of these settings it heeds."""
    causal: bool = False
    """Look at the past alone, for streams: left-padded convolutions, time pooled within steps, a one-way GRU, the mean
    of the steps' logits. With cnn_gru, which then does not heed ``bidirectional``, ``pooling`` and ``normalise``;
    edge_gru is causal anyway, the other kinds cannot be."""
    block: Literal["plain", "mfm", "residual"] = "plain"
    """Convolution blocks: convolution and ReLU, convolution and max feature map (as in LCNN), or residual."""
    squeeze_excitation: bool = False
    """Weigh the channels of each block by what the whole map holds."""
    frequency_norm: bool = False
    """Normalise each frequency of each block's map over the utterance, in half (relaxed, Kim et al. 2022)."""
    channels: tuple[int, ...] = Field(default=(16, 32, 48), min_length=1, max_length=6)
    """Output channels of each convolution block; each block halves time and frequency."""
    kernel_size: Literal[3, 5, 7] = 3
    """Side of the square convolution kernels."""
    time_strides: tuple[Literal[1, 2], ...] | None = None
    """Time pooling of each block (1 keeps the frame rate); none means 2 in every block, and in the first alone with
    edge_gru."""
    normalise: bool = True
    """Subtract each feature bin's mean over the window before the first convolution (cepstral mean normalisation)."""
    gru_size: int = Field(default=64, ge=8, le=1024)
    """Hidden units of the GRU, each direction."""
    gru_layers: int = Field(default=1, ge=1, le=4)
    bidirectional: bool = True
    attention_size: int = Field(default=64, ge=8, le=1024)
    """Hidden units of Transformer and Conformer layers."""
    attention_heads: Literal[1, 2, 4, 8] = 4
    attention_layers: int = Field(default=2, ge=1, le=8)
    edge_channels: tuple[PositiveInt, PositiveInt, PositiveInt] = (8, 16, 24)
    """Output channels of the three convolution blocks of edge_gru, which does not heed ``channels``."""
    pooling: Literal["mean", "max", "attentive"] = "attentive"
    """How hidden vectors over time become one vector; ``attentive``: attentive statistics (Okabe et al. 2018)."""
    cnn_dropout: float = Field(default=0.1, ge=0.0, le=0.9)
    """Dropout after each convolution block."""
    cnn_dropout_kind: Literal["channel", "element", "band"] = "channel"
    """What it zeroes of a block's map: whole channels, single values, or a band of frequencies of all channels."""
    stochastic_depth: float = Field(default=0.0, ge=0.0, le=0.9)
    """Chance that an utterance goes past a residual block alone (Huang et al. 2016), alike for all blocks."""
    gru_input_dropout: float = Field(default=0.0, ge=0.0, le=0.9)
    """Dropout of the GRU's input, by one mask for all frames ("locked", Gal and Ghahramani 2016)."""
    dropout: float = Field(default=0.3, ge=0.0, le=0.9)
    """Dropout before the classifier, and between GRU layers."""

    @model_validator(mode="after")
    def _strides_match(self) -> "ModelConfig":
        if self.time_strides is not None and len(self.time_strides) != len(self.channels):
            raise ValueError(f"time_strides has {len(self.time_strides)} entries for {len(self.channels)} channels")
        self._require_causality()
        if self.kind == "edge_gru" and (self.time_strides or ()).count(2) > len(self.edge_channels):
            raise ValueError("edge_gru has 3 blocks: time_strides may halve time that often at most")
        if any(c < 1 for c in self.channels):
            raise ValueError("every entry of channels must be at least 1")
        if self.attention_size % (2 * self.attention_heads):
            raise ValueError(
                f"attention_size {self.attention_size} must be a multiple of twice the {self.attention_heads} heads"
            )
        return self

    def _require_causality(self) -> None:
        if self.causal and self.kind not in ("cnn_gru", "edge_gru"):
            raise ValueError(f"causal needs the kind cnn_gru or edge_gru, {self.kind} looks at the whole utterance")
        for name in ("squeeze_excitation", "frequency_norm"):
            if self.causal and self.kind == "cnn_gru" and getattr(self, name):
                raise ValueError(
                    f"{name} looks at the whole utterance, which causal does not allow: leave it out, or in a [space] "
                    f"give it `when = {{ model.causal = false }}`"
                )


class OptimizerConfig(Settings):
    """AdamW and its learning-rate schedule."""

    learning_rate: float = Field(default=1e-3, gt=0.0, le=1.0)
    """Peak rate."""
    weight_decay: float = Field(default=1e-2, ge=0.0, le=10.0)
    """Decoupled L2 regularisation (Loshchilov and Hutter 2019) of weights; biases and normalisation are spared."""
    schedule: Literal["cosine", "constant"] = "cosine"
    warmup_share: float = Field(default=0.05, ge=0.0, lt=1.0)
    """Share of the budget with linearly rising rate."""
    l1: float = Field(default=0.0, ge=0.0, le=1.0)
    """Weight of the sum of magnitudes of the weights that decay, added to the loss."""
    clip_norm: float = Field(default=5.0, gt=0.0)
    """Upper bound of the global gradient norm."""


class LossConfig(Settings):
    """The loss, and what the classes weigh in it."""

    kind: Literal["cross_entropy", "focal", "am_softmax", "oc_softmax", "p2sgrad"] = "cross_entropy"
    """By its name in ``trainable.models.losses``, which also says what the model's last layer gives."""
    focal_gamma: float = Field(default=2.0, ge=0.0, le=10.0)
    """How much less what is recognised well counts, with focal."""
    margin: float = Field(default=0.9, ge=-1.0, le=1.0)
    """What am_softmax takes from the cosine of the true class; the cosine that oc_softmax asks of bona fide speech."""
    spoof_margin: float = Field(default=0.2, ge=-1.0, le=1.0)
    """The cosine that oc_softmax asks spoofs to stay below."""
    scale: float = Field(default=20.0, gt=0.0, le=100.0)
    """Of the cosines, with am_softmax and oc_softmax."""
    bonafide_weight: float = Field(default=0.6, gt=0.0, lt=1.0)
    """Class weight of bona fide; spoof gets one minus this (0.9 is usual for ASVspoof, 1:9 data)."""
    label_smoothing: float = Field(default=0.0, ge=0.0, lt=0.5)
    """With cross_entropy, focal and am_softmax."""


class BatchConfig(Settings):
    """How training batches are drawn."""

    size: int = Field(default=16, ge=2, le=4096)
    """Utterances in a batch."""
    micro_size: int | None = Field(default=None, ge=2)
    """Utterances that pass through the network at a time, gradients added up over the batch; none means all. Batch
    normalisation then sees these alone."""
    split_when_full: bool = False
    """Halve ``micro_size`` until the trial fits its GPU; without it, a trial that does not fit fails at once."""
    crop_s: float = Field(default=2.0, gt=0.0, le=60.0)
    """Length of the random training crop; shorter utterances repeat."""
    mixup_alpha: float = Field(default=0.0, ge=0.0, le=10.0)
    """Mix each batch with a shuffled copy of itself (mixup, Zhang et al. 2018), by a share from Beta(alpha, alpha)."""
    balanced: bool = False
    """Draw as many bona fide as spoofed utterances, repeating the rarer class."""
    augmented_share: float = Field(default=0.5, ge=0.0, le=1.0)
    """Chance that an utterance is drawn as one of its augmented views; 0 trains on clean speech only."""
    policies: tuple[str, ...] | None = None
    """Augmentation policies whose views are drawn, by the names in the study; none means all, an empty list no view
    but the clean one."""


class AveragingConfig(Settings):
    """An average of the weights along the way, which is scored and kept instead of the last ones."""

    kind: Literal["none", "ema", "swa"] = "none"
    """Exponential moving average, or the equal mean over the end of training (stochastic weight averaging)."""
    ema_half_life_passes: float = Field(default=0.5, gt=0.0, le=100.0)
    """Passes over the training split after which a step counts half in ``ema``."""
    swa_start: float = Field(default=0.75, ge=0.0, lt=1.0)
    """Share of the budget after which ``swa`` begins."""


class SpecAugmentConfig(Settings):
    """Random masks over the features in training (Park et al. 2019, without time warping)."""

    time_masks: int = Field(default=0, ge=0, le=10)
    time_mask_s: float = Field(default=0.2, ge=0.0, le=10.0)
    """Longest time mask."""
    frequency_masks: int = Field(default=0, ge=0, le=10)
    frequency_mask_share: float = Field(default=0.15, ge=0.0, le=1.0)
    """Widest frequency mask, as a share of the feature bins."""


class ValidationConfig(Settings):
    """How utterances are scored; the same rule serves detection."""

    window_s: float = Field(default=3.0, gt=0.0, le=60.0)
    """Length of a scoring window; shorter utterances repeat."""
    coverage: Literal["first", "full"] = "full"
    """``first``: the first window only; ``full``: consecutive windows over the whole utterance, scores averaged."""
    batch_size: int = Field(default=64, ge=1)
    """Windows scored at a time."""
    num_resamples: int = Field(default=500, ge=10)
    """Bootstrap resamples of an EER interval."""
    confidence: float = Field(default=0.95, gt=0.0, lt=1.0)
    """Coverage of an EER interval."""


class TrialConfig(Settings):
    """Everything about one trial but its data and its seed."""

    model: ModelConfig = ModelConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    loss: LossConfig = LossConfig()
    averaging: AveragingConfig = AveragingConfig()
    batch: BatchConfig = BatchConfig()
    spec_augment: SpecAugmentConfig = SpecAugmentConfig()
    validation: ValidationConfig = ValidationConfig()
    precision: Literal["auto", "float32", "bf16", "fp16"] = "auto"
    """Arithmetic of the forward pass; ``auto``: bf16 where it is native, else fp16 on a GPU, else float32. A CPU
    emulates what it lacks, fp16 four to twenty times slower than float32: for tests, and to reproduce a trial."""
    execution: Literal["auto", "eager", "compiled"] = "auto"
    """How steps run. ``auto``: on a GPU as one CUDA graph where that is measured to be faster, same numbers;
    ``compiled``: through ``torch.compile``, which takes a minute to begin with, and rounds in another order."""
    deterministic: bool = True
    """Use deterministic algorithms on a GPU: the same trial gives the same bits on one type of GPU."""
    budget_passes: float = Field(default=27.0, gt=0.0)
    """Full training length, in passes over the training split."""
    report_passes: float = Field(default=1.0, gt=0.0)
    """Passes over the training split between two validations."""
