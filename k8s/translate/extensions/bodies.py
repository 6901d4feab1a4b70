"""``umbel.dev/inputs`` and ``umbel.dev/output``: bodies made of the request's and the steps'
replies' parts."""

from __future__ import annotations

from umbel.graph import conditions
from umbel.graph.message_steps import Hole
from umbel.graph.yaml_paths import Path
from umbel.k8s.resources.field_check import closest
from umbel.k8s.resources.inference_graph import ROOT
from umbel.k8s.translate.extensions.annotation import Annotation
from umbel.k8s.translate.extensions.extension import REQUEST, Extensions, Template
from umbel.k8s.translate.extensions.step_names import step_of, title

_FIX = 'write {score: "$first.predictions.0", text: "$request.text"}'


def read_inputs(annotation: Annotation, extensions: Extensions) -> None:
    """A body for each step, made of the node's input and of earlier steps' replies."""
    given = annotation.mapping((), annotation.data, "a body by step", f"{_FIX} below the step")
    for name, value in given.items():
        body = annotation.mapping((name,), value, "the keys of the step's body", _FIX)
        spot = step_of(annotation, (name,), name)
        if spot is None or not body:
            continue
        node, index = spot
        reader = _Reader(annotation, extensions, node, index)
        extensions.of(node, index).inputs = Template(
            reader.shape((name,), body), tuple(reader.references)
        )
        step = annotation.graph.spec.nodes[node].steps[index]
        for field, there in (
            ("data", step.data == "$response"),
            ("mapPredictionsToInstances", step.map_predictions_to_instances),
        ):
            if there:
                annotation.find(
                    "UMB-K609",
                    (name,),
                    f"{field} has no effect on {name!r}: its body is made here",
                    f"remove {field} from the step",
                    "warning",
                )


def read_output(annotation: Annotation, extensions: Extensions) -> None:
    """The reply of a node: the root, or NODE for ``umbel.dev/output.NODE``."""
    nodes = annotation.graph.spec.nodes
    node = annotation.name.partition("umbel.dev/output.")[2] or ROOT
    if node not in nodes:
        guess = closest(node, nodes)
        annotation.find(
            "UMB-K602",
            (),
            f"there is no node {node!r}; the nodes are: {', '.join(nodes)}",
            f"did you mean 'umbel.dev/output.{guess}'?" if guess else "name one of them",
        )
        return
    body = annotation.mapping((), annotation.data, "the keys of the reply", _FIX)
    reader = _Reader(annotation, extensions, node, None)
    if body:
        extensions.outputs[node] = Template(reader.shape((), body), tuple(reader.references))


class _Reader:
    """Finds the references in a template. ``index`` is the step whose body it is, ``None`` for
    a node's reply."""

    def __init__(
        self, annotation: Annotation, extensions: Extensions, node: str, index: int | None
    ) -> None:
        self.annotation, self.extensions = annotation, extensions
        self.node, self.index = node, index
        self.references: list[tuple[int, str]] = []

    def shape(self, path: Path, value: object) -> object:
        """``value`` with holes for its references."""
        if isinstance(value, dict):
            return {key: self.shape((*path, key), item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.shape((*path, number), item) for number, item in enumerate(value)]
        if not isinstance(value, str) or not value.startswith("$"):
            return value
        if value.startswith("$$"):
            return value[1:]
        return self._reference(path, value)

    def _reference(self, path: Path, text: str) -> object:
        spec = self.annotation.graph.spec.nodes[self.node]
        names: dict[str, list[int]] = {}
        for number, step in enumerate(spec.steps):
            names.setdefault(title(step, number), []).append(number)
        for number in range(len(spec.steps)):
            names.setdefault(str(number), [number])
        names["request"] = [REQUEST]
        wanted = text[1:]
        for name in sorted(names, key=len, reverse=True):
            if wanted == name or wanted.startswith(f"{name}."):
                return self._found(path, text, names[name], wanted[len(name) + 1 :])
        known = [f"${name}" for name in names if not name.isdigit()]
        head, _, rest = text.partition(".")
        guess = closest(head, known)
        self.annotation.find(
            "UMB-K606",
            path,
            f"{text!r} names no step of node {self.node!r}; there are: {', '.join(known)}",
            f"did you mean {guess + ('.' + rest if rest else '')!r}?"
            if guess
            else f"write one of them, or '${text}' for the text itself",
        )
        return text

    def _found(self, path: Path, text: str, numbers: list[int], rest: str) -> object:
        problem = self._problem(numbers)
        if problem:
            self.annotation.find(
                "UMB-K606", path, f"{text!r} cannot be used: {problem[0]}", problem[1]
            )
        for words in conditions.problems(rest) if rest else []:
            self.annotation.find(
                "UMB-K612",
                path,
                f"the path in {text!r}: {words}",
                "correct the path",
                "warning",
            )
        self.references.append((numbers[0], rest))
        return Hole(len(self.references) - 1)

    def _problem(self, numbers: list[int]) -> tuple[str, str] | None:
        number = numbers[0]
        if len(numbers) > 1:
            fix = f"give the steps names of their own, or write their number: '${number}'"
            return f"{len(numbers)} steps are called so", fix
        if number == REQUEST:
            return None
        if self.extensions.is_mirror(self.node, number):
            return "the step is a mirror, and nobody waits for its reply", "name another step"
        if self.index is None:
            return None
        kind = self.annotation.graph.spec.nodes[self.node].router_type
        if kind != "Sequence":
            return (
                f"in a node of type {kind} no step sees another's reply",
                "use $request, or make the node a Sequence",
            )
        if number >= self.index:
            return "the step runs later, or is this one", "name an earlier step, or $request"
        return None
