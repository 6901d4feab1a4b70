"""Captum's attributions for PyTorch models: which inputs a prediction came from.

They look inside the model: its gradients, or its answers with parts of the input covered. The
model is the one the graph serves, opened once more, on its own device.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import captum
from captum.attr import IntegratedGradients, Occlusion, Saliency

from umbel.explainers.batch_predictor import Array
from umbel.explainers.budget import BudgetSpent
from umbel.explainers.explanations import Explanation, Job, OpenedMethod, Opening
from umbel.explainers.methods import INTEGRATED_GRADIENTS, OCCLUSION
from umbel.explainers.random_numbers import RandomStream
from umbel.graph.errors import DeclarationError, InvalidInput


def open_method(opening: Opening, random: RandomStream) -> OpenedMethod:
    """The attribution that ``opening`` names."""
    runtime = opening.runtime
    if not hasattr(runtime, "tensor"):
        raise DeclarationError(f"{opening.method.name!r} explains PyTorch models")
    return Attributions(opening, runtime)


class Attributions:
    """One explanation of all instances: an attribution for each value of each instance."""

    whole = True

    def __init__(self, opening: Opening, runtime: Any) -> None:
        self._opening, self._runtime = opening, runtime

    def explain(self, job: Job) -> list[Explanation]:
        """Attributions instance by instance, those that were done where the budget was spent."""
        if not len(job.x):
            raise InvalidInput("instances: expected at least one")
        calls = _Counted(self._runtime.underlying, job)
        outputs: list[Any] = []
        attributed: list[Any] = []
        targets = _targets(job)
        for index in range(len(job.x)):
            try:
                one = self._runtime.tensor(job.x[index : index + 1])
                output = _first(calls(one))
                target = targets[index]
                if target is None and output.ndim > 1:
                    target = int(output[0].argmax())
                elif target is not None and output.ndim > 1 and target >= output.shape[1]:
                    most = output.shape[1] - 1
                    raise InvalidInput(f"parameter 'target': expected 0 to {most}, got {target}")
                attributed.append((target, self._attribute(calls, one, target, job)))
                outputs.append(output.detach().cpu().numpy()[0].tolist())
            except BudgetSpent:
                if not attributed:
                    raise
                del outputs[len(attributed) :]
                break
        return [self._told(job, outputs, attributed)]

    def _told(self, job: Job, outputs: list[Any], attributed: list[Any]) -> Explanation:
        method = self._opening.method
        params = {name: job.options[name] for name in method.parameters if name in job.options}
        return {
            "meta": {
                "name": {"captum-integrated-gradients": "IntegratedGradients"}.get(
                    method.name, method.name.partition("-")[2].capitalize()
                ),
                "type": ["whitebox"],
                "explanations": ["local"],
                "params": params,
                "version": captum.__version__,
            },
            "data": {
                "attributions": [values.tolist() for _, values in attributed],
                "target": [target for target, _ in attributed],
                "predictions": outputs,
                "instances": job.x[: len(attributed)].tolist(),
            },
        }

    def _attribute(
        self, forward: Callable[[Any], Any], one: Any, target: int | None, job: Job
    ) -> Array:
        options: dict[str, Any] = {"target": target}
        kind = self._opening.method
        if kind is INTEGRATED_GRADIENTS:
            method = IntegratedGradients(forward)
            options |= {**job.given("n_steps", "method"), "baselines": self._baseline(job, one)}
            options["internal_batch_size"] = job.options.get("batch_rows", 1024)
        elif kind is OCCLUSION:
            method = Occlusion(forward)
            options |= self._windows(job, one)
        else:
            method = Saliency(forward)
            options |= job.given("abs")
        if not one.is_floating_point():
            raise InvalidInput("instances: gradients need inputs of real numbers, not of integers")
        found = method.attribute(one.requires_grad_(kind is not OCCLUSION), **options)
        values: Array = found.detach().cpu().numpy()[0]
        return values

    def _windows(self, job: Job, one: Any) -> dict[str, Any]:
        shape = tuple(one.shape[1:])
        window = tuple(
            int(n) for n in job.options.get("sliding_window_shapes") or (1,) * len(shape)
        )
        strides = tuple(int(n) for n in job.options.get("strides") or window)
        for name, given in (("sliding_window_shapes", window), ("strides", strides)):
            if len(given) != len(shape) or any(
                not 1 <= n <= most for n, most in zip(given, shape, strict=False)
            ):
                raise InvalidInput(
                    f"parameter {name!r}: expected {len(shape)} numbers from 1 to {list(shape)}, "
                    f"got {list(given)}"
                )
        return {
            "sliding_window_shapes": window,
            "strides": strides,
            "baselines": self._baseline(job, one),
        }

    def _baseline(self, job: Job, one: Any) -> Any:
        asked = job.options.get("baselines", 0)
        if isinstance(asked, (int, float)):
            return asked
        try:
            baseline = self._runtime.tensor([asked])
        except (InvalidInput, ValueError, TypeError) as error:
            raise InvalidInput(f"parameter 'baselines': {error}") from error
        if baseline.shape != one.shape:
            raise InvalidInput(
                f"parameter 'baselines': expected the shape {list(one.shape[1:])} of an instance"
            )
        return baseline


class _Counted:
    """The model's forward pass, counted against the budget."""

    def __init__(self, module: Any, job: Job) -> None:
        self._module, self._budget = module, job.budget

    def __call__(self, batch: Any) -> Any:
        self._budget.take(len(batch))
        return _first(self._module(batch))


def _first(output: Any) -> Any:
    if isinstance(output, (list, tuple)):
        return output[0]
    return next(iter(output.values())) if isinstance(output, dict) else output


def _targets(job: Job) -> list[int | None]:
    asked = job.options.get("target")
    several = list(asked) if isinstance(asked, (list, tuple)) else [asked] * len(job.x)
    fits = all(
        one is None or (isinstance(one, int) and not isinstance(one, bool) and one >= 0)
        for one in several
    )
    if not fits or len(several) != len(job.x):
        raise InvalidInput(
            f"parameter 'target': expected a whole number, or {len(job.x)} of them, got {asked!r}"
        )
    return several
