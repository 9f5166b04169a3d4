"""Every word of the marketer's page, by language; a translation fills the same keys."""

from __future__ import annotations

from collections.abc import Mapping

from reports.wording_urdu import UR

DIRECTION = {"en": "ltr", "ur": "rtl"}

EN: Mapping[str, str] = {
    "title": "Who is about to leave, why, and what to do about it",
    "scored_as_of": "Scored as of {day}",
    "population": "Everyone here ordered at least once in the {active_days} days before that day.",
    "simulated": (
        "This shop is simulated. Its customers, orders and figures are made up to show what the page looks like."
    ),
    "tile_scored": "customers scored",
    "tile_high": "at high risk of leaving",
    "tile_high_note": "{share} of all",
    "tile_value": "value at risk",
    "tile_value_note": "{high} of it at high risk",
    "tile_expected": "expected value, next 12 months",
    "tile_lists": "people to write to now",
    "tile_lists_note": "{holdout} more held out to measure the effect",
    "high": "High risk",
    "medium": "Medium risk",
    "low": "Low risk",
    "risk_title": "How likely are they to leave?",
    "risk_lead": (
        "Leaving means no order from day {from_day} to day {to_day} after {day}. A probability means "
        "what it says: of 100 customers at 30 %, about 30 will not order in that time."
    ),
    "risk_axis": "Probability of leaving",
    "risk_picture": "Number of customers by probability of leaving",
    "risk_bar": "{total} customers between {low} and {high}",
    "band": "Band",
    "customers": "Customers",
    "share": "Share",
    "mean_probability": "Mean probability",
    "value_title": "Where the money at risk sits",
    "value_lead_trees": (
        "Value at risk is what leaving would cost: the net revenue of the next 12 months if the customer "
        "stays, less what they still bring in if they leave, times the probability that they leave."
    ),
    "value_lead_formula": (
        "Value at risk is what a customer spends in a year, judged by all orders so far, times the "
        "probability that they leave."
    ),
    "value_tested": (
        "Tested as of {day}: the expected value of those customers added up to {ratio} of what they then "
        "brought in ({low} to {high} in 95 of 100 draws)."
    ),
    "value_untested": ("No past test has a whole year behind it yet, so nobody has seen how near these amounts come."),
    "value_formula_why": "A simple formula tells them, and nothing learned from the past, because {why}.",
    "why_title": "Why are they leaving?",
    "why_lead": (
        "For each high-risk customer the model names up to three main reasons. This is how often each "
        "kind of reason comes first. Reasons say what the model saw, not what will change a mind."
    ),
    "why_odds": "where it counts, odds of leaving × {odds} on average",
    "why_unclear": (
        "For {share} of the high-risk customers no single reason stands out: the same model, trained once more with "
        "other chance numbers, put another one first. They are not counted above."
    ),
    "why_none": "No customer is at high risk, so there is nothing to explain.",
    "actionable": "you can act on this",
    "context": "background",
    "examples_title": "Some of them, up close",
    "examples_lead": (
        "Names and addresses are not in this file. Each code stands for one customer; wafa explain CODE shows more."
    ),
    "examples_none": "No customer was explained.",
    "last_order": "last order {days} days ago",
    "usual_gap": "usually every {days} days",
    "worth": "{amount} at risk",
    "next_order": "If they order by day {days}: likely between {first} and {last}, half of such customers by {middle}",
    "raises": "raises the risk",
    "lowers": "lowers the risk",
    "lists_title": "Whom to write to",
    "lists_lead": (
        "A person gets one message at most, and only if they agreed to e-mail and nothing speaks against it. Consent "
        "is checked once more when a list is approved and exported."
    ),
    "list": "List",
    "fits": "Fit",
    "allowed": "May get it",
    "to_write": "To write to",
    "held_out": "Held out",
    "net_value": "Net value",
    "who_win_back": "Customers who are late by their own rhythm and likely to leave, and who are worth a message.",
    "now_win_back": "Their usual time to order has passed, and there is still something to keep.",
    "who_at_risk": "Customers who have not lapsed yet, but fell out of rhythm, stopped clicking, or whose risk rose.",
    "now_at_risk": "It is the earliest sign: a reason to come by now costs less than winning them back later.",
    "who_abandoned_cart": "Known customers who left a cart behind and have not ordered since, the fullest carts first.",
    "now_abandoned_cart": "They wanted it a few days ago; soon they will have it from elsewhere.",
    "who_browse_abandon": "Customers who looked at products, left no cart and have not ordered since.",
    "now_browse_abandon": "They were here in the last days, so they still know what they looked at.",
    "who_welcome": "People who signed up or ordered for the first time, and for whom a step of the series is due.",
    "now_welcome": "What they think of the shop forms in the first weeks.",
    "who_post_purchase_feedback": "Customers whose last parcel came without trouble some days ago.",
    "now_post_purchase_feedback": "They have used what they bought, and still remember how it came.",
    "who_birthday": "People who told the shop their birthday, and it is near.",
    "now_birthday": "The day comes once a year.",
    "who_next_order": "Customers in rhythm whose usual gap between two orders ends about now.",
    "now_next_order": "They are about to need it again; a reminder saves them the search.",
    "who_loyalty": "The best customers by tier or by what they bought and how lately.",
    "now_loyalty": "Nothing is wrong. Thanks are worth most to those who never had to ask for them.",
    "who_service_recovery": "Customers with a late parcel, a slow answer or a bad rating who have not ordered since.",
    "now_service_recovery": "Trouble that nobody answers is a reason to leave; it should not wait.",
    "who_list_hygiene": (
        "Addresses that bounced for good or complained, and people who are mailed but have not clicked, visited or "
        "ordered for long."
    ),
    "now_list_hygiene": "Each mail to them harms the delivery of all others.",
    "who_own": "A list of your own, described in params.yaml under campaigns.own_lists.{name}.",
    "do": "What to do:",
    "held_everywhere": "{n} of those held out are held out from every list.",
    "holdout_note": (
        "Send nothing of this campaign to the people held out: comparing the two groups shows whether "
        "writing changed anything."
    ),
    "worth_net": "Writing is expected to bring {net} more than its costs of {cost}.",
    "worth_sensitivity": "With half the save rate it would be {half}, with twice the rate {double}.",
    "worth_least": "Below {least} of that rate the list costs more than it brings.",
    "worth_title": "What the amounts rest on",
    "save_rate": "The save rate is {rate}: of 100 people who would leave, a message keeps so many.",
    "save_rate_assumed": "It is an assumption (params: campaigns.economy); no experiment here has measured it yet.",
    "save_rate_measured": (
        "It was measured in this shop's own experiments on {treated} people written to and {control} left alone: "
        "between {low} and {high} in 95 of 100 draws."
    ),
    "save_rate_nothing": "That includes zero, so it may be that messages keep nobody.",
    "save_rate_personal": "It differs between people, and each counts with a rate of their own.",
    "list_cart": "{amount} in the carts of the people to write to.",
    "power_title": "What the comparison can show",
    "power_nobody": "One of the two groups is empty, so what writing changes cannot be measured.",
    "power_none": "With {treated} written to and {held_out} held out no effect would be seen {power} of the time.",
    "power_seen": (
        "With {treated} written to and {held_out} held out only an effect of {effect} points or more would be seen "
        "{power} of the time."
    ),
    "power_base": "{base} are expected to order without a message.",
    "power_assumed": (
        "The save rate would be an effect of {effect} points here, which would be seen {chance} of the time; to see it "
        "{power} of the time needs {needed} people."
    ),
    "left_out": "Who was left out, and why",
    "guard": "Fit, but",
    "before": "Before",
    "stopped": "Left out",
    "after": "After",
    "left_out_none": "Nobody who fits was left out.",
    "misfits": "Do not fit",
    "list_commands": "Look at it, approve it, get the file:",
    "suppression_title": "Whom to stop writing to",
    "suppression_lead": "No message: a file of addresses for your platform's suppression list.",
    "take_off": "To take off",
    "nobody": "Nobody is on this list.",
    "no_lists": "No list was built.",
    "quality_title": "How far can you trust it?",
    "quality": (
        "In {tests} past tests on customers who had ordered in the last {active_days} days, of the "
        "tenth the model put most at risk {found} of 100 really did not come back, against {all} of "
        "100 of all."
    ),
    "quality_one": (
        "In one past test on customers who had ordered in the last {active_days} days, of the tenth "
        "the model put most at risk {found} of 100 really did not come back, against {all} of 100 of "
        "all."
    ),
    "quality_better": "Picking simply by days since the last order would have found {by_rule}.",
    "quality_not_better": (
        "Picking simply by days since the last order would have found {by_rule}: no fewer. For "
        "choosing the top tenth the simple rule does as well here."
    ),
    "quality_model": "the model's riskiest tenth",
    "quality_rule": "the tenth with the oldest last order",
    "quality_all": "all customers in the tests",
    "quality_of_100": "{n} of 100 left",
    "quality_none": "This model has not been tested on the past yet, so nobody knows how good it is.",
    "quality_population": (
        "Tested as of {origins}, each time with a model that had seen nothing later; {rows} customers and dates in all."
    ),
    "reliability_title": "Predicted and what happened",
    "reliability_lead": (
        "Each dot is a tenth of the customers in the tests. On the line the model was right; above it "
        "more left than predicted, below it fewer."
    ),
    "reliability_x": "predicted to leave",
    "reliability_y": "really left",
    "days_tested": (
        "Of the customers in the tests who did order, {covered} did so in the days named for them ({low} to {high} "
        "in 95 of 100 draws); the days are meant to hold 80 of 100."
    ),
    "missing_title": "What the model could not see",
    "missing_none": "Every kind of log this pipeline reads was there.",
    "missing_lead": "These logs were not there. Everything above was computed without them.",
    "late": "The source does not say when these logs arrived, so late arrival cannot be checked: {logs}.",
    "quality_page": "What arrived, what was set aside and what is missing: the page on the quality of the logs",
    "log_customers": "Customer records (consent, birthday, country)",
    "log_orders": "Orders",
    "log_order_items": "What was in each order",
    "log_web_events": "Visits and carts",
    "log_email_events": "E-mails sent, opened and clicked",
    "log_support_tickets": "Customer service tickets",
    "log_deliveries": "Promised and actual deliveries",
    "log_consent_events": "Consent and objections",
    "log_loyalty_events": "Loyalty points and tiers",
    "log_campaign_contacts": "Earlier campaigns",
    "log_identity_map": "Which visitor is which customer",
    "glossary_title": "Words on this page",
    "term_probability": "Probability of leaving",
    "meaning_probability": (
        "How likely it is that the customer places no order in the {horizon_days} days that count."
    ),
    "term_value": "Value at risk",
    "meaning_value_trees": (
        "The net revenue of the next 12 months if the customer stays, less that if they leave, times the probability "
        "that they leave. Nothing is at risk where leaving would cost nothing."
    ),
    "meaning_value_formula": (
        "What the customer spends in a year, judged by all orders so far, times the probability that they leave."
    ),
    "term_expected": "Expected value",
    "meaning_expected_trees": (
        "The net revenue of the next 12 months: after discounts and refunds, without shipping and tax. Both cases "
        "count, staying and leaving, each by its probability and by what the year after earlier dates brought in."
    ),
    "meaning_expected_formula": (
        "The same spending times the probability that they stay; after discounts, without shipping and tax."
    ),
    "term_act_by": "The day to act by",
    "meaning_act_by": (
        "Half of the customers of this kind who come back by themselves have done so by then. Before it a message "
        "reaches many who would have come anyway, after it many who have gone."
    ),
    "term_holdout": "Held out",
    "meaning_holdout": (
        "A random share of every list that gets nothing, so that the effect of writing can be measured."
    ),
    "term_net": "Net value",
    "meaning_net": (
        "The value at risk times the save rate, less what writing and any offer cost, added up over the people to "
        "write to who were scored."
    ),
    "term_odds": "Odds",
    "meaning_odds": "People who leave for each one who stays. Odds × 2 turns 50 % into 67 %.",
    "term_band": "Band",
    "meaning_band": ("High, medium or low: where the probability stands between two limits your shop chose."),
    "footer": (
        "Written by Wafa, the open churn pipeline. No name, e-mail address or customer number of the "
        "shop is in this file."
    ),
}

LANGUAGES: Mapping[str, Mapping[str, str]] = {"en": EN, "ur": UR}
