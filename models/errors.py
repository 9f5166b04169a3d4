"""What learning refuses."""


class LearningError(Exception):
    """The rows teach nothing, as where everybody left or nobody did; the message says why, and the cure."""
