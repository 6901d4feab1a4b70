"""The networks behind alibi's counterfactuals: an autoencoder of table rows, and the actor and
critic that alibi trains to move a row's code until the model answers what was asked for.

The second door to alibi, for what of it needs PyTorch. Weights are read and written as plain
arrays.
"""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from umbel.explainers.alibi_library import by_number, saved_by_alibi
from umbel.explainers.batch_predictor import Array
from umbel.explainers.explanations import Opening
from umbel.graph.errors import DeclarationError

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from alibi.explainers import CounterfactualRLTabular, cfrl_base, cfrl_tabular
    from alibi.explainers.backends.cfrl_tabular import get_he_preprocessor, get_statistics
    from alibi.explainers.backends.pytorch import cfrl_base as any_backend
    from alibi.explainers.backends.pytorch import cfrl_tabular as tabular_backend
    from alibi.models.pytorch import ADULTDecoder, ADULTEncoder

torch: Any = any_backend.torch
NETWORKS = ("encoder", "decoder", "actor", "critic")
CLASSES = "classes"
_BATCH, _CATEGORY_WEIGHT, _RATE = 128, 0.5, 1e-3

for _module in (cfrl_base, cfrl_tabular):
    _module.tqdm = lambda steps, **_: steps  # no progress bar in a server's log


@dataclass(frozen=True)
class Table:
    """Rows and what they mean. ``categories``: names by the number of the feature."""

    rows: Array
    names: list[str]
    categories: dict[int, list[str]]
    encode: Callable[[Any], Any]
    decode: Callable[[Any], Any]

    @property
    def heads(self) -> list[int]:
        """Widths of the decoder's outputs: the numbers together, then each category."""
        numbers = len(self.names) - len(self.categories)
        widths = [len(self.categories[at]) for at in sorted(self.categories)]
        return [numbers, *widths] if numbers else widths


def table_of(opening: Opening) -> Table:
    """The training rows as the settings describe them. Raises ``DeclarationError``."""
    rows = opening.arrays["x"]
    if rows.ndim != 2 or rows.dtype.kind not in "biuf":
        raise DeclarationError(f"training rows are numbers [rows, features], not {rows.dtype}")
    rows = rows if rows.dtype.kind == "f" else rows.astype(np.float64)
    names = list(opening.options.get("feature_names") or [f"f{i}" for i in range(rows.shape[1])])
    categories = dict(sorted((by_number(opening.options.get("categorical_names")) or {}).items()))
    problems = _problems(opening, rows, names, categories)
    if problems:
        raise DeclarationError("; ".join(problems))
    whole = dict.fromkeys(opening.options.get("whole_features", ()), int)
    encode, decode = get_he_preprocessor(rows, names, categories, whole)
    return Table(rows, names, categories, encode, decode)


def _problems(
    opening: Opening, rows: Array, names: list[str], categories: Mapping[int, list[str]]
) -> list[str]:
    if len(names) != rows.shape[1]:
        return [f"feature_names has {len(names)} names, and the rows {rows.shape[1]} features"]
    if not np.isfinite(rows).all():
        return ["the training rows hold NaN or infinity"]
    problems = []
    for at, values in categories.items():
        if not 0 <= at < len(names):
            problems.append(f"categorical_names: there is no feature {at}")
        elif not np.isin(rows[:, at], np.arange(len(values))).all():
            problems.append(f"feature {names[at]!r}: categories are 0 to {len(values) - 1}")
    for setting in ("whole_features", "immutable_features", "ranges"):
        unknown = [name for name in opening.options.get(setting, ()) if name not in names]
        if unknown:
            problems.append(f"{setting} names {unknown}; the features are {names}")
    return problems


def trained(
    opening: Opening, table: Table, predict: Callable[[Any], Array], classes: int
) -> dict[str, Array]:
    """The weights of all networks, and the number of classes. Takes minutes."""
    with own_random_numbers(), _one_thread():
        torch.manual_seed(opening.seed)
        networks = _autoencoder(opening, table)
        _train_autoencoder(opening, table, *networks)
        explainer = untrained(opening, table, predict, networks)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            explainer.fit(table.rows)
    found = {CLASSES: np.array([classes])}
    for name in NETWORKS:
        for key, value in explainer.params[name].state_dict().items():
            found[f"{name}.{key}"] = value.detach().cpu().numpy()
    return found


