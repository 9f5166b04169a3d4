"""The lists a shop sends: each recipe says who, in which order, why now, and what to do.

A recipe is one function of its settings; conditions are SQL over the columns of ``people`` (and ``net_value`` of
``worth``). To add one in code, write a function here and name it in :data:`RECIPES`, with a section in
:class:`campaigns.settings.Recipes`; to add one without code, use params ``campaigns.own_lists``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from campaigns import own_lists
from campaigns.errors import RecipeError
from campaigns.settings import (
    PRIORITY,
    AbandonedCartSettings,
    AtRiskSettings,
    BirthdaySettings,
    BrowseAbandonSettings,
    CampaignSettings,
    FactSettings,
    FeedbackSettings,
    ListHygieneSettings,
    ListSettings,
    LoyaltySettings,
    NextOrderSettings,
    OwnListSettings,
    ServiceRecoverySettings,
    WelcomeSettings,
    WinBackSettings,
)
from events.sql import quoted
from timeline import HOUR_US

Said = Mapping[str, str]
"""The same in English (``en``) and Urdu (``ur``)."""


@dataclass(frozen=True)
class Step:
    """One condition of a recipe: ``sql`` is true for those who stay; ``rule`` and ``says`` are of those who do not."""

    rule: str
    sql: str
    says: str


@dataclass(frozen=True)
class Recipe:
    """One list.

    ``why_now`` holds an SQL expression (text) in each language, ``rank`` SQL terms of an ORDER BY. ``despite`` names
    the quiet guards that do not stop this message. ``occasion`` (SQL, text) names the campaign of a row where the
    calendar does not; ``step`` (SQL, whole number) is the message of a series. A recipe with ``offers`` may give one
    where that leaves more, and ``row_action`` (SQL) says what to do with each row where that differs.
    """

    name: str
    title: Said
    action: Said
    steps: tuple[Step, ...]
    rank: tuple[str, ...]
    why_now: Said
    settings: ListSettings
    kind: Literal["message", "suppression"] = "message"
    despite: frozenset[str] = frozenset()
    occasion: str | None = None
    step: str = "NULL"
    offers: bool = False
    row_action: Said | None = None

    @property
    def fits(self) -> str:
        """SQL: null for whoever fits, else the rule of the first condition that fails. Unknown does not fit."""
        cases = " ".join(f"WHEN NOT coalesce({step.sql}, false) THEN {quoted(step.rule)}" for step in self.steps)
        return f"CASE {cases} END"


_ORDERED = Step("never_ordered", "orders > 0", "never ordered")
_SCORED = Step("not_scored", "churn_probability IS NOT NULL", "was not scored: no order for too long, or objects to it")


def _worth_it(column: str) -> Step:
    return Step("not_worth_it", column, "writing would cost more than it is expected to bring")


def _is_in(column: str, values: Collection[Any]) -> str:
    return f"{column} IN ({', '.join(own_lists.literal(value) for value in values)})"


def _days(number: str) -> str:
    """SQL: so many days, in English."""
    return f"{number} || CASE WHEN {number} = 1 THEN ' day' ELSE ' days' END"


def _worth_at_least(value: int) -> Step:
    return Step(
        "below_min_value",
        f"value_at_risk >= {value}",
        f"less is at risk than min_value = {value} pence, cents or the like",
    )


def _ago(hours: str, hour_word: str, day_word: str) -> str:
    return f"CASE WHEN {hours} < 48 THEN {hours} || {quoted(hour_word)} ELSE ({hours} // 24) || {quoted(day_word)} END"


def win_back(s: WinBackSettings, _facts: FactSettings) -> Recipe:
    """Lapsed customers, or nearly, who are worth it."""
    likely = f"churn_probability >= {s.min_probability}" if s.min_probability is not None else _is_in("band", s.bands)
    return Recipe(
        "win_back",
        {"en": "Win back", "ur": "واپس بلائیں"},
        {
            "en": "Write a personal note that takes up their reasons; an offer only to those whose row says so.",
            "ur": "ان کی وجوہات کا ذکر کرتے ہوئے ذاتی پیغام لکھیں؛ پیشکش صرف وہاں جہاں سطر میں لکھی ہو۔",
        },
        (
            _ORDERED,
            _SCORED,
            Step("not_lapsed", _is_in("lifecycle", ("slipping", "lapsed")), "is not late by their own rhythm"),
            Step("below_threshold", likely, "is not likely enough to leave"),
            _worth_at_least(s.min_value),
            _worth_it("is_worth_it"),
        ),
        ("net_value DESC", "percentile DESC"),
        {
            "en": f"'no order for ' || {_days('days_since_order')}",
            "ur": "days_since_order || ' دن سے کوئی آرڈر نہیں'",
        },
        s,
        offers=True,
        row_action={
            "en": "'Write a personal note that takes up their reasons' || CASE offer WHEN 'small' THEN ', with a small "
            "offer.' WHEN 'large' THEN ', with a large offer.' ELSE '; no offer.' END",
            "ur": "'ان کی وجوہات کا ذکر کرتے ہوئے ذاتی پیغام لکھیں' || CASE offer "
            "WHEN 'small' THEN '، چھوٹی پیشکش کے ساتھ۔' WHEN 'large' THEN '، بڑی پیشکش کے ساتھ۔' "
            "ELSE '؛ پیشکش نہیں۔' END",
        },
    )


def at_risk(s: AtRiskSettings, facts: FactSettings) -> Recipe:
    """An early warning: rhythm broken, mail ignored, or the score risen."""
    broken = f"(own_gaps >= 2 AND days_since_order > {facts.late_factor} * own_gap_days)"
    ignored = f"(mails_180 >= {s.min_ignored_mails} AND clicks_180 = 0 AND band <> 'low')"
    risen = f"(churn_probability - probability_before >= {s.min_rise})"
    signs = " OR ".join(f"coalesce({sign}, false)" for sign in (broken, ignored, risen))
    rise = "round(100 * (churn_probability - probability_before))::INTEGER"
    return Recipe(
        "at_risk",
        {"en": "At risk", "ur": "خطرے میں"},
        {
            "en": "Give them a reason to come by: news in what they like, help, a question. No discount yet.",
            "ur": "انہیں آنے کی وجہ دیں: ان کی پسند کی نئی چیزیں، مدد، ایک سوال۔ ابھی رعایت نہیں۔",
        },
        (
            _ORDERED,
            _SCORED,
            Step("lapsed_already", _is_in("lifecycle", ("new", "active", "slipping")), "has lapsed already"),
            Step("no_sign", f"({signs})", "shows no early sign: in rhythm, mail read, score not risen"),
            _worth_at_least(s.min_value),
            _worth_it("is_worth_it_plain"),
        ),
        ("plain_net_value DESC", "percentile DESC"),
        {
            "en": f"CASE WHEN {risen} THEN 'risk up by ' || {rise} || ' points in 28 days' "
            f"WHEN {broken} THEN 'overdue: usually every ' || round(own_gap_days)::INTEGER || ' days, now ' || "
            "days_since_order ELSE mails_180 || ' mails without a click' END",
            "ur": f"CASE WHEN {risen} THEN '28 دن میں خطرہ ' || {rise} || ' پوائنٹ بڑھا' "
            f"WHEN {broken} THEN 'معمول ' || round(own_gap_days)::INTEGER || ' دن، اب ' || days_since_order || ' دن' "
            "ELSE mails_180 || ' ای میلز پر کوئی کلک نہیں' END",
        },
        s,
    )


def abandoned_cart(s: AbandonedCartSettings, _facts: FactSettings) -> Recipe:
    """Known customers who left a cart and did not order."""
    return Recipe(
        "abandoned_cart",
        {"en": "Abandoned cart", "ur": "ادھوری ٹوکری"},
        {
            "en": "Remind them of the cart they left and link to it; no discount in the first message.",
            "ur": "چھوڑی ہوئی ٹوکری یاد دلائیں اور اس کا لنک دیں؛ پہلے پیغام میں رعایت نہیں۔",
        },
        (
            Step("no_open_cart", "cart_at IS NOT NULL", f"left no cart in the last {s.max_age_days} days"),
            Step("bought_since_cart", "NOT coalesce(cart_bought, false)", "ordered since"),
            Step(
                "cart_too_recent",
                f"cart_at <= getvariable('as_of') - {s.min_age_hours * HOUR_US}",
                f"touched the cart less than {s.min_age_hours} hours ago",
            ),
            Step("below_min_value", f"coalesce(cart_value, 0) >= {s.min_value}", "the cart holds too little"),
        ),
        ("cart_value DESC NULLS LAST",),
        {
            "en": f"'left a cart ' || {_ago('cart_age_hours', ' hours', ' days')} || ' ago'",
            "ur": f"{_ago('cart_age_hours', ' گھنٹے', ' دن')} || ' پہلے ٹوکری چھوڑی'",
        },
        s,
    )


def browse_abandon(s: BrowseAbandonSettings, _facts: FactSettings) -> Recipe:
    """Customers who looked at products and did not buy."""
    return Recipe(
        "browse_abandon",
        {"en": "Browsed, not bought", "ur": "دیکھا، خریدا نہیں"},
        {
            "en": "Show what they looked at, with one or two things like it; no discount.",
            "ur": "جو دیکھا وہ دکھائیں، ساتھ ایک دو ملتی جلتی چیزیں؛ رعایت نہیں۔",
        },
        (
            Step("not_browsing", "browse_at IS NOT NULL", f"looked at nothing in the last {s.max_age_days} days"),
            Step("bought_since", "NOT coalesce(browse_bought, false)", "ordered since"),
            Step("has_cart", "cart_at IS NULL OR cart_bought", "left a cart, which says more"),
            Step(
                "browse_too_recent",
                f"browse_at <= getvariable('as_of') - {s.min_age_hours * HOUR_US}",
                f"was here less than {s.min_age_hours} hours ago",
            ),
            Step("too_few_views", f"browse_views >= {s.min_views}", f"looked at fewer than {s.min_views} products"),
        ),
        ("browse_views DESC", "browse_at DESC"),
        {
            "en": f"'looked at products ' || {_ago('browse_age_hours', ' hours', ' days')} || ' ago, bought nothing'",
            "ur": f"{_ago('browse_age_hours', ' گھنٹے', ' دن')} || ' پہلے چیزیں دیکھیں، کچھ نہیں خریدا'",
        },
        s,
    )


def welcome(s: WelcomeSettings, _facts: FactSettings) -> Recipe:
    """Steps 1 to 4 after a sign-up or a first order."""
    age = "days_ago(welcome_from)"
    ends = [min(day + s.within_days, later) for day, later in zip(s.step_days, (*s.step_days[1:], 10**6), strict=True)]
    due = " ".join(
        f"WHEN {age} >= {day} AND {age} < {end} THEN {step}"
        for step, (day, end) in enumerate(zip(s.step_days, ends, strict=True), start=1)
    )
    step = f"CASE {due} END"
    return Recipe(
        "welcome",
        {"en": "Welcome series", "ur": "خوش آمدید"},
        {
            "en": "Step 1: welcome and what to expect. 2: how others use it. 3: what goes with it. "
            "4: ask for a second order.",
            "ur": "قدم 1: خوش آمدید۔ 2: دوسرے کیسے استعمال کرتے ہیں۔ 3: ساتھ کیا اچھا لگے گا۔ 4: دوسرے آرڈر کی دعوت۔",
        },
        (
            Step("not_new", "welcome_from IS NOT NULL", "has ordered more than once"),
            Step("no_step_due", f"{step} IS NOT NULL", "no step of the series is due"),
        ),
        ("welcome_from DESC",),
        {
            "en": f"CASE WHEN orders = 0 THEN 'signed up ' ELSE 'first order ' END || {_days(age)} || ' ago'",
            "ur": f"{age} || CASE WHEN orders = 0 THEN ' دن پہلے رجسٹر ہوئے' ELSE ' دن پہلے پہلا آرڈر' END",
        },
        s,
        despite=frozenset({"recent_order"}),
        occasion=f"CASE WHEN orders = 0 THEN 'signup-' ELSE 'order-' END || {step}",
        step=step,
    )


def post_purchase_feedback(s: FeedbackSettings, _facts: FactSettings) -> Recipe:
    """A question once the parcel has come and been used."""
    age = "days_ago(delivered_at)"
    return Recipe(
        "post_purchase_feedback",
        {"en": "Feedback after the purchase", "ur": "خریداری کے بعد رائے"},
        {
            "en": "Ask one question about the order and link to a review; sell nothing.",
            "ur": "آرڈر کے بارے میں ایک سوال پوچھیں اور رائے کا لنک دیں؛ کچھ نہ بیچیں۔",
        },
        (
            Step("not_delivered", "delivered_at IS NOT NULL", "nothing was delivered yet"),
            Step(
                "not_lately",
                # A delivery that is only assumed may lie ahead.
                f"delivered_at <= getvariable('as_of') AND {age} >= {s.min_days} AND {age} <= {s.max_days}",
                f"the last delivery was not {s.min_days} to {s.max_days} days ago",
            ),
            Step(
                "had_trouble",
                "NOT coalesce(late_delivery_at = delivered_at, false) "
                "AND NOT coalesce(last_ticket_at >= last_order_at, false)",
                "had trouble with the order; that is for service recovery",
            ),
        ),
        ("delivered_at DESC",),
        {
            "en": f"'delivered ' || {_days(age)} || ' ago'",
            "ur": f"{age} || ' دن پہلے ڈیلیوری ہوئی'",
        },
        s,
        despite=frozenset({"recent_order"}),
    )


def birthday(s: BirthdaySettings, _facts: FactSettings) -> Recipe:
    """A greeting before the birthday."""
    return Recipe(
        "birthday",
        {"en": "Birthday", "ur": "سالگرہ"},
        {"en": "Send a greeting; a small gift costs little and is kept.", "ur": "مبارک باد بھیجیں؛ ایک چھوٹا تحفہ۔"},
        (
            Step("birthday_unknown", "days_to_birthday IS NOT NULL", "no birthday is known"),
            Step("not_due", f"days_to_birthday <= {s.days_before}", f"no birthday in the next {s.days_before} days"),
        ),
        ("days_to_birthday", "revenue DESC"),
        {
            "en": "CASE days_to_birthday WHEN 0 THEN 'birthday today' WHEN 1 THEN 'birthday tomorrow' "
            "ELSE 'birthday in ' || days_to_birthday || ' days' END",
            "ur": "CASE days_to_birthday WHEN 0 THEN 'آج سالگرہ' ELSE days_to_birthday || ' دن میں سالگرہ' END",
        },
        s,
    )


def next_order(s: NextOrderSettings, _facts: FactSettings) -> Recipe:
    """The usual gap of somebody in rhythm ends about now."""
    return Recipe(
        "next_order",
        {"en": "Next order due", "ur": "اگلا آرڈر"},
        {
            "en": "Remind them of what they buy again and again, ready to order.",
            "ur": "جو وہ بار بار خریدتے ہیں یاد دلائیں، آرڈر کے لیے تیار۔",
        },
        (
            _ORDERED,
            _SCORED,
            Step("no_rhythm", "own_gaps >= 2", "has ordered too seldom to have a rhythm"),
            Step(
                "not_due",
                f"abs(own_gap_days - days_since_order) <= {s.within_days}",
                f"the next order is not due within {s.within_days} days",
            ),
            Step(
                "likely_to_leave",
                f"churn_probability <= {s.max_probability}",
                "is likely to leave; that is for other lists",
            ),
        ),
        ("expected_value DESC",),
        {
            "en": "'orders about every ' || round(own_gap_days)::INTEGER || ' days, last ' || days_since_order "
            "|| ' days ago'",
            "ur": "'تقریباً ہر ' || round(own_gap_days)::INTEGER || ' دن بعد آرڈر، آخری ' || days_since_order "
            "|| ' دن پہلے'",
        },
        s,
    )


def loyalty(s: LoyaltySettings, _facts: FactSettings) -> Recipe:
    """The best customers: thank, don't discount."""
    best = _is_in("tier", s.tiers) if s.tiers else _is_in("rfm_segment", s.segments)
    return Recipe(
        "loyalty",
        {"en": "Best customers", "ur": "بہترین گاہک"},
        {
            "en": "Thank them, show them something first, tell them their points. No discount: they buy without.",
            "ur": "شکریہ ادا کریں، نئی چیز پہلے دکھائیں، پوائنٹس بتائیں۔ رعایت نہیں: وہ ویسے بھی خریدتے ہیں۔",
        },
        (_ORDERED, Step("not_best", best, "is not among the best customers")),
        ("revenue_365 DESC", "revenue DESC"),
        {
            "en": "'one of your best: ' || orders || ' orders' || coalesce(', ' || tier, '')",
            "ur": "'بہترین گاہکوں میں سے: ' || orders || ' آرڈر'",
        },
        s,
    )


