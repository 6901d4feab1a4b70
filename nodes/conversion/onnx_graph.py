"""Changes to a converted ONNX graph, so that it answers exactly what the model answered."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import onnx

from umbel.nodes.onnx_columns import METADATA_KEY


def keep_output(model: Any, name: str) -> None:
    """Leave the graph one output. What only others needed is dropped when it is loaded."""
    outputs = list(model.graph.output)
    del model.graph.output[:]
    model.graph.output.extend(output for output in outputs if output.name == name)


def output_names(model: Any) -> list[str]:
    """The names of the graph's outputs, in order."""
    return [output.name for output in model.graph.output]


def without_zip_map(model: Any) -> None:
    """Probabilities as a tensor rather than one map for each row."""
    for node in [node for node in model.graph.node if node.op_type == "ZipMap"]:
        model.graph.node.remove(node)
        for output in model.graph.output:
            if output.name == node.output[0]:
                output.CopyFrom(
                    onnx.helper.make_tensor_value_info(
                        node.input[0], onnx.TensorProto.FLOAT, [None, None]
                    )
                )


def take_column(model: Any, output: str, column: int) -> str:
    """``output[:, column]`` as an output. Returns its name."""
    index = onnx.helper.make_tensor("umbel_column", onnx.TensorProto.INT64, [], [column])
    model.graph.initializer.append(index)
    node = onnx.helper.make_node(
        "Gather", [output, "umbel_column"], ["umbel_taken"], axis=1, name="umbel_take"
    )
    return _appended(model, node, output, "umbel_taken", [None])


def flatten_rows(model: Any, output: str) -> str:
    """``output`` of shape ``[n, 1]`` as ``[n]``. Returns the new output's name."""
    shape = onnx.helper.make_tensor("umbel_rows", onnx.TensorProto.INT64, [1], [-1])
    model.graph.initializer.append(shape)
    node = onnx.helper.make_node(
        "Reshape", [output, "umbel_rows"], ["umbel_flat"], name="umbel_flatten"
    )
    return _appended(model, node, output, "umbel_flat", [None])


def name_columns(model: Any, names: Sequence[str]) -> None:
    """Note the columns' names in the file, where umbel's runtime finds them."""
    entry = model.metadata_props.add()
    entry.key, entry.value = METADATA_KEY, json.dumps(list(names))


def _appended(model: Any, node: Any, output: str, name: str, shape: list[Any]) -> str:
    model.graph.node.append(node)
    kind = next(
        value.type.tensor_type.elem_type for value in model.graph.output if value.name == output
    )
    model.graph.output.append(onnx.helper.make_tensor_value_info(name, kind, shape))
    keep_output(model, name)
    return name
