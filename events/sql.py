"""Texts and names as they stand in SQL."""


def quoted(text: str) -> str:
    """``text`` as an SQL string.

    Raises:
        ValueError: It holds a zero byte, at which DuckDB would end.
    """
    if "\0" in text:
        raise ValueError("a zero byte cannot stand in a name")
    return "'" + text.replace("'", "''") + "'"


def quoted_name(text: str) -> str:
    """``text`` as an SQL name."""
    return '"' + text.replace('"', '""') + '"'
