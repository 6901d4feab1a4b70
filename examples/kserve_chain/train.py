"""Trains the two iris models that the manifests name and saves them under models/."""

from pathlib import Path

import skops.io
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC

MODELS = Path(__file__).parent / "models"


def main() -> None:
    flowers, species = load_iris(return_X_y=True)
    models = {
        "iris": SVC(gamma="scale"),
        "logistic": LogisticRegression(max_iter=1000),
    }
    for name, model in models.items():
        (MODELS / name).mkdir(parents=True, exist_ok=True)
        skops.io.dump(model.fit(flowers, species), MODELS / name / "model.skops")


if __name__ == "__main__":
    main()
