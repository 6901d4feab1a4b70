"""Trains both models on scikit-learn's digits and saves them under models/."""

from pathlib import Path

import numpy as np
import skops.io
import torch
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

MODELS = Path(__file__).parent / "models"


def digits_split():
    """Train and test parts of the data: images scaled to 0..1 as float32, and labels."""
    images, labels = load_digits(return_X_y=True)
    scaled = (images / 16).astype(np.float32)
    return train_test_split(scaled, labels, test_size=0.3, random_state=0)


def train_network(images, labels):
    torch.manual_seed(0)
    net = torch.nn.Sequential(
        torch.nn.Unflatten(1, (1, 8, 8)),
        torch.nn.Conv2d(1, 16, 3, padding=1),
        torch.nn.ReLU(),
        torch.nn.MaxPool2d(2),
        torch.nn.Flatten(),
        torch.nn.Linear(256, 10),
        torch.nn.Softmax(dim=1),
    )
    optimiser = torch.optim.Adam(net.parameters(), lr=0.01)
    inputs, targets = torch.from_numpy(images), torch.from_numpy(labels)
    for _ in range(120):
        optimiser.zero_grad()
        loss = torch.nn.functional.nll_loss(torch.log(net(inputs) + 1e-9), targets)
        loss.backward()
        optimiser.step()
    return net.eval()


def main() -> None:
    train_x, test_x, train_y, test_y = digits_split()
    MODELS.mkdir(exist_ok=True)
    linear = LogisticRegression(C=10, max_iter=2000).fit(train_x, train_y)
    skops.io.dump(linear, MODELS / "linear.skops")
    net = train_network(train_x, train_y)
    batch = torch.export.Dim("batch", min=1, max=4096)
    example = torch.from_numpy(test_x[:2])
    exported = torch.export.export(net, (example,), dynamic_shapes=({0: batch},))
    torch.export.save(exported, MODELS / "network.pt2")
    with torch.inference_mode():
        accuracy = (net(torch.from_numpy(test_x)).argmax(1).numpy() == test_y).mean()
    print(f"trained: linear {linear.score(test_x, test_y):.3f}, network {accuracy:.3f} correct")


if __name__ == "__main__":
    main()
