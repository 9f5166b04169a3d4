"""What people read: the marketer's page, its pictures and its wording."""

from reports.marketing import MarketingPage, render_marketing

__all__ = ["MarketingPage", "render_marketing"]
