"""Bundles: trained networks in one safetensors file each, that say how they want to be used."""

from histoloom.models.bundle import BUNDLE_SUFFIX, Bundle, inspect_bundle, load_bundle, save_bundle
from histoloom.models.collection import (
    BundleEntry,
    bundle_folder,
    bundle_name,
    bundle_path,
    import_bundle,
    known_bundles,
    list_bundles,
)
from histoloom.models.header import BundleHeader, ConditionFacts, JudgementFacts, NamedLookFacts, TrainingSource
from histoloom.models.shipped import SHIPPED, check_shipped

__all__ = [
    "BUNDLE_SUFFIX",
    "SHIPPED",
    "Bundle",
    "BundleEntry",
    "BundleHeader",
    "ConditionFacts",
    "JudgementFacts",
    "NamedLookFacts",
    "TrainingSource",
    "bundle_folder",
    "bundle_name",
    "bundle_path",
    "check_shipped",
    "import_bundle",
    "inspect_bundle",
    "known_bundles",
    "list_bundles",
    "load_bundle",
    "save_bundle",
]
