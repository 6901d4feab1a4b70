"""Admission webhooks: validation, defaults and conversion of old versions.

`validate`, `default` and `convert` are pure: a review in, the answered review out.
`WebhookServer` serves them over TLS with certificates of `certificates`.
"""

from __future__ import annotations

from umbel.k8s.admission.reviews import NotAReview, convert, default, validate

__all__ = ["NotAReview", "convert", "default", "validate"]
