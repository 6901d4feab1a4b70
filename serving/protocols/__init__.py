"""Wire formats as pure functions: bytes and headers ⇄ payloads. No server, no ray, no I/O.

``payload`` is the vocabulary, ``v1``, ``v2`` and ``cloudevents`` read and write bodies,
``binding`` puts a payload on a graph's named inputs and its outputs back into a body.
"""
