"""Corpus to shard set, by Ray tasks on one machine or a cluster."""

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path

import pyarrow
from filelock import FileLock
from rich.console import Console

from cluster.config import ClusterConfig
from cluster.errors import SpoofsweepError
from cluster.ray_session import ray_session
from data_prep import display, shards
from data_prep.audit.prep_page import Speed, leave_page, page_path
from data_prep.augmentation.recordings import list_recordings, with_content_identity
from data_prep.config import PrepConfig
from data_prep.corpora import read_corpus
from data_prep.corpus_conversion import convert_corpus, known_conversions
from data_prep.decode_error import TOO_SHORT
from data_prep.plan import Conversions, Recipe, ShardPlan, plan_shards, shard_set_id
from data_prep.remote_files import STORE_REMEDY, folder_sizes, is_remote, put, remove_folder, store_errors
from data_prep.shard_part import PARTS, ShardPart, read_parts
from data_prep.shard_store import shards_folder
from data_prep.shard_tasks import run_plans
from data_prep.shards import Manifest, ShardInfo, ShardSet, SplitSummary
from data_prep.utterance import Corpus
from data_prep.validation import MISSING_SHARE_LIMIT, CorpusReport, Rejection, class_faults, validate
from data_prep.work_progress import WorkProgress


def prepare(
    config: PrepConfig,
    base: Path,
    output: Path,
    *,
    cluster: ClusterConfig | None = None,
    progress: bool | None = None,
    console: Console | None = None,
    page: bool = False,
    examined: tuple[Corpus, CorpusReport] | None = None,
) -> ShardSet:
    """The shard set of ``config``, built unless it is complete; finished shards of an interrupted run are kept.

    Args:
        base: where relative paths in ``config`` start.
        output: the study's output folder; shards go to ``shards/<shard_set_id>`` below it, unless ``config.store`` is
            set. Of several runs for one set on disk, or for one in a store from one output, one works and the others
            wait.
        cluster: where Ray runs; ignored inside an open Ray session.
        progress: show a progress bar; none means only on a terminal.
        page: leave a page with pictures in ``output``'s folder of shards, unless it is there.
        examined: the corpus and what was found of it, where the caller has read it and shown the warnings.

    Raises:
        SpoofsweepError: the corpus is unsound, the disk is full, the store is out of reach, or too many utterances
            of a class cannot be decoded.
    """
    console = console or Console()
    output = output.absolute()
    corpus, report = examined or (read_corpus(config.corpus, base, config.seed), None)
    folder = shards_folder(config, output) / shard_set_id(config, corpus, base)
    speed = conversions = None
    with _store(folder):
        if not _is_finished(folder):
            if report is None:
                report = validate(corpus, config.corpus)
                display.print_warnings(console, report.warnings)
            report.check()
            with _lock(output, folder):
                if not shards.is_complete(folder):
                    visible = console.is_terminal if progress is None else progress
                    recipe = _recipe(config, base, output, folder, corpus, report, console, visible)
                    conversions = recipe.conversions
                    speed = _make(recipe, corpus, report, cluster or ClusterConfig(), console, visible)
                _tidy(folder)
        shard_set = ShardSet.open(folder)
        path = page_path(output, shard_set.shard_set_id)
        if page and not path.is_file():
            conversions = conversions or _known_conversions(corpus, config, output)
            recipe = Recipe(folder, corpus, config, list_recordings(config.augmentation, base), conversions)
            leave_page(path, shard_set, recipe, speed, console)
        return shard_set


@contextmanager
def _store(folder: Path) -> Iterator[None]:
    """Turn what a store complains about into an error that names it."""
    try:
        yield
    except store_errors() as error:
        if not is_remote(folder):
            raise
        raise SpoofsweepError("the store of the shards must be at hand", f"{folder} ({error})", STORE_REMEDY) from error


def _lock(output: Path, folder: Path) -> FileLock:
    locks = output / "shards" if is_remote(folder) else folder.parent
    locks.mkdir(parents=True, exist_ok=True)
    return FileLock(locks / f".{folder.name}.lock")


def _is_finished(folder: Path) -> bool:
    return shards.is_complete(folder) and not folder_sizes(folder / PARTS)


def _tidy(folder: Path) -> None:
    """Remove what only the making needs, and what killed runs left."""
    if not is_remote(folder):
        for path in folder.glob(".*.tmp"):
            path.unlink()
    remove_folder(folder / PARTS)


def _is_remote(corpus: Corpus) -> bool:
    return is_remote(corpus.root) or any(is_remote(utterance.path) for utterance in corpus.utterances)


def _known_conversions(corpus: Corpus, config: PrepConfig, output: Path) -> Conversions:
    return Conversions({}, {}) if _is_remote(corpus) else known_conversions(corpus, config.corpus, output)


def _recipe(
    config: PrepConfig,
    base: Path,
    output: Path,
    folder: Path,
    corpus: Corpus,
    report: CorpusReport,
    console: Console,
    visible: bool,
) -> Recipe:
    if config.corpus.convert and _is_remote(corpus):
        raise SpoofsweepError(
            "conversion needs a corpus on disk",
            corpus.root,
            "leave corpus.convert out (FLAC, WAV, AIFF, OGG, Opus and MP3 are decoded as they are), or copy the corpus",
        )
    return Recipe(
        folder=folder,
        corpus=corpus.without_utterances(),
        config=config,
        recordings=list_recordings(config.augmentation, base),
        conversions=convert_corpus(corpus, report.usable, config.corpus, output, console, visible),
    )


