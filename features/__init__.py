"""What a customer did: the catalogue of behavioural features, the builder of their matrix, and the churn label."""

from features import (  # noqa: F401  (importing a log module enters its features)
    acquisition,
    carts,
    clicks,
    contact,
    delivery,
    discounts,
    email,
    frequency,
    loyalty,
    orders,
    products,
    returns,
    service,
    spending,
    touches,
    web,
)
from features.catalogue import (
    CATALOGUE,
    FAMILIES,
    LANGUAGES,
    VIEWS,
    Column,
    Family,
    Feature,
    Language,
    OwnLog,
    Words,
    check_rows,
    columns,
    logs_behind,
    own_family,
    own_features,
)
from features.cohort import (
    buyers_within,
    eligible_at,
    label_at,
    next_order_at,
    purchase_history_at,
    revenue_after,
)
from features.matrix import MatrixBuilder, build_matrix
from features.wording import sentence

check_rows()

__all__ = [
    "CATALOGUE",
    "FAMILIES",
    "LANGUAGES",
    "VIEWS",
    "Column",
    "Family",
    "Feature",
    "Language",
    "MatrixBuilder",
    "OwnLog",
    "Words",
    "build_matrix",
    "buyers_within",
    "columns",
    "eligible_at",
    "label_at",
    "logs_behind",
    "next_order_at",
    "own_family",
    "own_features",
    "purchase_history_at",
    "revenue_after",
    "sentence",
]
