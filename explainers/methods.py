"""The methods of explanation libraries that umbel knows, and what each may be told.

Data only: no library is imported to read this, so that a YAML file can be checked without any.
"""

from __future__ import annotations

from collections.abc import Mapping

from umbel.explainers.method import Method, Option

_NAMES = {
    "feature_names": Option("texts", "the names of the features"),
    "categorical_names": Option("object", "names of the categories, by number of the feature"),
}
_TARGETS = {"target_names": Option("texts", "the names of the outputs")}

_ANCHOR = {
    "threshold": Option("number", "the precision an anchor must have (0.95)", 0, 1),
    "delta": Option("number", "the chance of being wrong about that (0.1)", 1e-9, 1),
    "tau": Option("number", "tolerance between candidates (0.15)", 0, 1),
    "batch_size": Option("whole", "samples drawn at once (100)", 1, 10_000),
    "coverage_samples": Option("whole", "samples that coverage is taken of (10,000)", 1, 100_000),
    "beam_size": Option("whole", "candidates kept in each round (1)", 1, 100),
    "stop_on_first": Option("flag", "take the first anchor that holds (false)"),
    "max_anchor_size": Option("whole", "the most features in an anchor", 1, 10_000),
    "min_samples_start": Option("whole", "samples before the search (100)", 1, 100_000),
    "n_covered_ex": Option("whole", "examples kept for each anchor (10)", 0, 1_000),
}
_ANCHOR_OWN = {
    "binary_cache_size": Option("whole", "batches of samples kept (10,000)", 1, 10**6),
    "cache_margin": Option("whole", "when to enlarge that (1,000)", 1, 10**6),
}
_FEATURES = {"features": Option("any", "numbers of the features, or pairs of them; all if empty")}
_GROUPS = {
    "group_names": Option("texts", "names of groups of features"),
    "groups": Option("any", "for each group, the numbers of its features"),
}

ANCHOR_TABULAR = Method(
    "alibi-anchor-tabular", "alibi_anchors", "alibi", "alibi", "rows", ("train",),
    {
        **_NAMES,
        **_ANCHOR_OWN,
        "disc_perc": Option("numbers", "percentiles that cut numeric features (25, 50, 75)"),
        "ohe": Option("flag", "categorical features are one-hot encoded (false)"),
    },
    _ANCHOR,
)  # fmt: skip
ANCHOR_TEXT = Method(
    "alibi-anchor-text", "alibi_anchors", "alibi", "alibi", "texts", (),
    {
        **_ANCHOR_OWN,
        "sampling_strategy": Option(
            "text", "how words are replaced (unknown)", choices=("unknown", "similarity")
        ),
        "language": Option("text", "the language whose rules cut words, without a model (en)"),
        "spacy_model": Option("text", "folder of a spaCy model, for the strategy similarity"),
        "sample_proba": Option("number", "the chance of a word to be replaced (0.5)", 0, 1),
        "top_n": Option("whole", "similar words to choose from (100)", 1, 10_000),
        "temperature": Option("number", "weight of similarity (1.0)", 1e-6, 1e6),
        "use_proba": Option("flag", "choose words by similarity (false)"),
    },
    _ANCHOR,
)  # fmt: skip
ANCHOR_IMAGE = Method(
    "alibi-anchor-image", "alibi_anchors", "alibi", "alibi", "images", (),
    {
        **_ANCHOR_OWN,
        "image_shape": Option("numbers", "height, width, channels; of the first image if unset"),
        "segmentation_fn": Option(
            "text", "what cuts an image into parts (slic)",
            choices=("felzenszwalb", "quickshift", "slic"),
        ),
        "segmentation_kwargs": Option("object", "options of that"),
    },
    {**_ANCHOR, "p_sample": Option("number", "the chance of a part to be replaced (0.5)", 0, 1)},
)  # fmt: skip
KERNEL_SHAP = Method(
    "alibi-kernel-shap", "alibi_shap", "alibi", "alibi", "rows", ("train",),
    {
        **_NAMES,
        **_GROUPS,
        "link": Option("text", "identity or logit", choices=("identity", "logit")),
        "task": Option("text", "kind of model", choices=("classification", "regression")),
        "summarise_background": Option("flag", "reduce the rows by k-means (false)"),
        "n_background_samples": Option("whole", "to this many (300)", 1, 100_000),
    },
    {
        "nsamples": Option("whole", "samples for each instance", 1, 1_000_000),
        "l1_reg": Option("any", "auto, aic, bic, num_features(n), or a number"),
    },
)  # fmt: skip
TREE_SHAP = Method(
    "alibi-tree-shap", "alibi_shap", "alibi", "alibi", "rows", ("model",),
    {
        **_NAMES,
        "model_output": Option(
            "text", "what is explained (raw)",
            choices=("raw", "probability", "probability_doubled", "log_loss"),
        ),
        "task": Option("text", "kind of model", choices=("classification", "regression")),
    },
    {
        "approximate": Option("flag", "a quicker, inexact way (false)"),
        "interactions": Option("flag", "pairs of features too (false)"),
    },
)  # fmt: skip
PARTIAL_DEPENDENCE = Method(
    "alibi-partial-dependence", "alibi_effects", "alibi", "alibi", "rows", (),
    {**_NAMES, **_TARGETS},
    {
        **_FEATURES,
        "kind": Option(
            "text", "average, individual or both", choices=("average", "individual", "both")
        ),
        "percentiles": Option("numbers", "range of a feature's values, as two shares (0, 1)"),
        "grid_resolution": Option("whole", "points of a curve (100)", 2, 10_000),
    },
)  # fmt: skip
ALE = Method(
    "alibi-ale", "alibi_effects", "alibi", "alibi", "rows", (),
    {
        "feature_names": _NAMES["feature_names"],
        **_TARGETS,
        "check_feature_resolution": Option("flag", "each value a point where there are few (true)"),
        "low_resolution_threshold": Option("whole", "that few (10)", 1, 10_000),
        "extrapolate_constant": Option("flag", "beyond a constant feature's value (true)"),
    },
    {
        "features": Option("numbers", "numbers of the features; all if empty"),
        "min_bin_points": Option("whole", "rows in each part of a curve (4)", 1, 10**6),
    },
)  # fmt: skip
PERMUTATION_IMPORTANCE = Method(
    "alibi-permutation-importance", "alibi_effects", "alibi", "alibi", "rows", (),
    {
        "feature_names": _NAMES["feature_names"],
        "loss_fns": Option("texts", "losses, such as mean_squared_error"),
        "score_fns": Option("texts", "scores, such as accuracy"),
    },
    {
        **_FEATURES,
        "method": Option("text", "estimate or exact", choices=("estimate", "exact")),
        "kind": Option("text", "ratio or difference", choices=("ratio", "difference")),
        "n_repeats": Option("whole", "permutations of each feature (50)", 1, 10_000),
        "y": Option("any", "the true value of each instance"),
    },
)  # fmt: skip