def from_weights(
    opening: Opening, table: Table, predict: Callable[[Any], Array], weights: Mapping[str, Array]
) -> Any:
    """alibi's explainer with these weights, as after its ``fit``. Raises ``DeclarationError``
    for weights of other networks."""
    explainer = untrained(opening, table, predict, _autoencoder(opening, table))
    params = explainer.params
    for name in NETWORKS:
        own = {
            key.removeprefix(f"{name}."): torch.from_numpy(np.array(value))
            for key, value in weights.items()
            if key.startswith(f"{name}.")
        }
        try:
            params[name].load_state_dict(own)
        except RuntimeError as error:
            raise DeclarationError(f"the saved {name} is not that of these settings") from error
        params[name].to(params["device"]).eval()
    params["stats"] = get_statistics(table.rows, table.encode, table.categories)
    params["postprocessing_funcs"] = [
        cfrl_tabular.SampleTabularPostprocessing(table.categories, params["stats"]),
        cfrl_tabular.ConcatTabularPostprocessing(),
    ]
    return explainer


def untrained(
    opening: Opening, table: Table, predict: Callable[[Any], Array], autoencoder: tuple[Any, Any]
) -> Any:
    """alibi's explainer before its ``fit``. Sets random numbers to the seed."""
    options = {"coeff_sparsity": 0.5, "coeff_consistency": 0.5, "train_steps": 10_000}
    return CounterfactualRLTabular(
        predict,
        *autoencoder,
        table.encode,
        table.decode,
        feature_names=table.names,
        category_map=table.categories,
        latent_dim=opening.options.get("latent_dim", 15),
        backend="pytorch",
        seed=opening.seed,
        num_workers=0,
        batch_size=min(100, len(table.rows)),
        **{**options, **opening.given(*options, "immutable_features", "ranges")},
    )


def saved_explainer(folder: Path, name: str, predict: Callable[[Any], Array]) -> Any:
    """The explainer that alibi saved, pickles and all. Call it for a folder that is allowed."""
    for backend in (any_backend, tabular_backend):
        backend.load_model = _load_whole  # alibi's own trips over PyTorch 2.6 and later
    explainer = saved_by_alibi(folder, name, predict)
    explainer.params["device"] = any_backend.get_device()
    return explainer


def _load_whole(path: Path) -> Any:
    return torch.load(path, map_location=any_backend.get_device(), weights_only=False).eval()


def _autoencoder(opening: Opening, table: Table) -> tuple[Any, Any]:
    """Those of alibi's own examples, their lazy layers made."""
    width = opening.options.get("hidden_dim", 128)
    encoder = ADULTEncoder(width, opening.options.get("latent_dim", 15))
    decoder = ADULTDecoder(width, table.heads)
    with torch.no_grad():
        decoder(encoder(torch.zeros(1, sum(table.heads))))
    return encoder, decoder


def _train_autoencoder(opening: Opening, table: Table, encoder: Any, decoder: Any) -> None:
    """Numbers by their squared error, categories by cross entropy."""
    draw = np.random.RandomState(opening.seed)
    codes = torch.from_numpy(np.asarray(table.encode(table.rows), np.float32))
    heads = table.heads
    numbers = len(table.names) > len(table.categories)
    optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], _RATE)
    loss_of = torch.nn.functional
    for _ in range(opening.options.get("autoencoder_steps", 5_000)):
        batch = codes[draw.randint(0, len(codes), _BATCH)]
        loss = torch.zeros(())
        parts = zip(decoder(encoder(batch)), batch.split(heads, dim=1), strict=True)
        for at, (found, wanted) in enumerate(parts):
            if numbers and at == 0:
                loss = loss + loss_of.mse_loss(found, wanted)
            else:
                loss = loss + _CATEGORY_WEIGHT * loss_of.cross_entropy(found, wanted.argmax(dim=1))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


@contextmanager
def own_random_numbers() -> Iterator[None]:
    """Inside, Python's, numpy's and PyTorch's random numbers may be drawn and set; after it they
    are as before."""
    python, numpys = random.getstate(), np.random.get_state()
    cudnn = torch.backends.cudnn
    flags = cudnn.deterministic, cudnn.benchmark
    with torch.random.fork_rng():
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpys)
            cudnn.deterministic, cudnn.benchmark = flags


@contextmanager
def _one_thread() -> Iterator[None]:
    """Networks this small are slower on several threads, far slower on busy cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