def _make(
    recipe: Recipe, corpus: Corpus, report: CorpusReport, cluster: ClusterConfig, console: Console, visible: bool
) -> Speed:
    started = time.monotonic()
    if is_remote(recipe.folder):
        put(recipe.folder / PARTS / "begun", b"")  # a store that refuses is found out before the work
    plans = plan_shards(report.usable, recipe.config.utterances_per_shard)
    work = {plan.number: _work(plan, recipe.config, corpus.sizes) for plan in plans}
    built_s = _build(plans, work, recipe, cluster, console, visible)
    _merge(plans, recipe, corpus, report)
    speed = Speed(built_s, time.monotonic() - started)
    display.print_summary(console, ShardSet.open(recipe.folder), speed.audio_s, speed.wall_s)
    return speed


def _work(plan: ShardPlan, config: PrepConfig, sizes: Mapping[Path, int]) -> int:
    """Bytes of audio that a shard goes through, its views included."""
    num_views = 1 + (config.augmentation.num_views if plan.split == "train" else 0)
    return num_views * sum(sizes.get(utterance.path, 0) for utterance in plan.utterances)


def _build(
    plans: Sequence[ShardPlan],
    work: Mapping[int, int],
    recipe: Recipe,
    cluster: ClusterConfig,
    console: Console,
    visible: bool,
) -> float:
    """Make all shards that are not there yet; returns the seconds of audio in them, all views together."""
    finished = {number for number, _ in read_parts(recipe.folder, [plan.number for plan in plans])}
    unfinished = [plan for plan in plans if plan.number not in finished]
    if not unfinished:
        return 0.0
    # The largest first, so that no core is left alone with a large one at the end.
    unfinished.sort(key=lambda plan: (-work[plan.number], plan.number))
    num_files = sum(len(plan.utterances) for plan in plans)
    num_done = num_files - sum(len(plan.utterances) for plan in unfinished)
    work_done = sum(work[number] for number in finished)
    with (
        ray_session(cluster),
        closing(run_plans(unfinished, recipe)) as built,
        WorkProgress(console, num_files, sum(work.values()), num_done, work_done, visible) as progress,
    ):
        for plan, audio_s in built:
            progress.advance(len(plan.utterances), work[plan.number], audio_s)
    return progress.audio_s


def _merge(plans: Sequence[ShardPlan], recipe: Recipe, corpus: Corpus, report: CorpusReport) -> None:
    """Write index, list of rejections and, last, the manifest; parts are read one at a time."""
    folder = recipe.folder
    infos: list[ShardInfo] = []
    rejected = list(report.rejected)
    summary = shards.Summary()

    def rows() -> Iterator[pyarrow.Table]:
        for part in _parts(plans, folder):
            infos.append(part.info)
            rejected.extend(part.rejected)
            summary.add(part.rows)
            yield part.rows

    shards.write_index(folder, rows())
    shards.write_rejected(folder, sorted((asdict(one) for one in rejected), key=lambda one: one["utterance_id"]))
    _check_classes(report, rejected, folder)
    shards.write_manifest(folder, _manifest(recipe, corpus, infos, summary.splits))


def _parts(plans: Sequence[ShardPlan], folder: Path) -> Iterator[ShardPart]:
    expected = iter(plans)
    for number, part in read_parts(folder, [plan.number for plan in plans]):
        if next(expected).number != number:
            break
        yield part
    else:
        if next(expected, None) is None:
            return
    raise SpoofsweepError("the shards of an unfinished set must stay as they are", folder, "run the same command again")


def _check_classes(report: CorpusReport, rejected: Sequence[Rejection], folder: Path) -> None:
    reasons = {one.utterance_id: one.reason for one in rejected}
    faults = class_faults(u for u in report.usable if u.utterance_id not in reasons)
    total = Counter((u.split, u.label) for u in report.usable)
    # The study itself chooses how long utterances must be; what else is wrong with a file is the file's fault.
    broken = [u for u in report.usable if not reasons.get(u.utterance_id, TOO_SHORT).startswith(TOO_SHORT)]
    for place, number in Counter((u.split, u.label) for u in broken).items():
        if number > MISSING_SHARE_LIMIT * total[place]:
            faults.append(f"{number:,} of {total[place]:,} {place[1]} utterances of {place[0]} cannot be used")
    if faults:
        examples = ", ".join(sorted(set(reasons.values()))[:5])
        raise SpoofsweepError(
            f"both classes must survive decoding in every split, but {'; '.join(faults)}",
            f"{len(rejected)} rejected utterances ({examples})",
            f"mend the files listed in {folder / shards.REJECTED}, or take them out of the corpus",
        )


def _manifest(recipe: Recipe, corpus: Corpus, infos: Sequence[ShardInfo], splits: dict[str, SplitSummary]) -> Manifest:
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
        splits=splits,
        shards=tuple(infos),
    )
