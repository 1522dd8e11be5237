"""Write surprise_reference.json: what real scikit-surprise computes on a small data set of made-up ratings.

Run with scikit-surprise installed: python tests/compat/make_surprise_reference.py
"""

import contextlib
import io
import json
import pathlib
import tempfile

import numpy as np
import surprise
from surprise import SVD, Dataset, Reader, accuracy
from surprise.model_selection import KFold, cross_validate, train_test_split
from surprise.model_selection.validation import print_summary

RATES = {"lr_bu": 0.01, "lr_bi": 0.002, "lr_pu": 0.03, "lr_qi": 0.008}
PENALTIES = {"reg_bu": 0.1, "reg_bi": 0.0, "reg_pu": 0.05, "reg_qi": 0.01}
CASES = {
    "default": {},
    "unbiased": {"biased": False, "lr_all": 0.01, "init_mean": 0.3},
    "each_rate": {**RATES, **PENALTIES, "n_factors": 20, "init_mean": 0.05, "init_std_dev": 0.2},
    "one_factor": {"n_factors": 1, "n_epochs": 1},
    "no_factors": {"n_factors": 0, "n_epochs": 5},
    "many_factors": {"n_factors": 150, "n_epochs": 4, "lr_all": 0.02},
    "no_epochs": {"n_factors": 8, "n_epochs": 0},
}


def ratings() -> list[list]:
    """500 half-star ratings by 40 users of 60 items; some pairs come twice, even one after the other."""
    rng = np.random.RandomState(20)
    rows = []
    for _ in range(480):
        user, item = rng.randint(40), int(60 * rng.uniform() ** 2)
        rating = 3 + 0.04 * (user - 20) + 0.02 * (30 - item) + 0.002 * (user - 20) * (item - 30) + rng.normal(0, 0.5)
        rows.append([f"u{user}", f"i{item}", float(np.clip(np.round(rating * 2) / 2, 0.5, 5))])
        if len(rows) % 24 == 0:
            rows.append([*rows[-1][:2], float(rng.randint(1, 6))])
    return rows


def main() -> None:
    """Write the file."""
    rows = ratings()
    with tempfile.NamedTemporaryFile("w", suffix=".csv") as file:
        file.writelines(f"{user};{item};{rating}\n" for user, item, rating in rows)
        file.flush()
        data = Dataset.load_from_file(file.name, Reader(sep=";", rating_scale=(0.5, 5)))
    trainset, testset = train_test_split(data, test_size=0.2, random_state=1)
    asked = [*testset, ("u0", "new", 3.0), ("new", "i0", 4.0), ("new", "new", 2.0)]

    def case(algo: SVD) -> dict:
        predictions = algo.fit(trainset).test(asked)
        return {
            "estimates": [float(prediction.est) for prediction in predictions],
            "impossible": [prediction.details.get("reason", "") for prediction in predictions],
            "sums": [float(np.abs(part).sum()) for part in (algo.bu, algo.bi, algo.pu, algo.qi)],
            "accuracy": {
                name: float(getattr(accuracy, name)(predictions, verbose=False))
                for name in ("rmse", "mse", "mae", "fcp")
            },
            "line": str(predictions[0]),
        }

    cases = {name: {"options": options, **case(SVD(random_state=7, **options))} for name, options in CASES.items()}
    own = np.random.RandomState(3)
    np.random.seed(4)
    generators = {
        "own_first": case(SVD(random_state=own)),
        "own_second": case(SVD(random_state=own)),
        "global": case(SVD()),
    }
    folds = [
        {"n_users": train.n_users, "n_items": train.n_items, "mean": float(train.global_mean), "test": test}
        for train, test in KFold(4, random_state=5).split(data)
    ]
    scores = cross_validate(
        SVD(random_state=7, n_epochs=5),
        data,
        measures=["RMSE", "mae", "mse", "fcp"],
        cv=KFold(4, random_state=5),
        return_train_measures=True,
    )
    table = io.StringIO()
    with contextlib.redirect_stdout(table):
        measures = {"rmse": np.array([0.9, 0.95, 1.0]), "mae": np.array([0.7, 0.71, 0.735])}
        print_summary(SVD(), ["rmse", "mae"], measures, measures, (1.0, 2.5, 10.25), (0.1, 0.2, 0.35), 3)
    reference = {
        "made_with": {"scikit-surprise": surprise.__version__, "numpy": np.__version__},
        "ratings": rows,
        "trainset": {
            "users": [trainset.to_raw_uid(user) for user in trainset.all_users()],
            "items": [trainset.to_raw_iid(item) for item in trainset.all_items()],
            "all_ratings": list(trainset.all_ratings()),
            "ir": [trainset.ir[item] for item in trainset.all_items()],
            "global_mean": float(trainset.global_mean),
            "anti_testset": len(trainset.build_anti_testset()),
        },
        "testset": asked,
        "cases": cases,
        "generators": generators,
        "folds": folds,
        "scores": {name: [float(value) for value in values] for name, values in scores.items() if "time" not in name},
        "table": table.getvalue(),
    }
    path = pathlib.Path(__file__).with_name("surprise_reference.json")
    path.write_text(json.dumps(reference, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
