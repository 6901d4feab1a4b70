"""Trains a tumour classifier on scikit-learn's breast cancer data and fits its explainer."""

from pathlib import Path

import skops.io
from graph import names, why
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

MODELS = Path(__file__).parent / "models"


def main() -> None:
    rows, labels = load_breast_cancer(return_X_y=True)
    train_x, test_x, train_y, test_y = train_test_split(rows, labels, random_state=0)
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    model.fit(train_x, train_y)
    (MODELS / "tumour").mkdir(parents=True, exist_ok=True)
    skops.io.dump(model, MODELS / "tumour" / "model.skops")
    why(train_x, names()).save(MODELS / "why")  # numbers and text: nothing is pickled
    print(f"trained: {model.score(test_x, test_y):.3f} correct")


if __name__ == "__main__":
    main()
