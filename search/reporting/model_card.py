"""The text that goes with a registered model: what it is, how good, and how to find every stage that led to it."""

from dataclasses import dataclass
from itertools import pairwise

from search.finalists.candidates import Candidate
from search.finalists.finalists import Finalist, Standing
from search.ledger.leaderboard import percent, short, shown
from search.reporting.score_tables import attack_section, cost_section, error_rate_table, group_section
from search.study.commands import Commands
from search.study.objective import EER
from search.study.space import leaves
from trainable.checkpoints.lineage import PrunedFrom
from trainable.config import TrialConfig
from trainable.data.hold_out import folds_of, named

_LONGEST_DESCRIPTION = 5000
"""Characters; the column of MLflow's database."""


@dataclass(frozen=True)
class Provenance:
    """Names of the stages before and after the training."""

    corpus_layout: str
    corpus_identity: str
    study_name: str
    run_id: str
    version: str
    commands: Commands


def model_card(ranking: list[Standing], provenance: Provenance) -> str:
    """Markdown; ``ranking`` has the champion's configuration first."""
    champion, commands = ranking[0].best, provenance.commands
    parts = [
        f"# {provenance.study_name}, version {provenance.version}",
        "Tells bona fide from spoofed speech. Scores are higher for bona fide; "
        f"above {champion.record.threshold:.4f} (the validation set's equal error point) speech counts as bona fide.",
        "## How good",
        error_rate_table(champion),
        *validation_note(champion.candidate),
        f"Seeds of this configuration: {seeds(ranking[0])}. The dev EER is {percent(ranking[0].mean)} on average "
        f"(standard deviation {percent(ranking[0].spread)}); this is the best of them{_criterion(ranking[0])}.",
        *cost_section(champion),
        "## Use",
        "\n".join(["```", *commands.environment, commands.detect(), commands.reproduce(provenance.run_id), "```"]),
        "## Where it comes from",
        chain_table(champion, provenance),
        "## Error rates in detail",
        *attack_section(champion),
        *group_section(champion),
        "## Configuration",
        *schedule_section(champion),
        f"```json\n{champion.record.trial.model_dump_json(indent=2)}\n```",
    ]
    return "\n\n".join(parts) + "\n"


def description(card: str, whole: str) -> str:
    """As much of a card as a registry's description holds: paragraphs from the first on, no heading without its text.

    Args:
        whole: where the whole card is, named at the end if something is left out.
    """
    if len(card) <= _LONGEST_DESCRIPTION:
        return card
    note = f"The whole card: {whole}\n"
    parts = card.split("\n\n")
    while parts and (len("\n\n".join([*parts, note])) > _LONGEST_DESCRIPTION or parts[-1].startswith("#")):
        parts.pop()
    return "\n\n".join([*parts, note])


def seeds(standing: Standing) -> str:
    """How many seeds a configuration was trained with; means are about those that did not diverge."""
    note = f", {standing.num_diverged} diverged and in no mean" if standing.num_diverged else ""
    return f"{len(standing.finalists)}{note}"


def _criterion(standing: Standing) -> str:
    """By what, if not by the pooled EER."""
    objective = standing.objective
    if objective == EER:
        return ""
    figures = shown(standing.best.value, objective), shown(standing.mean_value, objective)
    return " by {}, {} ({} on average): {}".format(objective.label, *figures, objective.meaning)


def validation_note(candidate: Candidate) -> list[str]:
    """What the dev EER is about, where attacks were held out: a paragraph or none."""
    if candidate.fold_eer is not None:
        objective = candidate.objective
        chosen, also = (
            ("mean dev EER", "")
            if objective == EER
            else (objective.label, f"{shown(candidate.fold_value, objective)}, with a mean dev EER of ")
        )
        return [
            f"The configuration was chosen by its {chosen} over {len(candidate.folds)} leave-attack-out folds "
            f"({named(candidate.folds)}): {also}**{percent(candidate.fold_eer)}** on attacks that its models had never "
            "met. "
            "The model itself was then trained on all attacks, and its own dev EER is about attacks that it knows."
        ]
    if candidate.held_out:
        return [f"Held out of training: {named(candidate.folds)}. The dev EER is about these attacks and no others."]
    return []


def schedule_section(finalist: Finalist) -> list[str]:
    """What changed on the way to the configuration, where that is the end of a schedule: a paragraph or none."""
    lineage = finalist.record.lineage
    stages = [*(ancestor.trial for ancestor in lineage), finalist.record.trial]
    changes = [
        f"- from {ancestor.until:,} samples on {_difference(before, after)}"
        for ancestor, (before, after) in zip(lineage, pairwise(stages), strict=True)
    ]
    intro = "The end of a schedule, found by population-based training, which changed on the way:"
    return [intro, "\n".join(changes)] if changes else []


def _difference(before: TrialConfig, after: TrialConfig) -> str:
    old = dict(leaves(before.model_dump()))
    changed = [f"`{path}` {short(old[path])} to {short(v)}" for path, v in leaves(after.model_dump()) if v != old[path]]
    return ", ".join(changed) or "nothing but the draws"


def chain_table(finalist: Finalist, provenance: Provenance) -> str:
    """The identity of every stage, as a Markdown table."""
    candidate, record = finalist.candidate, finalist.record
    stages: dict[str, object] = {
        f"corpus ({provenance.corpus_layout})": provenance.corpus_identity,
        "shard set": record.shard_set_id,
        "code": record.code_version,
        "Optuna study, trial": f"{provenance.study_name}, {candidate.trial_number}",
        "attacks held out": named(folds_of(record.held_out)) or "none",
        **({"folds of the sweep": named(candidate.folds)} if candidate.fold_eer is not None else {}),
        **({"pruned from": _origin(record.pruned_from)} if record.pruned_from else {}),
        "training signature": record.signature,
        "seed": candidate.seed,
        "device, arithmetic, threads": f"{record.device}, {record.precision}, {record.num_threads}",
        "PyTorch": record.torch_version,
        "MLflow run": provenance.run_id,
        "registered model, version": f"{provenance.study_name}, {provenance.version}",
    }
    return "\n".join(
        ["| stage | identity |", "|---|---|", *(f"| {name} | `{_cell(value)}` |" for name, value in stages.items())]
    )


def _origin(larger: PrunedFrom) -> str:
    """The larger networks, from the first on, by the signatures of their trainings."""
    return ", ".join(f"{one.signature} with {one.num_parameters:,} parameters" for one in larger)


def _cell(value: object) -> str:
    return str(value).replace("|", r"\|")
