"""HoVer-Net's ``.mat`` labels (Graham et al. 2019), as CoNSeP, Kumar and CPM-17 are published in."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from histoloom.errors import LayoutError
from histoloom.tiles.sentences import one_line

CONSEP_CLASSES: dict[int, str] = {
    1: "other",
    2: "inflammatory",
    3: "epithelial",
    4: "tumor",
    5: "spindle",
    6: "muscle",
    7: "endothelial",
}
"""The seven types of CoNSeP's ``.mat`` files; 3 is healthy and 4 dysplastic or malignant epithelium, 5 fibroblasts."""

MERGED_CONSEP_CLASSES: dict[int, str] = {1: "other", 2: "inflammatory", 3: "epithelial", 4: "spindle"}
"""The four types that HoVer-Net's paper merges them into."""


def read_hovernet_mat(
    path: Path, class_names: Mapping[int, str] | None = None
) -> tuple[NDArray[np.int32], dict[int, str] | None]:
    """Read instances and, where there are any, their types.

    Parameters
    ----------
    path
        A ``.mat`` file up to version 7 with ``inst_map`` ``(H, W)`` and perhaps ``inst_type`` ``(N,)`` (in the order of
        the sorted labels) or ``type_map`` ``(H, W)``.
    class_names
        Names of types (default: `CONSEP_CLASSES`).

    Returns
    -------
    label_map, class_of
        ``int32 (H, W)``, and the class name of each label (None without types).
    """
    from scipy.io import loadmat

    try:
        values = loadmat(path)
    except NotImplementedError:
        # What SciPy raises for files of version 7.3, which are HDF5 and no MATLAB files of the older kind.
        raise LayoutError(f"'{path.name}' is a MATLAB 7.3 file; save it again with MATLAB's option '-v7'.") from None
    except Exception as error:
        raise LayoutError(
            f"'{path.name}' cannot be read as a MATLAB file ({one_line(error)}); copy or export it again."
        ) from error
    if "inst_map" not in values:
        raise LayoutError(f"'{path.name}' has no 'inst_map'; give label files in HoVer-Net's format.")
    label_map = np.asarray(values["inst_map"])
    if label_map.ndim != 2 or not label_map.size or float(label_map.min()) < 0:
        raise LayoutError(f"The 'inst_map' of '{path.name}' is no map of labels (height, width); export it again.")
    label_map = label_map.astype(np.int32)
    types = _types_of(values, label_map, path)
    if types is None:
        return label_map, None
    names = CONSEP_CLASSES if class_names is None else class_names
    return label_map, {label: class_name_of(number, names) for label, number in types.items()}


def class_name_of(number: int, names: Mapping[int, str]) -> str:
    """Return the name of a numbered class, ``"class 9"`` for a number without one, ``"nucleus"`` for 0."""
    if number in names:
        return names[number]
    return f"class {number}" if number > 0 else "nucleus"


def _types_of(values: dict[str, Any], label_map: NDArray[np.int32], path: Path) -> dict[int, int] | None:
    labels = np.unique(label_map)
    labels = labels[labels > 0]
    if "inst_type" in values:
        types = np.asarray(values["inst_type"]).ravel().astype(np.int64)
        if len(types) == len(labels):
            return dict(zip(labels.tolist(), types.tolist(), strict=True))
        if len(labels) and len(types) >= int(labels.max()):
            # Some files list all labels that ever were; those that were erased keep their place.
            return {int(label): int(types[label - 1]) for label in labels}
        raise LayoutError(f"'{path.name}' has {len(types)} types for {len(labels)} nuclei; export it again.")
    if "type_map" in values:
        type_map = np.asarray(values["type_map"])
        if type_map.shape != label_map.shape:
            raise LayoutError(f"The 'type_map' of '{path.name}' has another size than its 'inst_map'; export it again.")
        inside = label_map > 0
        counts = np.zeros((int(label_map.max(initial=0)) + 1, int(type_map.max(initial=0)) + 1), np.int64)
        np.add.at(counts, (label_map[inside], type_map[inside].astype(np.int64)), 1)
        return {int(label): int(counts[label].argmax()) for label in labels}
    return None
