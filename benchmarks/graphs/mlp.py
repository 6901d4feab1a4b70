"""A torch MLP whose time hardly depends on the rows of a call: batched, and not."""

from umbel import Batch, Tensor, inference_graph, predictor

EXAMPLE = [[0.0] * 64]
TENSOR = Tensor["float32", "batch", 64]

single = predictor("pytorch", uri="../models/mlp.pt2", input=TENSOR)
batched = predictor("pytorch", uri="../models/mlp.pt2", input=TENSOR, batch=Batch(max_size=64))


@inference_graph(example=EXAMPLE)
def mlp(x):
    return single(x)


@inference_graph(example=EXAMPLE)
def mlp_batched(x):
    return batched(x)
