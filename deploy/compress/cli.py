"""The commands that make a trained model smaller and faster."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from cluster.errors import SpoofsweepError
from deploy.options import TrackingUri
from deploy.tracking_store import DEFAULT_URI

if TYPE_CHECKING:
    from deploy.compress.footprint import Limits
    from deploy.compress.pruning import Pruner

app = typer.Typer()

ModelArgument = Annotated[str, typer.Argument(help="champion, champion@STUDY, a run id, or a model folder.")]
ShardsOption = Annotated[Path, typer.Option(help="Folder of the shard set that it was trained on.")]
DeviceOption = Annotated[str, typer.Option(help="cpu or cuda.")]


@app.command()
def prune(
    model: ModelArgument,
    shards: ShardsOption,
    output: Annotated[Path, typer.Option(help="Folder for a model folder a level.")],
    passes: Annotated[
        float, typer.Option(min=0.01, help="Passes over the training split after each cut, say half of the training's.")
    ],
    keep: Annotated[
        str, typer.Option(help="Shares of every layer's units, one a level: 0.75,0.5,0.25. Empty: the limits alone.")
    ] = "0.75,0.5,0.25",
    size_kb: Annotated[float | None, typer.Option(help="Prune on until the weights take no more (float32).")] = None,
    latency_ms: Annotated[float | None, typer.Option(help="Prune on until a scoring window takes no more.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Peak rate; by default the model's own.")] = None,
    device: DeviceOption = "cpu",
    tracking_uri: TrackingUri = DEFAULT_URI,
) -> None:
    """Take the least important units out of a model, and train the rest on; level by level.

    Every level is a model folder below OUTPUT, which `detect` and `export` take.
    """
    from data_prep.shards import ShardSet
    from deploy.compress.footprint import Limits
    from deploy.compress.prune_table import level_table
    from deploy.compress.pruning import FineTuning, Pruner, shrunk
    from deploy.models import resolve

    console = Console()
    source = resolve(model, tracking_uri)
    pruner = Pruner(source, ShardSet.open(shards), device)
    original, tuning = pruner.record.trial.model, FineTuning(passes, learning_rate)
    shares = {f"keep-{share:g}": share for share in _levels(_shares(keep), Limits(size_kb, latency_ms), pruner)}
    if source.resolve() in {(output / name).resolve() for name in shares}:
        raise SpoofsweepError("the model that is pruned must stay", source, "give another --output")
    levels = [pruner.start()]
    for name, share in shares.items():
        with console.status(f"{name}: trains for {passes:g} passes"):
            levels.append(pruner.prune(name, shrunk(original, share), tuning, output / name))
    console.print(level_table(levels))


@app.command()
def quantise(
    exported: Annotated[Path, typer.Argument(help="Folder with utterance.onnx, stream.onnx or both, in float32.")],
    audio: Annotated[Path, typer.Option(help="Folder with training audio: ranges are taken of it, scores compared.")],
    output: Annotated[Path, typer.Option(help="Folder of the detector in eight bits.")],
    files: Annotated[int, typer.Option(min=2, help="Audio files to draw; half are for ranges, half for scores.")] = 128,
    weights_only: Annotated[
        bool, typer.Option("--weights-only", help="Eight bits on disk, float when it runs: exacter.")
    ] = False,
) -> None:
    """Store an exported detector in eight bits, and show what that does to size, time and scores.

    Convolutions also compute in eight bits unless --weights-only; the front end stays in float.
    """
    from deploy.compress.quantise import exported_files, quantise_folder
    from deploy.compress.quantise_audio import draw_waves
    from deploy.compress.quantise_table import quantised_table
    from deploy.stream.onnx_model import OnnxModel

    console = Console()
    with console.status("ranges, scores and times"):
        waves = draw_waves([OnnxModel.open(path).card for path in exported_files(exported)], audio, files)
        half = len(waves) // 2
        outcomes = quantise_folder(exported, output, waves[:half], waves[half:], weights_only)
    console.print(quantised_table(outcomes))


@app.command()
def compress(
    model: ModelArgument,
    shards: ShardsOption,
    output: Annotated[Path, typer.Option(help="Folder for the study, which goes on if it is there.")],
    passes: Annotated[float, typer.Option(min=0.01, help="Most passes over the training split in a trial.")],
    trials: Annotated[int, typer.Option(min=1, help="Trials in all.")] = 30,
    seed: Annotated[int, typer.Option(help="Of the search.")] = 1,
    device: DeviceOption = "cpu",
    tracking_uri: TrackingUri = DEFAULT_URI,
) -> None:
    """Search for the best trade-offs between EER, size and time: units of each layer, fine-tuning, eight bits.

    Leaves a model folder with its exported file for each trial, and front.png.
    """
    from data_prep.shards import ShardSet
    from deploy.compress.compression import Compression, front
    from deploy.compress.compression_report import front_figure, front_table
    from deploy.compress.pruning import Pruner
    from deploy.models import resolve

    console = Console()
    pruner = Pruner(resolve(model, tracking_uri), ShardSet.open(shards), device)
    study = Compression(pruner, output, passes, seed)
    with console.status("trials run"):
        points = study.run(trials)
    console.print(front_table(front(points)))
    front_figure(points).savefig(output / "front.png", dpi=140)


def _shares(text: str) -> list[float]:
    """From the largest on.

    Raises:
        SpoofsweepError: they are no shares.
    """
    try:
        shares = [float(part) for part in text.split(",") if part.strip()]
    except ValueError as error:
        raise SpoofsweepError("--keep takes numbers between commas", f"'{text}'", "write --keep 0.75,0.5") from error
    if not all(0.0 < share < 1.0 for share in shares):
        raise SpoofsweepError("every share of --keep must lie between 0 and 1", f"'{text}'")
    return sorted(set(shares), reverse=True)


def _levels(shares: list[float], limits: "Limits", pruner: "Pruner") -> list[float]:
    """The shares, and as the last of them the largest one within the limits, if there are any."""
    from deploy.compress.footprint import Limits, largest_keep

    if limits == Limits():
        return shares
    last = largest_keep(limits, pruner.footprint_of_share)
    return [*(share for share in shares if share > last), last]
