"""Accounts that became one: who counts as whom, refused where it goes round in a circle."""

from collections.abc import Mapping, Sequence

import pyarrow as pa

from sources.errors import ContractError


def merges_from(rows: pa.Table, files: Sequence[str]) -> Mapping[str, tuple[str, int]]:
    """Own id: the own id it became, and the instant; the newest row of an id counts.

    ``files`` names the file of each row. Ids stand in no message: the lines of a cycle are its name.

    Raises:
        ContractError: people who became each other.
    """
    ordered = sorted(
        zip(
            rows["merged_at"].fill_null(0).to_pylist(),
            rows["from_id"].to_pylist(),
            rows["to_id"].to_pylist(),
            files,
            rows["_row"].to_pylist(),
            strict=True,
        )
    )
    places = {start: (file, line) for _, start, _, file, line in ordered}
    merges = {start: (to, when) for when, start, to, _, _ in ordered}
    merges = {start: edge for start, edge in merges.items() if edge[0] != start}
    done: set[str] = set()
    for start in merges:
        path: list[str] = []
        at = start
        while at in merges and at not in done and at not in path:
            path.append(at)
            at = merges[at][0]
        if at in path:
            cycle = path[path.index(at) :]
            lines = sorted(places[one][1] for one in cycle)
            raise ContractError(
                f"{places[cycle[0]][0]}: merge_cycle, the accounts of lines {', '.join(map(str, lines))} become each "
                "other. Remove one of the lines."
            )
        done.update(path)
    return merges
