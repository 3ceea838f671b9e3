"""Augmented views: chains of steps by the name of a policy, every draw seeded by study, utterance and view."""
