"""Three products a customer by the library implicit; runs in an environment of its own, for recommendations.py.

python peer_implicit.py FOLDER
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from implicit.als import AlternatingLeastSquares
from implicit.nearest_neighbours import BM25Recommender, CosineRecommender
from scipy.sparse import csr_matrix

MODELS = {
    "implicit ALS, 32 factors": lambda: AlternatingLeastSquares(
        factors=32, regularization=0.05, alpha=10.0, iterations=15, random_state=7, num_threads=2
    ),
    "implicit item-item BM25": lambda: BM25Recommender(K=100, num_threads=2),
    "implicit item-item cosine": lambda: CosineRecommender(K=100, num_threads=2),
}


def main() -> None:
    folder = Path(sys.argv[1])
    counts = pd.read_parquet(folder / "counts.parquet")
    people, persons = pd.factorize(counts["customer_id"])
    goods, products = pd.factorize(counts["product_id"])
    matrix = csr_matrix((counts["times"].astype("float32"), (people, goods))).tocsr()
    wanted = pd.read_parquet(folder / "wanted.parquet")["customer_id"]
    rows = pd.Index(persons).get_indexer(wanted)
    shelf = pd.Index(products).get_indexer(pd.read_parquet(folder / "shelf.parquet")["product_id"])
    parts = []
    for name, make in MODELS.items():
        model = make()
        model.fit(matrix, show_progress=False)
        for owned in (True, False):
            found, _ = model.recommend(
                rows, matrix[rows], N=3, filter_already_liked_items=not owned, items=np.sort(shelf)
            )
            way = name + ("" if owned else ", not owned")
            table = pd.DataFrame({"way": way, "customer_id": np.repeat(wanted.to_numpy(), 3), "place": found.ravel()})
            table = table[table["place"] >= 0]
            parts.append(table.assign(product_id=products[table["place"]]).drop(columns="place"))
    pd.concat(parts).to_parquet(folder / "found.parquet")


if __name__ == "__main__":
    main()
