import io
import json
from collections import Counter

from optuna_dashboard import wsgi

from search.reporting.report import StudyOutcome
from search.storage.storage import open_storage
from search.study.study import Study


def get(app, path: str):
    """A GET request to a WSGI application; returns the decoded JSON body."""
    environment = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": io.StringIO(),
        "wsgi.url_scheme": "http",
    }
    return json.loads(b"".join(app(environment, lambda *response: None)))


def test_optuna_dashboard_shows_the_ledger(tiny_study: Study, tiny_outcome: StudyOutcome) -> None:
    storage = open_storage(tiny_study.storage_url)
    try:
        app = wsgi(storage)
        (study,) = get(app, "/api/studies")["study_summaries"]
        trials = get(app, f"/api/studies/{study['study_id']}")["trials"]
    finally:
        storage.engine.dispose()
    assert study["study_name"] == tiny_study.name
    shown = Counter(trial["state"].upper() for trial in trials)
    assert shown == Counter(trial.state for trial in tiny_outcome.trials)
    pruned = next(trial for trial in trials if trial["state"] == "Pruned")
    recorded = next(trial for trial in tiny_outcome.trials if trial.number == pruned["number"])
    assert {point["step"]: point["value"] for point in pruned["intermediate_values"]} == recorded.reports
