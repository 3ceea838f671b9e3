"""Which trials go on: rungs, and the rules that judge there."""
