"""The commands of this room."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer()


@app.command()
def score(
    scores: Annotated[Path, typer.Argument(help="Lines `utterance attack key score`, or see --keys.")],
    keys: Annotated[
        Path | None, typer.Option(help="Protocol or key file of ASVspoof; scores are then `utterance ... score`.")
    ] = None,
    asv: Annotated[Path | None, typer.Option(help="Scores of target, nontarget and spoof trials, for t-DCF.")] = None,
    calibrate: Annotated[
        Path | None, typer.Option(help="Scores of another split, with their keys, to calibrate on.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    resamples: Annotated[int, typer.Option(min=10, help="Bootstrap resamples of the interval.")] = 500,
    confidence: Annotated[float, typer.Option(min=0.5, max=0.999, help="Coverage of the interval.")] = 0.95,
) -> None:
    """Error rates and costs of a score file, by attack, codec and whatever else the keys tell.

    A file of target, nontarget and spoof trials gives the a-DCF.
    """
    from trainable.metrics.calibration import fit_calibration
    from trainable.metrics.tandem_cost import asv_error_rates, min_adcf
    from trainable.scores.costs import detection_costs, tandem_costs
    from trainable.scores.score_file import is_verification_file, read_scores, read_verification_scores
    from trainable.scores.score_summary import summarise
    from trainable.scores.score_tables import plain, print_tables

    if keys is None and is_verification_file(scores):
        figures = {"a-DCF": min_adcf(*read_verification_scores(scores))}
        typer.echo(json.dumps(figures) if as_json else f"a-DCF (priors and costs of ASVspoof 5) {figures['a-DCF']:.4f}")
        return
    table = read_scores(scores, keys)
    summary = summarise(table, resamples, confidence)
    known = read_scores(calibrate) if calibrate else None
    costs = detection_costs(table, None if known is None else fit_calibration(known.bonafide, known.spoof))
    if asv is not None:
        costs |= tandem_costs(table, asv_error_rates(*read_verification_scores(asv)))
    if as_json:
        typer.echo(json.dumps(plain(asdict(summary) | costs)))
    else:
        print_tables(summary, costs, confidence)
