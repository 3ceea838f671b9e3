"""The data doctor: what a corpus is like, what a detector could learn from it beside speech, and pages that show it."""
