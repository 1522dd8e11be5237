"""Recommender: predict how many stars a viewer gives a film, and name five films for one viewer.

Matrix factorisation (SVD with biases) on MovieLens-100K: 943 viewers, 1,682 films, 100,000 ratings. Plain Surprise:

    python -m ironhorn run examples/recommender.py               # on Ironhorn
    python examples/recommender.py                               # on Surprise itself
"""

import os
import pathlib
import random
import time

import numpy as np
from surprise import SVD, Dataset, Reader, accuracy
from surprise.model_selection import KFold

DATA = pathlib.Path(os.environ.get("IRONHORN_DATA", ".data"))

random.seed(0)
np.random.seed(0)
ratings = Dataset.load_from_file(
    str(DATA / "ml-100k" / "ml-100k" / "u.data"),
    reader=Reader(line_format="user item rating timestamp", sep="\t"),
)

rmses, maes = [], []
started = time.perf_counter()
for fold, (train, test) in enumerate(KFold(n_splits=5, random_state=0).split(ratings)):
    algorithm = SVD(n_factors=100, n_epochs=20, random_state=fold)
    algorithm.fit(train)
    predictions = algorithm.test(test)
    rmses.append(accuracy.rmse(predictions, verbose=False))
    maes.append(accuracy.mae(predictions, verbose=False))
    print(f"fold {fold}: RMSE {rmses[-1]:.4f}, MAE {maes[-1]:.4f}", flush=True)
seconds = time.perf_counter() - started

print(f"\n5-fold RMSE {np.mean(rmses):.4f}, MAE {np.mean(maes):.4f}, 5 x 20 epochs and tests in {seconds:.1f} s")

everything = ratings.build_full_trainset()
algorithm = SVD(n_factors=100, n_epochs=20, random_state=0).fit(everything)
viewer = everything.to_inner_uid("196")
seen = {item for item, _ in everything.ur[viewer]}
unseen = [everything.to_raw_iid(item) for item in everything.all_items() if item not in seen]
best = sorted((algorithm.predict("196", item) for item in unseen), key=lambda guess: guess.est, reverse=True)[:5]
print("films for viewer 196: " + ", ".join(f"{guess.iid} ({guess.est:.2f} stars)" for guess in best))
