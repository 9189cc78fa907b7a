"""Colours in which the agreement of truth and prediction is shown, as data."""

from __future__ import annotations

from dataclasses import dataclass

from histoloom.evaluation.agreement import ObjectAgreement, PixelAgreement

Color = tuple[int, int, int]


@dataclass(frozen=True)
class AgreementPalette:
    """Colours of one way to show agreement, RGB in 0..255; what is not named is transparent.

    Parameters
    ----------
    name, title
        What it is called in files, and to people.
    match, over, under
        Pixels in both, in the prediction only and in the truth only; also objects that are matched, spurious and
        missed.
    split, merged
        Objects that were split and merged.
    """

    name: str
    title: str
    match: Color
    over: Color
    under: Color
    split: Color
    merged: Color

    def pixel_colors(self) -> dict[PixelAgreement, Color]:
        """Return the colour of each value of a map of pixels."""
        return {
            PixelAgreement.BOTH: self.match,
            PixelAgreement.PREDICTION_ONLY: self.over,
            PixelAgreement.TRUTH_ONLY: self.under,
        }

    def object_colors(self) -> dict[ObjectAgreement, Color]:
        """Return the colour of each value of a map of objects."""
        return {
            ObjectAgreement.MATCHED: self.match,
            ObjectAgreement.SPLIT: self.split,
            ObjectAgreement.MERGED: self.merged,
            ObjectAgreement.MISSED: self.under,
            ObjectAgreement.SPURIOUS: self.over,
        }


AGREEMENT_PALETTES: dict[str, AgreementPalette] = {
    each.name: each
    for each in (
        # Of Okabe and Ito's colours the five that protanopes, deuteranopes and tritanopes tell apart best from each
        # other and from the pink and violet of the stains.
        AgreementPalette(
            "color-blind-safe",
            "Safe for colour-blind people",
            match=(0, 158, 115),
            over=(240, 228, 66),
            under=(213, 94, 0),
            split=(255, 255, 255),
            merged=(0, 0, 0),
        ),
        AgreementPalette(
            "white-green-magenta",
            "White, green, magenta (Yasuno 2020)",
            match=(255, 255, 255),
            over=(0, 255, 0),
            under=(255, 0, 255),
            split=(255, 255, 0),
            merged=(0, 255, 255),
        ),
        AgreementPalette(
            "blue-green-red",
            "Blue, green, red (DAFF-GAN)",
            match=(0, 0, 255),
            over=(0, 255, 0),
            under=(255, 0, 0),
            split=(0, 255, 255),
            merged=(255, 165, 0),
        ),
    )
}
"""Palettes by name; split and merged objects have colours of ours in those of papers, which show pixels only."""

DEFAULT_PALETTE = "color-blind-safe"

PIXEL_TITLES = {
    PixelAgreement.BOTH: "In both (TP)",
    PixelAgreement.PREDICTION_ONLY: "Prediction only (FP)",
    PixelAgreement.TRUTH_ONLY: "Truth only (FN)",
}
"""What legends call the values of a map of pixels."""

OBJECT_TITLES = {
    ObjectAgreement.MATCHED: "Matched",
    ObjectAgreement.SPLIT: "Split",
    ObjectAgreement.MERGED: "Merged",
    ObjectAgreement.MISSED: "Missed",
    ObjectAgreement.SPURIOUS: "Spurious",
}
"""What legends call the values of a map of objects."""
