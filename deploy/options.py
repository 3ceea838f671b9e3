"""Options that several commands have."""

from typing import Annotated

import typer

TrackingUri = Annotated[
    str, typer.Option(envvar=["SPOOFSWEEP_TRACKING_URI", "MLFLOW_TRACKING_URI"], help="MLflow server or database.")
]
