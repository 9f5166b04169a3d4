"""What people read: the pages on customers, model and logs, the model card, their pictures and their wording."""

from reports.damages import Damage, books, damages, fitness, unusual_gaps
from reports.data_quality import DataQualityPage, render_data_quality
from reports.deliverability import DeliverabilityPage, render_deliverability
from reports.evaluation import EvaluationPage, render_evaluation
from reports.marketing import MarketingPage, render_marketing
from reports.model_card import ModelCard, render_model_card

__all__ = [
    "Damage",
    "DataQualityPage",
    "DeliverabilityPage",
    "EvaluationPage",
    "MarketingPage",
    "ModelCard",
    "books",
    "damages",
    "fitness",
    "render_data_quality",
    "render_deliverability",
    "render_evaluation",
    "render_marketing",
    "render_model_card",
    "unusual_gaps",
]