def service_recovery(s: ServiceRecoverySettings, facts: FactSettings) -> Recipe:
    """Somebody had trouble with a ticket or a parcel: make it good."""
    trouble = "greatest(bad_ticket_at, late_delivery_at)"
    return Recipe(
        "service_recovery",
        {"en": "Make it good", "ur": "تلافی"},
        {
            "en": "Apologise for what happened, say what was done, give a way to answer. "
            "A person should read the answers.",
            "ur": "جو ہوا اس پر معذرت کریں، بتائیں کیا کیا گیا، جواب کا راستہ دیں۔ جواب کوئی انسان پڑھے۔",
        },
        (
            Step(
                "no_trouble",
                f"days_ago({trouble}) < {s.max_age_days}",
                f"had no bad ticket, late parcel or low rating in the last {s.max_age_days} days",
            ),
            Step("ordered_since", f"NOT coalesce(last_order_at > {trouble}, false)", "has ordered again since"),
        ),
        ("value_at_risk DESC NULLS LAST", f"{trouble} DESC"),
        {
            "en": f"CASE WHEN low_rating_at = {trouble} THEN 'was not satisfied with an answer' "
            f"WHEN bad_ticket_at = {trouble} THEN 'waited more than {facts.slow_hours} hours for an answer' "
            "ELSE 'parcel came late' END || ', ' || " + _days(f"days_ago({trouble})") + " || ' ago'",
            "ur": f"days_ago({trouble}) || ' دن پہلے: ' || "
            f"CASE WHEN low_rating_at = {trouble} THEN 'جواب سے مطمئن نہیں' "
            f"WHEN bad_ticket_at = {trouble} THEN 'جواب میں دیر' ELSE 'پارسل دیر سے آیا' END",
        },
        s,
        despite=frozenset({"recent_ticket", "recent_order"}),
    )


