"""The data doctor: what a corpus is like, what a detector could learn from it instead of speech, and pages that show it."""
