"""A platform's profile by its name, and what it can do: write a list, its companion file and its README."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from functools import cache
from importlib import resources
from pathlib import Path

from pydantic import ValidationError
from ruamel.yaml import YAML

from campaigns.errors import ListError
from campaigns.platforms import writing
from campaigns.platforms.columns import Context
from campaigns.platforms.spec import Spec


class Profile(Spec):
    """How lists are written for one platform."""

    def write(self, batches: Iterable[writing.Batch], folder: Path, stem: str, context: Context) -> writing.Written:
        """See :func:`campaigns.platforms.writing.write`."""
        return writing.write(self, batches, folder, stem, context)

    def write_suppressed(self, addresses: Iterable[str], folder: Path, stem: str) -> writing.Written:
        """See :func:`campaigns.platforms.writing.write_suppressed`."""
        return writing.write_suppressed(self, addresses, folder, stem)

    def readme(
        self, stem: str, written: writing.Written, suppressed: writing.Written, context: Context, *, held_out: int
    ) -> list[str]:
        """What to click, in lines that lie beside the files; ``held_out`` people are in none of them."""
        lines = [
            f"List {stem} for {self.title}, scored as of {context.score_date}: {written.rows} people to write to.",
            f"1. {self.suppression.step} File: {', '.join(suppressed.files)} (addresses: {suppressed.rows}).",
        ]
        files = ", ".join(written.files)
        steps = [f"{self.steps[0]} File{'s, one after the other' if len(written.files) > 1 else ''}: {files}."]
        steps += [
            *self.steps[1:],
            "Leave every consent or subscription choice as it is: this file grants none.",
            f"Write to this list only. {held_out} similar people are held out by lot, are not in it, and get nothing "
            "from this campaign: that is how its effect is measured."
            if held_out
            else "Write to this list only. Nobody is held out, so what this campaign changes cannot be measured.",
        ]
        lines += [f"{number}. {step}" for number, step in enumerate(steps, start=2)]
        if written.cut_cells:
            lines.append(f"{written.cut_cells} texts were cut to the {self.text_bytes} bytes that {self.title} keeps.")
        lines.append("churn_act_by: half of those who order again by themselves have done so by that day.")
        if self.shape == "csv":
            lines.append("Amounts are in the shop's currency.")
            if self.spreadsheet_safe:
                lines.append("A leading quote in a cell keeps spreadsheets from running it.")
        lines.append(f"The vendor's page: {self.page}")
        return lines


def names() -> tuple[str, ...]:
    """The names of all platforms, in order."""
    files = resources.files("campaigns.platforms").iterdir()
    return tuple(sorted(file.name.removesuffix(".yaml") for file in files if file.name.endswith(".yaml")))


@cache
def load(name: str) -> Profile:
    """The profile of the platform called ``name``.

    Raises:
        ListError: There is no such platform, or its file says what a profile cannot mean.
    """
    if name not in names():
        near = difflib.get_close_matches(name.lower(), names(), n=1, cutoff=0.5)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise ListError(f"There is no platform {name!r}.{hint} Choose one of: {', '.join(names())}.")
    text = resources.files("campaigns.platforms").joinpath(f"{name}.yaml").read_text(encoding="utf-8")
    try:
        return Profile.model_validate({"name": name, **YAML(typ="safe", pure=True).load(text)})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ListError(f"The profile {name}.yaml is wrong at {where or 'its top'}: {first['msg']}.") from error
