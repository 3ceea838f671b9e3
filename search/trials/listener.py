"""Who wants to know what happens to a sweep's trials."""

from typing import Protocol

from search.trials.trial_record import TrialRecord


class Listener(Protocol):
    """Is told what happens to trials, in order; must return at once."""

    def trial_started(self, trial: TrialRecord) -> None:
        """``trial`` has its place, and the reports of its earlier attempts."""

    def trial_reported(self, trial: TrialRecord) -> None:
        """``trial`` as it is after the report, whose metrics and arithmetic are among its attributes.

        The last report of an earlier attempt comes again.
        """

    def trial_ended(self, trial: TrialRecord) -> None:
        """For good; or, in the state WAITING, for now."""