_TARGET = {
    "target": Option("any", "the wanted class: a number, or one an instance; of two the other one"),
}
COUNTERFACTUAL_TABULAR = Method(
    "alibi-counterfactual-rl-tabular", "alibi_counterfactual", "alibi", "alibi,torch", "rows",
    ("train", "weights"),
    {
        **_NAMES,
        "whole_features": Option("texts", "names of features that are whole numbers"),
        "immutable_features": Option("texts", "names of features that must not change"),
        "ranges": Option("object", "how far features may move: name → [-1 to 0, 0 to 1]"),
        "coeff_sparsity": Option("number", "weight of few changes (0.5)", 0, 1e6),
        "coeff_consistency": Option("number", "weight of consistency (0.5)", 0, 1e6),
        "train_steps": Option("whole", "steps of its training (10,000)", 1, 10**7),
        "autoencoder_steps": Option("whole", "steps of the autoencoder's (5,000)", 1, 10**7),
        "hidden_dim": Option("whole", "width of the autoencoder (128)", 1, 10_000),
        "latent_dim": Option("whole", "size of its code (15)", 1, 10_000),
    },
    {
        **_TARGET,
        "conditions": Option("any", "for all or each instance: feature → range or categories"),
        "diversity": Option("flag", "several counterfactuals of one instance (false)"),
        "num_samples": Option("whole", "how many (1)", 1, 1_000),
        "patience": Option("whole", "rounds to look for them (1,000)", 1, 100_000),
        "tolerance": Option("number", "what tells two apart (0.001)", 1e-12, 1e6),
    },
)  # fmt: skip
COUNTERFACTUAL = Method(
    "alibi-counterfactual-rl", "alibi_counterfactual", "alibi", "alibi,torch", "tensors",
    ("weights",),
    {},
    _TARGET,
)  # fmt: skip

_TORCH = {"target": Option("any", "the output that is explained: a number, or one an instance")}

