"""Three people with everything that is hard to write, and a slow second way to write them."""

from __future__ import annotations

import json
import math
import re
import unicodedata
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

import pandas as pd

from campaigns.platforms import COLUMNS, Context, Profile

CONTEXT = Context(score_date="2025-10-01", horizon_days=90, minor_digits=2, model_version="3f9ab0c1d2e4")

ANNA: dict[str, Any] = {
    "shop_id": "C000042",
    "email": "anna@example.org",
    "list": "win_back",
    "campaign": "win_back-2025-09-18",
    "group": "treat",
    "arm": "short_subject",
    "step": 1,
    "churn_probability": 0.8125,
    "band": "high",
    "percentile": 97.25,
    "value_at_risk": 123450,
    "expected_value": 151938,
    "next_order_expected": 61.5,
    "days_since_order": 140,
    "usual_gap_days": 48.25,
    "act_by": "2025-11-07",
    "rfm_segment": "at_risk",
    "lifecycle": "lapsing",
    "value_tier": "top",
    "main_interest": "Tea & coffee",
    "discount_dependence": "never",
    "why_now": "No order for 140 days; usual gap 48 days, so nearly three gaps.",
    "reason_1": 'Ordered "Darjeeling, 250 g" less often',
    "reason_2": "Ignores most emails",
    "reason_3": None,
    "product_1": "SKU-1001",
    "product_2": "SKU-0007",
    "product_3": "SKU-3",
    "action": "win back",
    "offer": "none",
    "send_hour": 18,
    "send_weekday": "Tuesday",
    "tier": "gold",
    "points": 1200,
    "cart_value": None,
}
BASIT: dict[str, Any] = dict.fromkeys(ANNA) | {
    "shop_id": "C000043",
    "email": "basit.ahmad@example.com",
    "list": "win_back",
    "campaign": "win_back-2025-09-18",
    "group": "treat",
    "why_now": "آخری خریداری کو ۱۴۰ دن ہو گئے ہیں۔",
    "reason_1": "چائے، پہلے سے کم خریدی",
    "product_1": '=HYPERLINK("https://example.net";"tea")',
    "product_2": "＋1",
    "cart_value": 5,
}
CARLA: dict[str, Any] = ANNA | {
    "shop_id": "0007",
    "email": "carla+shop@example.net",
    "churn_probability": 0.00004,
    "band": "low",
    "percentile": 0.0,
    "value_at_risk": 0,
    "why_now": "é" * 200,
    "reason_1": "line one\nline two",
    "product_1": " -2+3",
    "next_order_expected": None,
    "act_by": None,
}
PEOPLE = [ANNA, BASIT, CARLA]


def frame(people: list[dict[str, Any]] = PEOPLE) -> pd.DataFrame:
    return pd.DataFrame(people)


def rounded(value: Any, decimals: int) -> str:
    text = str((Decimal(repr(float(value))) * 10**decimals).quantize(Decimal(1), ROUND_HALF_EVEN))
    digits = str(abs(int(text))).rjust(decimals + 1, "0")
    sign = "-" if int(text) < 0 else ""
    return f"{sign}{digits[:-decimals]}.{digits[-decimals:]}" if decimals else f"{sign}{digits}"


def dressed(profile: Profile, day: pd.Timestamp) -> str:
    return profile.dates.format(year=f"{day.year:04}", month=f"{day.month:02}", day=f"{day.day:02}")


def plain(profile: Profile, person: dict[str, Any], column: Any, context: Context) -> str | None:
    value = getattr(context, column.source) if column.of_context else person.get(column.source)
    if value is None or pd.isna(value):
        return None
    if column.kind == "text":
        return str(value)
    if column.kind == "amount":
        return rounded(value / 10**context.minor_digits, context.minor_digits)
    if column.kind == "date":
        return dressed(profile, pd.Timestamp(value))
    if column.kind == "days_ahead":
        return dressed(profile, pd.Timestamp(context.score_date) + pd.Timedelta(days=math.floor(value)))
    return rounded(value, column.decimals)


def harmless(text: str) -> str:
    normal = unicodedata.normalize("NFKC", text)
    rest = normal
    while rest and (unicodedata.category(rest[0]) in ("Cc", "Cf", "Zs", "Zl", "Zp")) and rest[0] not in "\t\r\n\x00":
        rest = rest[1:]
    return "'" + text if rest[:1] and rest[0] in "=+-@\t\r\n\x00\u2212" else text


def cell(profile: Profile, text: str) -> str:
    if profile.quote == "always" or re.search('[,;\t|"\r\n]', text):
        return '"' + text.replace('"', '""') + '"'
    return text


def slowly(profile: Profile, people: list[dict[str, Any]], context: Context = CONTEXT) -> str:
    """What the list file of ``profile`` must be, written one cell after the other."""
    columns = [column for name in profile.columns for column in COLUMNS if column.name == name]
    heads = [*profile.identifiers.values(), *(profile.header_of(column.name) for column in columns)]
    if profile.shape == "listmonk":
        heads = [*profile.identifiers.values(), "name", "attributes"]
    lines = [profile.delimiter.join(cell(profile, head) for head in heads)]
    for person in people:
        cells = [person[{"customer_id": "shop_id", "email": "email"}[name]] for name in profile.identifiers]
        texts = {column.name: plain(profile, person, column, context) for column in columns}
        if profile.shape == "listmonk":
            numbers = {column.name for column in columns if column.kind in ("whole", "number", "amount")}
            known = {name: text for name, text in texts.items() if text is not None}
            spelled = {n: text if n in numbers else json.dumps(text, ensure_ascii=False) for n, text in known.items()}
            pairs = [f'"{profile.header_of(name)}":{text}' for name, text in spelled.items()]
            cells += ["", "{" + ",".join(pairs) + "}"]
        else:
            for column in columns:
                text = texts[column.name] or ""
                if column.kind == "text":
                    text = harmless(text) if profile.spreadsheet_safe else text
                    if profile.text_bytes is not None:
                        while len(text.encode()) > profile.text_bytes:
                            text = text[:-1]
                cells.append(text)
        lines.append(profile.delimiter.join(cell(profile, text) for text in cells))
    return "\n".join(lines) + "\n"
