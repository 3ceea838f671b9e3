"""``python -m search`` is ``spoofsweep``, on nodes where the code lies beside the study."""

from search.cli import main

main()
