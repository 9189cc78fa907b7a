"""Discriminators of every system, as critics use them: one file for each kind; these import PyTorch."""