INTEGRATED_GRADIENTS = Method(
    "captum-integrated-gradients", "captum_attribution", "captum", "captum", "tensors", ("model",),
    {},
    {
        **_TORCH,
        "baselines": Option("any", "where the path starts: a number, or one instance (0)"),
        "n_steps": Option("whole", "points of the path (50)", 1, 10_000),
        "method": Option(
            "text", "how to integrate (gausslegendre)",
            choices=("gausslegendre", "riemann_left", "riemann_right", "riemann_middle",
                     "riemann_trapezoid"),
        ),
    },
)  # fmt: skip
SALIENCY = Method(
    "captum-saliency", "captum_attribution", "captum", "captum", "tensors", ("model",),
    {},
    {**_TORCH, "abs": Option("flag", "without the sign (true)")},
)  # fmt: skip
OCCLUSION = Method(
    "captum-occlusion", "captum_attribution", "captum", "captum", "tensors", ("model",),
    {},
    {
        **_TORCH,
        "sliding_window_shapes": Option("numbers", "what is covered at once, by axis"),
        "strides": Option("numbers", "how far the window moves, by axis (its own size)"),
        "baselines": Option("any", "what it is covered with: a number, or one instance (0)"),
    },
)  # fmt: skip
SQUARE_ATTACK = Method(
    "art-square-attack", "art_attack", "adversarial-robustness-toolbox", "art", "tensors", (),
    {
        "nb_classes": Option("whole", "number of classes (10)", 2, 10**6),
        "clip_values": Option("numbers", "least and greatest value of an input"),
        "norm": Option("any", "inf, 1 or 2 (inf)"),
        "channels_first": Option("flag", "the channel is the first axis (false)"),
    },
    {
        "max_iter": Option("whole", "rounds (100)", 1, 100_000),
        "eps": Option("number", "how far an input may move (0.3)", 0, 1e9),
        "p_init": Option("number", "the first share of changed values (0.8)", 0, 1),
        "nb_restarts": Option("whole", "attempts (1)", 1, 100),
        "y": Option("any", "the label of each instance; the prediction if unset"),
    },
)  # fmt: skip

METHODS: Mapping[str, Method] = {
    method.name: method
    for method in (
        ANCHOR_TABULAR, ANCHOR_TEXT, ANCHOR_IMAGE, KERNEL_SHAP, TREE_SHAP, PARTIAL_DEPENDENCE, ALE,
        PERMUTATION_IMPORTANCE, COUNTERFACTUAL_TABULAR, COUNTERFACTUAL, INTEGRATED_GRADIENTS,
        SALIENCY, OCCLUSION, SQUARE_ATTACK,
    )
}  # fmt: skip
"""Every method by its name."""

KSERVE_TYPES: Mapping[tuple[str, str], str] = {
    ("alibi", "AnchorTabular"): ANCHOR_TABULAR.name,
    ("alibi", "AnchorText"): ANCHOR_TEXT.name,
    ("alibi", "AnchorImages"): ANCHOR_IMAGE.name,
    ("alibi", "KernelShap"): KERNEL_SHAP.name,
    ("alibi", "TreeShap"): TREE_SHAP.name,
    ("alibi", "ALE"): ALE.name,
    ("alibi", "PartialDependence"): PARTIAL_DEPENDENCE.name,
    ("alibi", "PermutationImportance"): PERMUTATION_IMPORTANCE.name,
    ("alibi", "CounterfactualRLTabular"): COUNTERFACTUAL_TABULAR.name,
    ("alibi", "CounterfactualRL"): COUNTERFACTUAL.name,
    ("art", "SquareAttack"): SQUARE_ATTACK.name,
}
"""The explainer block of an InferenceService and its ``type`` → the method."""

_TENSORFLOW = "it runs on TensorFlow, which umbel's environment for alibi leaves out"

NOT_OFFERED: Mapping[str, tuple[str, str]] = {
    "alibi-counterfactual-proto": (_TENSORFLOW, COUNTERFACTUAL_TABULAR.name),
    "alibi-counterfactual": (_TENSORFLOW, COUNTERFACTUAL_TABULAR.name),
    "alibi-cem": (_TENSORFLOW, COUNTERFACTUAL_TABULAR.name),
    "alibi-integrated-gradients": (_TENSORFLOW, INTEGRATED_GRADIENTS.name),
}
"""Methods of alibi that cannot run here → why, and the method that answers the same question."""

KSERVE_NOT_OFFERED: Mapping[tuple[str, str], str] = {
    ("alibi", "Counterfactuals"): "alibi-counterfactual",
    ("alibi", "Counterfactual"): "alibi-counterfactual",
    ("alibi", "CounterfactualProto"): "alibi-counterfactual-proto",
    ("alibi", "Contrastive"): "alibi-cem",
    ("alibi", "CEM"): "alibi-cem",
    ("alibi", "IntegratedGradients"): "alibi-integrated-gradients",
}
"""Types of KServe's block → the key in ``NOT_OFFERED``."""
