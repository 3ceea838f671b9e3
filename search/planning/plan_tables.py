"""A plan on the terminal, in 80 columns."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from data_prep.display import print_warnings
from data_prep.error_rates import eer_standard_error
from search.ledger.leaderboard import percent
from search.planning.forecast import Spread, num_simulations, sampler_of_forecasts
from search.planning.plan import Plan, notes

_EERS = (0.01, 0.02, 0.05, 0.1, 0.2)
_TOLD_APART = 1.96 * 2**0.5
"""Standard errors between two measurements that chance alone exceeds one time in twenty."""


def print_plan(plan: Plan, console: Console) -> None:
    """Facts, rungs, times and costs, what the validation data can tell apart, warnings."""
    for line in _facts(plan):
        console.print(Text(line))
    num_bonafide, num_spoof = plan.found.num_dev
    tables = {
        "Trials expected": _rungs_table(plan),
        "Time": _times_table(plan),
        f"Validation on {num_bonafide:,} bona fide and {num_spoof:,} spoofed utterances": _noise_table(plan),
    }
    for title, table in tables.items():
        console.print()
        console.print(Text(title, "italic"))
        console.print(table)
    console.print()
    for line in _reading(plan):
        console.print(Text(line, "dim"))
    print_warnings(console, (*plan.found.notes, *notes(plan)))


def _facts(plan: Plan) -> list[str]:
    config, horizon, cluster = plan.config, plan.found.horizon, plan.config.cluster
    device = f"{cluster.gpu_share:.4g} GPU and " if cluster.uses_gpu else ""
    cores = f"{cluster.cpus_per_trial} CPU core{'s' if cluster.cpus_per_trial > 1 else ''}"
    measured = "" if plan.validation_s is None else f", {plan.validation_s:.2g} s of it validation: measured here"
    return [
        f"{config.study.name}: {config.search.num_trials} trials ({config.search.sampler}) of at most "
        f"{config.trial.budget_passes:g} passes over {horizon.samples_per_pass:,} utterances",
        f"{plan.num_workers} at a time, each with {device}{cores}; "
        f"a pass takes {plan.seconds_per_pass:.3g} s{measured}",
    ]


def _rungs_table(plan: Plan) -> Table:
    table = _table("rung", "passes", "reach it", "go on", "by luck")
    for number, rung in enumerate(plan.forecast.rungs, 1):
        luck = f"{rung.by_luck:.0%}"
        table.add_row(str(number), f"{rung.passes:g}", _trials(rung.reached), _trials(rung.continuing), luck)
    table.add_row("end", f"{plan.config.trial.budget_passes:g}", _trials(plan.forecast.completed), "", "")
    return table


def _times_table(plan: Plan) -> Table:
    expected, cluster = plan.forecast, plan.config.cluster
    price = cluster.price_of_hour(cluster.launch.num_workers) if cluster.has_prices else None
    unpruned_wall_s = -(-plan.config.search.num_trials // plan.num_workers) * expected.full_s
    busy_s, wall_s = plan.finalists_s
    finalists = plan.config.finalists
    unit = "GPU-hours" if cluster.uses_gpu else "CPU-hours"
    table = _table("", unit, "wall time", *(("cost",) if price is not None else ()))
    rows = [
        ("search", expected.busy_s.mean, expected.wall_s.mean),
        (f"finalists, {finalists.num_configs} x {finalists.num_seeds} seeds", busy_s, wall_s),
        ("together", expected.busy_s.mean + busy_s, expected.wall_s.mean + wall_s),
        ("search without pruning", plan.config.search.num_trials * expected.full_s, unpruned_wall_s),
    ]
    for name, busy, wall in rows:
        cost = () if price is None else (f"{wall / 3600 * price:,.2f}",)
        table.add_row(name, _hours(_device_hours(plan, busy)), _duration(wall), *cost)
    return table


def _device_hours(plan: Plan, busy_s: float) -> float:
    cluster = plan.config.cluster
    return busy_s / 3600 * (cluster.gpu_share if cluster.uses_gpu else cluster.cpus_per_trial)


def _noise_table(plan: Plan) -> Table:
    num_bonafide, num_spoof = plan.found.num_dev
    table = _table("at an EER of", "standard error", "told apart from")
    for eer in _EERS:
        error = float(eer_standard_error(eer, num_bonafide, num_spoof))
        table.add_row(percent(eer), percent(error), percent(eer + _TOLD_APART * error))
    return table


def _reading(plan: Plan) -> list[str]:
    number, horizon = num_simulations(plan.config.search.num_trials), plan.found.horizon
    wall, sampler = plan.forecast.wall_s, sampler_of_forecasts(plan.config.search)
    lines = [
        f"Means of {number} simulated sweeps (lowest to highest) with {sampler} and this study's pruning over made-up "
        f"learning curves; the search took {_duration(wall.low)} to {_duration(wall.high)}. Every configuration is "
        "taken to cost what the default trial costs, alone on its device; starting trials and preparing shards come "
        "on top.",
        "told apart from: the next EER that two measurements of equal trials reach one time in twenty; an upper bound, "
        "as both are scored on the same utterances.",
    ]
    if horizon.rungs:
        lines.insert(1, "by luck: of the best at a rung, those that would not be among them were the EER exact.")
    return lines


def _table(*columns: str) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for number, name in enumerate(columns):
        table.add_column(name, justify="left" if number == 0 else "right")
    return table


def _trials(number: Spread) -> str:
    return f"{number.mean:.1f}".removesuffix(".0") + (
        f" ({number.low:g}-{number.high:g})" if number.low < number.high else ""
    )


def _hours(hours: float) -> str:
    return f"{hours:,.0f}" if hours >= 100 else f"{hours:.2g}"


def _duration(seconds: float) -> str:
    """In two units at most."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{seconds / 60:.1f} min" if minutes < 10 else f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60:02d}"
    return f"{minutes // 1440} d {minutes % 1440 // 60} h"
