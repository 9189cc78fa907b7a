"""How woven pictures compare, with each other and with real ones; nothing here needs PyTorch."""

from histoloom.evaluation.diversity import mean_pairwise_l1, mean_pairwise_similarity, multiscale_similarity

__all__ = ["mean_pairwise_l1", "mean_pairwise_similarity", "multiscale_similarity"]
