"""Draw where the nuclei are; the loom weaves the tissue."""

__version__ = "0.1.0.dev0"
