"""What people read: the marketer's page, the evaluation page and model card, their pictures and their wording."""

from reports.evaluation import EvaluationPage, render_evaluation
from reports.marketing import MarketingPage, render_marketing
from reports.model_card import ModelCard, render_model_card

__all__ = [
    "EvaluationPage",
    "MarketingPage",
    "ModelCard",
    "render_evaluation",
    "render_marketing",
    "render_model_card",
]
