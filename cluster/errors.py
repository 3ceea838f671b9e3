"""The one error a user sees: which rule was broken, by what value, and what to do about it."""


class SpoofsweepError(Exception):
    """A mistake in what the user gave us, or a condition only the user can mend.

    Args:
        rule: what must hold, as a statement.
        value: what was found instead.
        remedy: what to do about it.
    """

    def __init__(self, rule: str, value: object = None, remedy: str | None = None) -> None:
        self.rule, self.value, self.remedy = rule, value, remedy
        parts = [rule]
        if value is not None:
            parts.append(f"got {value}")
        if remedy:
            parts.append(remedy)
        super().__init__("; ".join(parts))

    def __reduce__(self) -> tuple[type["SpoofsweepError"], tuple[str, object, str | None]]:
        # The default would rebuild from the joined message alone, and Ray sends errors between processes.
        return type(self), (self.rule, self.value, self.remedy)


class MemoryShortageError(SpoofsweepError):
    """A GPU's memory, or a trial's share of it, did not suffice: with more of it the same may work."""


class NoRoomError(SpoofsweepError):
    """A disk, or a user's quota on it, is full: with room the same may work."""


class AwayError(SpoofsweepError):
    """A server does not answer: later the same may work."""
