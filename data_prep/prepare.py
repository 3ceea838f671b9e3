"""Corpus to shard set, by Ray tasks on one machine or a cluster whose nodes share the file system."""

import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from rich.console import Console

from cluster.config import ClusterConfig
from cluster.errors import SpoofsweepError
from cluster.ray_session import ray_session
from data_prep import display, shards
from data_prep.audit.prep_page import Speed, leave_page, page_path
from data_prep.augmentation.recordings import list_recordings, with_content_identity
from data_prep.config import PrepConfig
from data_prep.corpora import read_corpus
from data_prep.corpus_conversion import convert_corpus
from data_prep.global_statistics import measure_statistics
from data_prep.plan import Conversions, Recipe, ShardPlan, plan_shards, shard_set_id
from data_prep.shard_builder import PARTS, ShardPart, build_shard, read_part
from data_prep.shards import Manifest, ShardSet
from data_prep.utterance import Corpus
from data_prep.validation import CorpusReport, class_faults, validate

_TASKS_A_CORE = 2
"""Tasks in flight: one runs, one waits, and a killed run leaves few behind."""


def prepare(
    config: PrepConfig,
    base: Path,
    output: Path,
    *,
    cluster: ClusterConfig | None = None,
    progress: bool | None = None,
    console: Console | None = None,
    page: bool = False,
) -> ShardSet:
    """The shard set of ``config``, built unless it is complete; finished shards of an interrupted run are kept.

    Args:
        base: where relative paths in ``config`` start.
        output: the study's output folder; shards go to ``shards/<shard_set_id>`` below it.
        cluster: where Ray runs; ignored inside an open Ray session.
        progress: show a progress bar; none means only on a terminal.
        page: leave a page with pictures beside the folder of the shards, unless it is there.

    Raises:
        SpoofsweepError: the corpus is unsound, the disk is full, or a split lost all utterances of a class.
    """
    console = console or Console()
    output = output.absolute()
    corpus = read_corpus(config.corpus, base, config.seed)
    folder = output / "shards" / shard_set_id(config, corpus, base)
    if shards.is_complete(folder):
        shard_set = ShardSet.open(folder)
        if page and not page_path(folder).is_file():
            recordings = list_recordings(config.augmentation, base)
            leave_page(shard_set, Recipe(folder, corpus, config, recordings, Conversions({}, {})), None, console)
        return shard_set
    started = time.monotonic()
    report = validate(corpus, config.corpus)
    display.print_warnings(console, report.warnings)
    report.check()
    visible = console.is_terminal if progress is None else progress
    recipe = Recipe(
        folder=folder,
        corpus=corpus.without_utterances(),
        config=config,
        recordings=list_recordings(config.augmentation, base),
        conversions=convert_corpus(corpus, report.usable, config.corpus, output, console, visible),
    )
    plans = plan_shards(report.usable, config.utterances_per_shard)
    with ray_session(cluster or ClusterConfig()):
        built_s = _build(plans, recipe, console, visible)
    shard_set = _merge(plans, recipe, corpus, report)
    speed = Speed(built_s, time.monotonic() - started)
    display.print_summary(console, shard_set, built_s, speed.wall_s)
    if page:
        leave_page(shard_set, replace(recipe, corpus=corpus), speed, console)
    return shard_set


def _build(plans: Sequence[ShardPlan], recipe: Recipe, console: Console, visible: bool) -> float:
    """Make all shards that are not there yet; returns the seconds of audio in them, all views together."""
    with display.prep_progress(console, visible) as bar:
        total = sum(len(plan.utterances) for plan in plans)
        task = bar.add_task("preparing", total=total, audio_s=0.0)
        unfinished = []
        for plan in plans:
            if read_part(recipe.folder, plan.number) is None:
                unfinished.append(plan)
            else:
                bar.advance(task, len(plan.utterances))
        audio_s = 0.0
        for plan in _finished(unfinished, recipe):
            part = _part(recipe.folder, plan)
            audio_s += part.audio_s
            bar.update(task, advance=len(plan.utterances), audio_s=audio_s)
    return audio_s


