"""What is raised when files do not keep their contract."""


class ContractError(ValueError):
    """A log cannot be used as declared: in one or two sentences the rule, the value, the place, the cure."""

    def __init__(self, message: str) -> None:
        from sources.addresses import unaddressed  # pyarrow takes time that those who refuse nothing need not pay

        # It quotes headers and names of files, and where a header is missing these are somebody's row.
        super().__init__(unaddressed(message))


class MissingKeyError(ContractError):
    """The key that makes pseudonyms was not found."""
