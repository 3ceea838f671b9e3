"""The speaker verification of a study's corpus, whose errors t-DCF weighs with those of the detector."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from cluster.errors import SpoofsweepError
from data_prep.corpora import asv_score_files
from data_prep.remote_files import STORE_REMEDY, store_errors
from search.study.study import Study
from trainable.metrics.tandem_cost import AsvErrorRates, asv_error_rates
from trainable.scores.costs import tandem_costs
from trainable.scores.score_file import read_verification_scores
from trainable.scores.scores import ScoreTable


@dataclass(frozen=True)
class Tandem:
    """Error rates of a speaker verification system, by split."""

    corpus: str = ""
    """The corpus whose speakers it verified, as score tables name it where there are several."""
    rates: Mapping[str, AsvErrorRates] = field(default_factory=dict)

    def costs(self, split: str, table: ScoreTable) -> dict[str, float]:
        """t-DCF in its two forms, over the utterances of that corpus; empty if its speakers were not verified.

        Raises:
            SpoofsweepError: as `trainable.scores.costs.tandem_costs`.
        """
        return tandem_costs(table.of_corpus(self.corpus), self.rates[split]) if split in self.rates else {}


NO_ASV = Tandem()


def read_tandem(study: Study) -> Tandem:
    """Of the scores that the study's main corpus brings, if it does.

    Raises:
        SpoofsweepError: the corpus is not there, its store cannot be reached, or its scores are malformed.
    """
    corpus = study.config.corpus
    try:
        files = asv_score_files(corpus, study.base)
        rates: dict[str, AsvErrorRates] = {
            split: asv_error_rates(*read_verification_scores(path)) for split, path in files.items()
        }
    except store_errors() as error:
        found = f"{corpus.root} ({error})"
        raise SpoofsweepError("the store of the corpus must be reachable", found, STORE_REMEDY) from error
    return Tandem(corpus.layout, rates)
