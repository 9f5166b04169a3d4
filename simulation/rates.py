"""Every rate of the simulated shop, in one place; docs/simulated-shop.md says them in words."""

from dataclasses import dataclass

CAUSES = ("service", "delivery", "email", "discount")
"""The four causes that make a customer likelier to leave, in the order of arrays with one row a cause."""

CHANNELS = ("organic", "paid_search", "social", "referral", "marketplace")
CHANNEL_SHARE = (0.30, 0.25, 0.20, 0.15, 0.10)
CHANNEL_LOG_INTERVAL = (0.0, 0.05, 0.10, -0.25, 0.20)
CHANNEL_LEAVING = (1.0, 1.1, 1.3, 0.6, 1.5)

CATEGORIES = ("coffee", "pet", "beauty", "kitchen", "books", "garden", "decor", "gifts")
CATEGORY_SHARE = (0.18, 0.16, 0.16, 0.12, 0.12, 0.08, 0.10, 0.08)
CATEGORY_LOG_INTERVAL = (-0.35, -0.30, -0.10, 0.10, 0.00, 0.20, 0.25, 0.30)
CATEGORY_PRICE = (11.0, 16.0, 18.0, 26.0, 10.0, 21.0, 29.0, 15.0)


@dataclass(frozen=True)
class Rates:
    """What customers do a day, and what makes them leave. Times in days, chances a day unless named so."""

    # Buying
    interval_median: float = 70.0
    interval_log_sd: float = 0.55
    regularity_low: float = 1.0
    regularity_high: float = 1.15
    phase_cap: float = 2.0
    first_order_share: float = 0.92
    buys_when_intent: float = 0.25
    gives_up_intent: float = 0.12
    season_peak: float = 0.7
    # Visits
    visits_per_interval: float = 3.0
    visits_log_sd: float = 0.10
    visit_power: float = 0.75
    visit_when_intent: float = 0.30
    visit_left_factor: float = 0.15
    visit_known: float = 0.80
    cart_idle: float = 0.08
    cart_intent: float = 0.50
    cart_left: float = 0.02
    # E-mail
    newsletter_days: tuple[int, int] = (5, 19)
    subscribed_share: float = 0.75
    click_mean: float = 0.055
    open_mean: float = 0.25
    mail_left_factor: float = 0.03
    click_to_intent: float = 0.15
    unsubscribes_per_mail: float = 0.003
    complains_per_mail: float = 0.0004
    hard_bounces_per_mail: float = 0.0006
    soft_bounces_per_mail: float = 0.005
    heavy_start: float = 0.0009
    heavy_length: int = 63
    heavy_every: int = 3
    heavy_click_factor: float = 0.4
    # Leaving
    leaves_base: float = 1 / 2800
    new_factor: float = 13.0
    new_days: int = 60
    bond: tuple[float, ...] = (1.0, 2.0, 2.0, 1.3, 0.6, 0.25)
    bad_ticket_per_order: float = 0.035
    good_ticket_per_order: float = 0.05
    late_per_order: float = 0.04
    service_excess: float = 55.0
    delivery_excess: float = 55.0
    email_excess: float = 55.0
    discount_excess: float = 28.0
    excess_days: int = 60
    email_from_day: int = 24
    email_until_day: int = 90
    discount_days: int = 120
    price_only_share: float = 0.14
    price_only_discounted: float = 0.92
    others_discounted: float = 0.12
    # Re-engagement campaigns
    campaign_months: tuple[int, int] = (12, 20)
    campaign_days: int = 60
    annoyed_excess: float = 12.0


RATES = Rates()
