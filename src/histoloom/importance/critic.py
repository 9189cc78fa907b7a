"""A critic: a discriminator from a bundle that says how real a picture is, place by place."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from histoloom.errors import BundleError, ImportanceError, LookError
from histoloom.importance.judgement import Judgement
from histoloom.importance.networks import build_judge
from histoloom.layouts import Layout
from histoloom.models import BUNDLE_SUFFIX, Bundle, bundle_path, check_shipped, load_bundle
from histoloom.models.header import PIXEL_SIZE_TOLERANCE, JudgementFacts
from histoloom.tiles.looks import shows_tissue
from histoloom.window import Window

if TYPE_CHECKING:
    import torch

    from histoloom.importance.judging.contract import JudgingNetwork


class Critic:
    """A discriminator of any system, on this machine's NVIDIA GPU where it has one.

    Parameters
    ----------
    bundle
        Weights and header.
    name
        What sentences call it.

    Raises
    ------
    BundleError
        If it is not one of a discriminator, or weights and header do not fit together.
    """

    def __init__(self, bundle: Bundle, name: str) -> None:
        import torch

        self._judge: JudgingNetwork = build_judge(bundle, name)
        self.header, self.weights, self.name = bundle.header, bundle.weights, name
        self.facts = _facts(self._judge, bundle, name)
        self._encoding = self.header.encoding(name) if self._judge.sees_condition else None
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._judge.network.to(self._device).eval()
        self._reference: tuple[bytes, Any] | None = None

    @classmethod
    def load(cls, reference: str | Path) -> Critic:
        """Return a critic by its file, or by its name.

        Parameters
        ----------
        reference
            A file ending in ``.safetensors``, or the name of a shipped bundle or of an own one.

        Raises
        ------
        BundleError
            If there is none, or it is damaged, of a newer version, or no discriminator.
        """
        text = str(reference)
        path = Path(text) if text.endswith(BUNDLE_SUFFIX) else bundle_path(text)
        if path is None:
            raise BundleError(
                f"There is no critic called '{text}'; give a bundle's file ({BUNDLE_SUFFIX}), or one of 'histoloom "
                "bundles list'."
            )
        check_shipped(path)
        return cls(load_bundle(path, kind="discriminator"), path.name)

    @property
    def pixel_size(self) -> float:
        """µm per pixel that it was trained at."""
        return self.header.pixel_size

    @property
    def ratio(self) -> float:
        """Woven samples over real ones where its odds come from."""
        return self.facts.ratio

    @property
    def is_calibrated(self) -> bool:
        """Whether a slope and an intercept were fitted; what an uncalibrated one says is no probability."""
        return (self.facts.slope, self.facts.intercept) != (1.0, 0.0)

    @property
    def needs_reference(self) -> bool:
        """Whether it compares with a picture of another place of the same tissue."""
        return self.facts.reference_size > 0

    @property
    def needs_layout(self) -> bool:
        """Whether it sees where nuclei are."""
        return self._judge.sees_condition

    @property
    def least_side(self) -> int:
        """Height and width of the smallest picture that it can judge."""
        return self._judge.least_side

    def judge(
        self,
        image: NDArray[np.uint8],
        pixel_size: float,
        *,
        reference: NDArray[np.uint8] | None = None,
        layout: Layout | None = None,
    ) -> Judgement:
        """Say how real a picture is.

        Parameters
        ----------
        image
            RGB ``uint8 (H, W, 3)``, at least `least_side` high and wide.
        pixel_size
            Its µm per pixel. Pictures of another pixel size than the critic's are refused and not rescaled, because
            rescaling changes the sharpness that a critic judges by.
        reference
            RGB of another place of the tile whose look the picture has, for critics that compare; others do without.
        layout
            Where the picture's nuclei are, for critics that see it; others do without.

        Raises
        ------
        ImportanceError
            If the picture is of another form or pixel size or too small, what the critic needs is missing or does not
            fit, the reference is the picture itself, or the critic gives no numbers.
        LookError
            If the reference shows no tissue.
        ConditionError
            If the layout has classes that the critic does not know.
        """
        self._check_picture(image, pixel_size)
        prepared = self._prepared(reference, image) if self.needs_reference else None
        condition = self._condition(image, layout) if self.needs_layout else None
        logits = self._local_map(image, condition, prepared)
        if not np.isfinite(logits).all():
            raise ImportanceError(
                f"The logits of '{self.name}' are not all numbers; its weights are damaged or were trained until they "
                "diverged, so take an earlier checkpoint."
            )
        calibrated = logits * np.float32(self.facts.slope) + np.float32(self.facts.intercept)
        height, width = image.shape[:2]
        return Judgement(calibrated.astype(np.float32), self._judge.step, (height, width), self.facts.ratio)

    def _check_picture(self, image: NDArray[np.uint8], pixel_size: float) -> None:
        _check_form(image, "A picture to judge")
        if not pixel_size > 0:
            raise ImportanceError(f"A pixel size of {pixel_size:g} µm is not possible; give a number such as 0.25.")
        factor = pixel_size / self.pixel_size
        if not 1 / (1 + PIXEL_SIZE_TOLERANCE) <= factor <= 1 + PIXEL_SIZE_TOLERANCE:
            raise ImportanceError(
                f"The picture has {pixel_size:g} µm per pixel and '{self.name}' was trained at {self.pixel_size:g}; "
                "weave at its pixel size, or choose another critic."
            )
        least = self.least_side
        if min(image.shape[:2]) < least:
            raise ImportanceError(
                f"The picture has {image.shape[0]} x {image.shape[1]} pixels and '{self.name}' was trained on at least "
                f"{least} x {least}; give a larger picture, or choose a critic for smaller ones."
            )

    def _prepared(self, reference: NDArray[np.uint8] | None, image: NDArray[np.uint8]) -> Any:
        """Return what the network makes of a reference, kept until another one comes."""
        if reference is None:
            raise ImportanceError(
                f"'{self.name}' compares with real tissue and got no reference; give a picture of another place of the "
                "tile whose look the woven one has."
            )
        _check_form(reference, "A reference")
        least = self.facts.reference_size
        if min(reference.shape[:2]) < least:
            raise ImportanceError(
                f"The reference has {reference.shape[0]} x {reference.shape[1]} pixels and '{self.name}' wants at "
                f"least {least} x {least}; give a larger one."
            )
        if _lies_in(image, reference):
            raise ImportanceError(
                "The reference is the picture itself, or holds it, so the critic would only find that they are alike; "
                "give another place of a real tile."
            )
        key = hashlib.sha256(repr(reference.shape).encode() + np.ascontiguousarray(reference).tobytes()).digest()
        if self._reference is None or self._reference[0] != key:
            import torch

            if not shows_tissue(reference):
                raise LookError(
                    f"The reference shows no tissue, and '{self.name}' compares with it; give a place of a real tile "
                    "that has tissue."
                )
            with torch.inference_mode():
                self._reference = key, self._judge.prepared_reference(reference)
        return self._reference[1]

    def _condition(self, image: NDArray[np.uint8], layout: Layout | None) -> NDArray[np.float32]:
        if layout is None:
            raise ImportanceError(
                f"'{self.name}' sees where nuclei are and got no layout; give the layout that the picture was woven "
                "from."
            )
        if layout.shape != image.shape[:2]:
            raise ImportanceError(
                f"The picture has {image.shape[0]} x {image.shape[1]} pixels and its layout {layout.shape[0]} x "
                f"{layout.shape[1]}; give the layout that it was woven from."
            )
        encoding = self._encoding
        if encoding is None:
            raise BundleError(f"The header of '{self.name}' is damaged (its 'condition'); get the file again.")
        # As in training, structure is that of the picture which is judged.
        return encoding.encode(layout, picture=image if encoding.needs_picture else None)

    def _local_map(
        self, image: NDArray[np.uint8], condition: NDArray[np.float32] | None, reference: Any
    ) -> NDArray[np.float32]:
        import torch

        from histoloom.importance.judging.contract import as_tensor
        from histoloom.importance.judging.windows import local_map

        def logits_of(window: Window) -> NDArray[np.float32]:
            seen: torch.Tensor | None = None
            if condition is not None:
                planes = np.ascontiguousarray(condition[:, *window.slices])
                seen = torch.from_numpy(planes)[None].to(self._device)
            picture = as_tensor(image[window.slices], self._device)
            return np.asarray(self._judge.logits(picture, seen, reference).float().cpu().numpy(), np.float32)

        with torch.inference_mode(), torch.backends.cudnn.flags(benchmark=False, deterministic=True):
            height, width = image.shape[:2]
            return local_map((height, width), self._judge, logits_of)


def _facts(judge: JudgingNetwork, bundle: Bundle, name: str) -> JudgementFacts:
    facts = bundle.header.judges
    damaged = facts is None or (facts.step, facts.receptive_field) != (judge.step, judge.receptive_field)
    if facts is None or damaged or (facts.reference_size > 0) != (judge.reference_size > 0):
        raise BundleError(f"The header of '{name}' does not say how it judges (its 'judges'); export it again.")
    return facts


def _check_form(picture: NDArray[np.uint8], what: str) -> None:
    if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8 or not picture.size:
        raise ImportanceError(
            f"{what} must be RGB uint8 (H, W, 3), not {picture.dtype} {tuple(picture.shape)}; convert it first."
        )


def _lies_in(image: NDArray[np.uint8], reference: NDArray[np.uint8]) -> bool:
    """Whether a picture is a reference, or one is cut out of the other anywhere."""
    import cv2

    small, large = sorted((image, reference), key=lambda each: each.shape[0] * each.shape[1])
    (height, width), (rows, columns) = small.shape[:2], large.shape[:2]
    # Of one colour it may lie anywhere by chance, as blank tissue does.
    if height > rows or width > columns or (small == small[0, 0]).all():
        return False
    places = np.ones((rows - height + 1, columns - width + 1), bool)
    for y, x in ((0, 0), (0, width - 1), (height - 1, 0), (height - 1, width - 1), (height // 2, width // 2)):
        places &= large[y : y + places.shape[0], x : x + places.shape[1], 1] == small[y, x, 1]
    ys, xs = np.nonzero(places)
    if not len(ys):
        return False
    # Sums of all pixels tell apart what probes do not, so that few places are compared as a whole.
    sums = cv2.integral(large[..., 1], sdepth=cv2.CV_64F)
    found = sums[ys + height, xs + width] - sums[ys, xs + width] - sums[ys + height, xs] + sums[ys, xs]
    fits = found == small[..., 1].sum(dtype=np.float64)
    return any(
        np.array_equal(small, large[y : y + height, x : x + width]) for y, x in zip(ys[fits], xs[fits], strict=True)
    )
