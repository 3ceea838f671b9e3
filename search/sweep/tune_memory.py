"""Bounds what Ray Tune keeps of a run."""

from ray.tune.execution.tune_controller import TuneController


def forget_ended(controller: TuneController) -> None:
    """Let go of the trials that have ended, of which the ledger has all that is to be known.

    Ray Tune 2.60 keeps every one to the end of a run, with its configuration and its last result, and then makes JSON
    of them all twice: some 10 ms a trial.
    """
    for ended in (controller._stopped_trials, controller._failed_trials):
        for trial in [trial for trial in ended if trial not in controller._trial_to_actor]:
            ended.remove(trial)
            controller._trials.remove(trial)
            controller._trials_to_cache.discard(trial)
            controller._trial_metadata.pop(trial.trial_id, None)
