"""Every word of the marketer's page, by language; a translation fills the same keys."""

from __future__ import annotations

from collections.abc import Mapping

DIRECTION = {"en": "ltr"}

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
        "A person is on a list only if they agreed to e-mail and nothing speaks against it. Consent is "
        "checked once more when the list is exported."
    ),
    "list_win_back": "Win back",
    "list_abandoned_cart": "Abandoned cart",
    "who_win_back": "Customers at high risk of leaving, the most value at risk first.",
    "who_abandoned_cart": (
        "Known customers who left a cart behind and have not ordered since, the fullest carts first."
    ),
    "step_fits": "fit the list",
    "step_treat": "to write to",
    "step_holdout": "held out by lot",
    "holdout_note": (
        "Send nothing of this campaign to the people held out: comparing the two groups shows whether "
        "writing changed anything."
    ),
    "list_value": "{amount} at risk among the people to write to",
    "list_cart": "{amount} in the carts of the people to write to",
    "list_export": "Get the file with: wafa export {name}",
    "left_out": "Fit the list, but left out",
    "left_out_none": "Nobody who fits was left out.",
    "nobody": "Nobody is on this list.",
    "no_lists": "No list was built.",
    "rule_erased": "asked to be erased",
    "rule_complaint": "marked an e-mail as spam",
    "rule_hard_bounce": "address does not exist (hard bounce)",
    "rule_suppressed": "suppressed by the shop",
    "rule_opt_out": "opted out of e-mail",
    "rule_objection": "objected to profiling",
    "rule_no_consent": "no clear consent to e-mail",
    "rule_no_address": "no e-mail address",
    "rule_recently_contacted": "written to a few days ago",
    "rule_duplicate_address": "same address as another customer",
    "rule_over_budget": "beyond this list's budget",
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
    "term_odds": "Odds",
    "meaning_odds": "People who leave for each one who stays. Odds × 2 turns 50 % into 67 %.",
    "term_band": "Band",
    "meaning_band": ("High, medium or low: where the probability stands between two limits your shop chose."),
    "footer": (
        "Written by Wafa, the open churn pipeline. No name, e-mail address or customer number of the "
        "shop is in this file."
    ),
}

LANGUAGES: Mapping[str, Mapping[str, str]] = {"en": EN}
