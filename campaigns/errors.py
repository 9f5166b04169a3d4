"""What a user can mend when a list is refused."""


class ListError(ValueError):
    """A list cannot be built or exported; the message says which rule, which value, where, and the cure."""


class StaleListError(ListError):
    """What we know of consent and suppression is too old to send to anyone."""


class RecipeError(ListError):
    """A list is described in params in a way that cannot be followed."""