def list_hygiene(s: ListHygieneSettings, _facts: FactSettings) -> Recipe:
    """Addresses to stop writing to: bounced, complained, or long silent by clicks, visits and orders."""
    gone = "(hard_bounced OR complained)"
    silent = f"(days_ago(engaged_at) >= {s.unengaged_days} AND mails_180 >= {s.min_mails})"
    return Recipe(
        "list_hygiene",
        {"en": "List hygiene", "ur": "فہرست کی صفائی"},
        {
            "en": "Suppress bounced and complaining addresses at once; stop regular mail to the long silent.",
            "ur": "واپس آنے والے اور شکایت والے پتے فوراً روکیں؛ دیر سے خاموش لوگوں کو معمول کی ای میل بند کریں۔",
        },
        (
            Step("no_address", "address_key IS NOT NULL", "has no address"),
            Step(
                "engaged",
                f"{gone} OR {silent}",
                f"does not bounce or complain, and clicked, visited or ordered in the last {s.unengaged_days} days "
                "or is hardly mailed",
            ),
        ),
        (f"{gone} DESC", "engaged_at"),
        {
            "en": "CASE WHEN complained THEN 'complained of spam' WHEN hard_bounced THEN 'the address does not exist' "
            "ELSE mails_180 || ' mails in 180 days; no click, visit or order for ' || days_ago(engaged_at) "
            "|| ' days' END",
            "ur": "CASE WHEN complained THEN 'اسپیم کی شکایت' WHEN hard_bounced THEN 'پتہ موجود نہیں' "
            "ELSE days_ago(engaged_at) || ' دن سے کوئی کلک، وزٹ یا آرڈر نہیں' END",
        },
        s,
        kind="suppression",
        row_action=dict.fromkeys(("en", "ur"), f"CASE WHEN {gone} THEN 'suppress' ELSE 'sunset' END"),
    )


