"""What every page is made with: templates that escape, and a style sheet let in by its hash alone."""

from __future__ import annotations

import base64
import functools
import hashlib

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup


@functools.cache
def environment() -> Environment:
    """The templates; a value that nobody handed in is an error, and what a shop wrote stays text."""
    return Environment(
        loader=PackageLoader("reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def style(*sheets: str) -> tuple[Markup, str]:
    """The style sheets of a page as one, and the hash by which alone the page lets a style in."""
    # Ours, without a value from outside: marked safe so that its quotes stay quotes and the hash holds.
    text = Markup("".join(environment().get_template(sheet).render() for sheet in sheets))
    digest = base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")
    return text, f"sha256-{digest}"
