import io
import re

from rich.console import Console

from search.reporting.report import next_commands, print_summary, write_report
from trainable.scores.costs import COST_NAMES


def test_report_shows_figures_that_exist(tiny_study, tiny_outcome):
    folder = tiny_study.folder / "report"
    text = (folder / "report.md").read_text()
    figures = re.findall(r"!\[.*?\]\((.*?)\)", text)
    assert figures == ["det.png", "scores.png", "history.png", "rungs.png"]
    for name in figures:
        assert (folder / name).read_bytes().startswith(b"\x89PNG")


def test_report_tells_the_champions_error_rates(tiny_study, tiny_outcome):
    text = (tiny_study.folder / "report" / "report.md").read_text()
    summary = tiny_outcome.champion.finalist.summary("eval")
    assert f"| eval | {100 * summary.eer:.2f}% |" in text
    for name, eer in summary.by_attack.items():
        assert f"| {name} | {100 * eer:.2f}% |" in text
    costs = tiny_outcome.champion.finalist.costs("eval")
    for name in ("min_dcf", "act_dcf", "act_dcf_calibrated", "cllr", "cllr_calibrated"):
        assert re.search(rf"\| {re.escape(COST_NAMES[name])} \| [\d.]+ \| {costs[name]:.4f} \|", text)
    assert "by speakers and attacks" not in text  # of the sample's dev and eval there is one speaker each


def test_report_is_the_same_when_written_again(tiny_outcome, tmp_path):
    first = write_report(tiny_outcome, tmp_path / "a").read_text()
    assert write_report(tiny_outcome, tmp_path / "b").read_text() == first


def test_summary_on_the_terminal(tiny_outcome, tmp_path):
    console = Console(width=110, file=io.StringIO())
    print_summary(tiny_outcome, console, tmp_path / "report.md")
    text = console.file.getvalue()
    champion = tiny_outcome.champion
    assert f"tiny, version 1: trial {champion.finalist.candidate.trial_number}" in text
    assert f"{100 * champion.finalist.summary('eval').eer:.2f}%" in text
    assert "of the training compute" in text
    costs = champion.finalist.costs("eval")
    for name in ("min_dcf", "act_dcf_calibrated", "cllr"):
        assert re.search(rf"{re.escape(COST_NAMES[name])} +[\d.]+ +{costs[name]:.4f}", text)
    for _, command in next_commands(tiny_outcome):
        assert command in text