def _finished(plans: Sequence[ShardPlan], recipe: Recipe) -> Iterator[ShardPlan]:
    """Run the plans as Ray tasks, and yield each when its shard is on disk."""
    import ray

    remote = ray.remote(num_cpus=1)(build_shard)
    shared = ray.put(recipe)
    waiting = iter(plans)
    running: dict[ray.ObjectRef, ShardPlan] = {}
    try:
        while True:
            # Asked anew each time: an autoscaled cluster grows while it works.
            limit = _TASKS_A_CORE * max(1, int(ray.cluster_resources().get("CPU", 1)))
            while len(running) < limit and (plan := next(waiting, None)) is not None:
                running[remote.remote(plan, shared)] = plan
            if not running:
                return
            done, _ = ray.wait(list(running), num_returns=1)
            ray.get(done[0])
            yield running.pop(done[0])
    except ray.exceptions.RayTaskError as error:
        # Ray wraps what a task raises in its own traceback; the user's error needs none.
        raise error.cause if isinstance(error.cause, SpoofsweepError) else error from None
    finally:
        for reference in running:
            ray.cancel(reference)


def _part(folder: Path, plan: ShardPlan) -> ShardPart:
    part = read_part(folder, plan.number)
    if part is None:
        raise SpoofsweepError(
            "a finished shard must be visible where the program runs",
            folder / shards.shard_name(plan.number),
            "all nodes of the cluster must share the output folder",
        )
    return part


def _merge(plans: Sequence[ShardPlan], recipe: Recipe, corpus: Corpus, report: CorpusReport) -> ShardSet:
    """Write index, list of rejections and, last, the manifest."""
    parts = [_part(recipe.folder, plan) for plan in plans]
    rejected = [*report.rejected, *(rejection for part in parts for rejection in part.rejected)]
    rows = [row for part in parts for row in part.rows]
    shards.write_rejected(recipe.folder, sorted((asdict(one) for one in rejected), key=lambda one: one["utterance_id"]))
    gone = {one.utterance_id for one in rejected}
    faults = class_faults(u for u in report.usable if u.utterance_id not in gone)
    if faults:
        reasons = ", ".join(sorted({one.reason for one in rejected})[:5])
        raise SpoofsweepError(
            f"both classes must survive decoding in every split, but {'; '.join(faults)}",
            f"{len(rejected)} rejected utterances ({reasons})",
            f"mend the files listed in {recipe.folder / shards.REJECTED}",
        )
    shards.write_index(recipe.folder, rows)
    manifest = _manifest(recipe, corpus, parts, len(rejected))
    if manifest.features.cmvn == "global":
        statistics = measure_statistics(ShardSet(recipe.folder, manifest))
        manifest = manifest.model_copy(update={"statistics": statistics})
    shards.write_manifest(recipe.folder, manifest)
    shutil.rmtree(recipe.folder / PARTS)
    return ShardSet.open(recipe.folder)


def _manifest(recipe: Recipe, corpus: Corpus, parts: Sequence[ShardPart], num_rejected: int) -> Manifest:
    config = recipe.config
    return Manifest(
        format_version=shards.FORMAT_VERSION,
        shard_set_id=recipe.folder.name,
        layout=corpus.layout,
        corpus_identity=corpus.identity,
        convert=config.corpus.convert,
        min_duration_s=config.corpus.min_duration_s,
        max_duration_s=config.corpus.max_duration_s,
        features=config.features,
        augmentation=with_content_identity(config.augmentation, recipe.recordings),
        seed=config.seed,
        utterances_per_shard=config.utterances_per_shard,
        num_bins=config.features.num_bins,
        num_rejected=num_rejected,
        splits=shards.summarise([row for part in parts for row in part.rows]),
        shards=tuple(part.info for part in parts),
    )
