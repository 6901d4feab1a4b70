"""A graph with the name of one in ``arithmetic.py``."""

from umbel import inference_graph


@inference_graph(name="chain")
def other(x):
    return x
