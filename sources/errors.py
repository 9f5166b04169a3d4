"""What is raised when files do not keep their contract."""


class ContractError(ValueError):
    """A log cannot be used as declared: in one or two sentences the rule, the value, the place, the cure."""


class MissingKeyError(ContractError):
    """The key that makes pseudonyms is nowhere."""
