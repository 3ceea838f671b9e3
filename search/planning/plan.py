"""`spoofsweep plan`: what a study's sweep is to be expected to take, before it takes anything."""

import os
from dataclasses import dataclass

from rich.console import Console
from rich.progress import Progress

from cluster.config import ClusterConfig
from cluster.errors import SpoofsweepError
from data_prep.shards import ShardSet
from search.planning.forecast import Forecast, forecast, num_simulations
from search.planning.preview import Preview, preview
from search.study.config import StudyConfig
from search.study.objective import EER
from search.study.study import Study

_LEARNING = ("auto", "tpe", "cmaes", "gp")
"""Samplers that look at other trials."""


@dataclass(frozen=True)
class Plan:
    """A study, what its passes take, and what follows."""

    found: Preview
    num_workers: int
    seconds_per_pass: float
    validation_s: float | None
    """Part of it; none if nothing was measured."""
    forecast: Forecast

    @property
    def config(self) -> StudyConfig:
        return self.found.study.config

    @property
    def finalists_s(self) -> tuple[float, float]:
        """Seconds of all workers together, and on the clock, that retraining the finalists takes."""
        finalists, horizon = self.config.finalists, self.found.horizon
        number = finalists.num_configs * finalists.num_seeds
        share = self.found.num_train / horizon.samples_per_pass  # over folds, a finalist is one model on all attacks
        each_s = self.config.trial.budget_passes * self.seconds_per_pass * share
        return number * each_s, -(-number // self.num_workers) * each_s


def make_plan(study: Study, seconds_per_pass: float | None, num_workers: int | None, console: Console) -> Plan:
    """Work out a study's plan; makes nothing.

    Args:
        study: the study.
        seconds_per_pass: training and validation of a pass; none measures it on this machine.
        num_workers: trials at a time; none counts this machine's places.
        console: where progress is shown, if it is a terminal.

    Raises:
        SpoofsweepError: the study cannot work, or lacks what a plan needs.
    """
    found = preview(study, trains_here=seconds_per_pass is None)
    workers = num_workers or count_places(study.config.cluster)
    validation_s = None
    if seconds_per_pass is None:
        seconds_per_pass, validation_s = _measure(found, console)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task("simulating", total=num_simulations(study.config.search.num_trials))
        expected = forecast(
            study.config, found.horizon, seconds_per_pass, workers, found.num_dev, lambda: progress.advance(bar)
        )
    return Plan(found, workers, seconds_per_pass, validation_s, expected)


def count_places(cluster: ClusterConfig) -> int:
    """Trials that run at a time on this machine.

    Raises:
        SpoofsweepError: a cluster's places are not known from here, or this machine has none.
    """
    if cluster.address is not None:
        if cluster.max_concurrent_trials is None:
            remedy = "give --workers, or cluster.max_concurrent_trials"
            raise SpoofsweepError(
                "a plan needs the number of trials at a time", "a cluster that is to be joined", remedy
            )
        return cluster.max_concurrent_trials
    places = (cluster.num_cpus or len(os.sched_getaffinity(0))) // cluster.cpus_per_trial
    if cluster.gpu_share:
        import torch

        places = min(places, int(torch.cuda.device_count() / cluster.gpu_share))
    if places < 1:
        found = f"{cluster.cpus_per_trial} CPU cores and {cluster.gpu_setting} on this machine"
        raise SpoofsweepError("a plan needs room for a trial", found, "give --workers to plan for another machine")
    return min(places, cluster.max_concurrent_trials or places)


def notes(plan: Plan) -> list[str]:
    """What is to be said of a study that is too small for what it asks."""
    return [*_budget_notes(plan), *_validation_notes(plan), *_objective_notes(plan)]


def _measure(found: Preview, console: Console) -> tuple[float, float]:
    """Seconds of a pass of the study's default trial, and those of its validation."""
    if not found.has_shards:
        remedy = f"run `spoofsweep prep {found.study.reference}` first, or give --seconds-per-pass"
        raise SpoofsweepError("a pass is measured on the study's shards", f"none for {found.shard_set_id}", remedy)
    from search.planning.pass_timing import measure_pass  # torch comes with it

    study = found.study
    shards = ShardSet.open(study.shards_folder / found.shard_set_id)
    cluster = study.config.cluster
    console.print("Measuring a pass of the default trial for 20 seconds ...", highlight=False)
    taken = measure_pass(
        study.config.trial,
        shards,
        study.folds(shards.index),
        found.horizon.samples_per_pass,
        cluster.device,
        cluster.cpus_per_trial,
    )
    return taken.total_s, taken.validation_s


def _budget_notes(plan: Plan) -> list[str]:
    search, expected, found = plan.config.search, plan.forecast, []
    if plan.num_workers > search.num_trials:
        found.append(f"{plan.num_workers} workers for {search.num_trials} trials: the others stay idle")
    if search.pruning == "population":
        return found
    if search.sampler in _LEARNING and expected.drawn_blindly.mean > search.num_trials / 2:
        found.append(
            f"{expected.drawn_blindly.mean:.0f} of {search.num_trials} trials begin before the first has ended, so "
            f"{search.sampler} cannot learn for them: raise search.num_trials, or take fewer workers"
        )
    return [*found, *_rung_notes(plan)]


def _rung_notes(plan: Plan) -> list[str]:
    """The first rung that sees too few trials, and the first that lets too many through."""
    search, eta, found = plan.config.search, plan.config.search.reduction_factor, []
    empty = [rung for rung in plan.forecast.rungs if rung.reached.mean < eta]
    lenient = [r for r in plan.forecast.rungs if r not in empty and r.continuing.mean > 1.5 * r.reached.mean / eta]
    for rung in lenient[:1]:
        why = (
            "until a rung has earned trust it lets all through"
            if search.has_witnesses
            else "young, it lets many through"
        )
        found.append(
            f"{rung.continuing.mean:.1f} trials go on from the rung at {rung.passes:g} passes where one in {eta}, "
            f"{rung.reached.mean / eta:.1f}, is meant: {why}; raise search.num_trials, or take fewer workers"
        )
    for rung in empty[:1]:
        found.append(
            f"the rung at {rung.passes:g} passes sees {rung.reached.mean:.1f} trials, fewer than "
            f"search.reduction_factor = {eta}: it can hardly stop one; raise search.num_trials"
        )
    return found


def _objective_notes(plan: Plan) -> list[str]:
    objective, second, found = plan.found.study.objective, plan.found.study.second, []
    if objective != EER:
        found.append(
            f"trials are simulated by their pooled EER; the {objective.label}, which is minimised, may rank otherwise"
        )
    if second is not None:
        found.append(
            f"trials are simulated without {second.label}: those that go on because none dominates them come on top"
        )
    return found


def _validation_notes(plan: Plan) -> list[str]:
    num_bonafide, num_spoof = plan.found.num_dev
    lucky = [rung for rung in plan.forecast.rungs if rung.by_luck > 0.25]
    if not lucky:
        return []
    worst = max(lucky, key=lambda rung: rung.by_luck)
    return [
        f"dev is too small to rank by: of the best one in {plan.config.search.reduction_factor} at {worst.passes:g} "
        f"passes, {worst.by_luck:.0%} would not be among them if the EER were exact ({num_bonafide:,} bona fide and "
        f"{num_spoof:,} spoofed utterances; one bona fide is "
        f"{100 / num_bonafide:.2g} points of false rejection); validate on more, or train more finalists"
    ]