RECIPES: Mapping[str, Callable[[Any, FactSettings], Recipe]] = {
    recipe.__name__: recipe
    for recipe in (
        win_back,
        at_risk,
        abandoned_cart,
        browse_abandon,
        welcome,
        post_purchase_feedback,
        birthday,
        next_order,
        loyalty,
        service_recovery,
        list_hygiene,
    )
}
"""Every recipe by the name of its list, which is also its key in params."""


def _own(name: str, s: OwnListSettings) -> Recipe:
    place = f"params.yaml: campaigns.own_lists.{name}"
    for column, wanted in s.who.items():
        own_lists.check(place, column, wanted)
    own_lists.check_rank(place, s.rank_by)
    steps = tuple(
        Step(column, own_lists.condition(column, wanted), f"{column} is not {own_lists.words(wanted)}")
        for column, wanted in s.who.items()
    )
    return Recipe(
        name,
        {"en": s.title, "ur": s.title},
        {"en": s.action, "ur": s.action},
        steps,
        (f'"{s.rank_by}" DESC NULLS LAST',),
        {"en": quoted(s.why_now), "ur": quoted(s.why_now)},
        s,
    )


def cook(s: CampaignSettings) -> dict[str, Recipe]:
    """The recipes that are switched on, in the order of ``campaigns.priority``.

    Lists that it does not name follow in the order of :data:`campaigns.settings.PRIORITY`, then the shop's own.

    Raises:
        RecipeError: An own list has the name of another one or cannot be asked, or the priority or a list names
            something unknown.
    """
    made = {name: recipe(getattr(s.lists, name), s.facts) for name, recipe in RECIPES.items()}
    own_lists.check_values("params.yaml: campaigns.lists.loyalty.segments", "rfm_segment", s.lists.loyalty.segments)
    for name, own in s.own_lists.items():
        if name in made:
            raise RecipeError(f"params.yaml: campaigns.own_lists.{name} is the name of a list that ships. Rename it.")
        made[name] = _own(name, own)
    for name in s.priority:
        if name not in made:
            raise RecipeError(
                f"params.yaml: campaigns.priority: there is no list {name!r}.{own_lists.nearest(name, made)} "
                f"Known: {', '.join(made)}."
            )
    order = list(dict.fromkeys([*s.priority, *PRIORITY, *made]))
    # What takes addresses off the lists comes last: whoever gets a message now is not let go in the same run.
    order.sort(key=lambda name: made[name].kind != "message")
    return {name: made[name] for name in order if made[name].settings.on}
