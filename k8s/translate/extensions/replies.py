"""``umbel.dev/intermediate-outputs``: the replies of all steps in the graph's own reply."""

from __future__ import annotations

from umbel.k8s.translate.extensions.annotation import Annotation
from umbel.k8s.translate.extensions.extension import Extensions


def read_reporting(annotation: Annotation, extensions: Extensions) -> None:
    """``"true"``, ``"on-request"`` or ``"false"``."""
    if annotation.data is True:
        extensions.reporting = "always"
    elif annotation.data == "on-request":
        extensions.reporting = "on-request"
    elif annotation.data is not False:
        annotation.wrong(
            (),
            "true, false or on-request",
            annotation.data,
            'write "true", or "on-request" for requests with the header \'umbel-steps: 1\'',
        )
