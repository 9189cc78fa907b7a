"""Folders of tiles with their labels: opened whatever their format, and split for training."""

from __future__ import annotations

import csv
import hashlib
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from histoloom.errors import LayoutError, TileError
from histoloom.keyed_random import keyed_hash
from histoloom.layouts.folder_recognition import count_labels, find_ignore_masks, find_pairs
from histoloom.layouts.label_formats import LABEL_FORMATS, LabelSource, read_labels
from histoloom.layouts.label_pictures import read_ignored
from histoloom.layouts.layout import DEFAULT_PIXEL_SIZE, Layout
from histoloom.tiles.reading import open_tile
from histoloom.tiles.tile import Tile

DEFAULT_FRACTIONS: Mapping[str, float] = {"train": 0.7, "validation": 0.15, "test": 0.15}

_ATTEMPTS = 64
_TCGA_PATIENT = re.compile(r"^(TCGA-[A-Z0-9]{2}-[A-Z0-9]{4})", re.IGNORECASE)


@dataclass(frozen=True)
class TilePair:
    """One tile of a folder.

    Parameters
    ----------
    id
        Its name in the folder, without suffix.
    image_path
        The picture.
    label_path
        Its labels (for masks, their folder), or None.
    patient
        Whom it comes from, as the folder's table says, or None.
    labels
        How the labels are stored, or None.
    organ
        What it is of, as the folder's table says, or None.
    ignore_path
        A mask of the regions that nothing shall be learnt from and that are not scored, or None; see `read_ignored`.
    """

    id: str
    image_path: Path
    label_path: Path | None = None
    patient: str | None = None
    labels: LabelSource | None = None
    organ: str | None = None
    ignore_path: Path | None = None


@dataclass(frozen=True)
class TileFolder:
    """A folder of tiles and labels whose format was recognized; see `open_tile_folder`.

    Parameters
    ----------
    path
        The folder.
    pairs
        Its tiles, sorted by id.
    description
        What was found, for people.
    pixel_size
        µm per pixel of all tiles, or None for what their files say.
    class_names
        Names of numbered classes, or None for CoNSeP's.
    """

    path: Path
    pairs: tuple[TilePair, ...]
    description: str
    pixel_size: float | None = None
    class_names: Mapping[int, str] | None = None

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of all tiles, sorted."""
        return tuple(pair.id for pair in self.pairs)

    def open(self, id: str) -> tuple[Tile, Layout | None]:  # noqa: A002 - as the table's column is called
        """Return a tile and its layout (None where it has no labels).

        Raises
        ------
        TileError, LayoutError
            If the id is unknown, a file is damaged, or labels and picture differ in size.
        """
        pair = self._pair(id)
        tile = open_tile(pair.image_path)
        if self.pixel_size is not None:
            tile = replace(tile, pixel_size=self.pixel_size)
        if pair.labels is None:
            return tile, None
        try:
            layout = read_labels(pair.labels, tile.shape, tile.pixel_size or DEFAULT_PIXEL_SIZE, self.class_names)
        except BaseException:
            tile.close()
            raise
        return tile, layout

    def ignored(self, id: str, shape: tuple[int, int]) -> NDArray[np.bool_] | None:  # noqa: A002 - as in the table
        """Return where a tile of a height and width is ignored, ``bool (H, W)``, or None where nothing says.

        Raises
        ------
        TileError, LayoutError
            If the id is unknown, or the mask is damaged or of another size.
        """
        path = self._pair(id).ignore_path
        return None if path is None else read_ignored(path, shape)

    def split(
        self,
        by: Literal["patient", "tile"] = "patient",
        fractions: Mapping[str, float] | None = None,
        seed: int = 0,
    ) -> dict[str, list[str]]:
        """Split the tiles into parts, such as for training and validation.

        Parameters
        ----------
        by
            ``"patient"`` keeps all tiles of a patient in one part; ``"tile"`` treats each tile by itself.
        fractions
            Share of the tiles for each named part (default: 70 % train, 15 % validation, 15 % test); they are scaled to
            add up to 1.
        seed
            Another one gives another split; the same gives the same on every machine.

        Returns
        -------
        dict
            Sorted ids of each part. Every part gets at least one patient or tile.

        Raises
        ------
        TileError
            If patients are not known, a fraction is not above 0, or there are fewer patients or tiles than parts.
        """
        parts = dict(DEFAULT_FRACTIONS if fractions is None else fractions)
        if not parts or not all(0 < each < float("inf") for each in parts.values()):
            raise TileError(
                "The fractions of a split must all be above 0; give for example train 0.8 and validation 0.2."
            )
        groups = self._groups(by)
        if len(groups) < len(parts):
            what = "patients" if by == "patient" else "tiles"
            raise TileError(f"{len(groups)} {what} cannot be split into {len(parts)} parts; ask for fewer parts.")
        return _split_groups(groups, parts, seed)

    def content_sha256(self) -> str:
        """Return the hash of pixels and labels of all labelled tiles, by which bundles name what they were trained on.

        Raises
        ------
        TileError, LayoutError
            If a file is damaged, or a picture and its labels differ in size.
        """
        digest = hashlib.sha256()
        for pair in self.pairs:
            if pair.labels is None:
                continue
            tile, layout = self.open(pair.id)
            with tile:
                digest.update(tile.read().tobytes())
            if layout is not None:
                digest.update(layout.rasterize().tobytes())
            ignored = self.ignored(pair.id, tile.shape)
            if ignored is not None:
                digest.update(ignored.tobytes())
        return digest.hexdigest()

    def _pair(self, id_: str) -> TilePair:
        pair = next((each for each in self.pairs if each.id == id_), None)
        if pair is None:
            raise TileError(
                f"The folder '{self.path.name}' has no tile '{id_}'; choose one of its {len(self.pairs)} tiles."
            )
        return pair

    def _groups(self, by: str) -> dict[str, list[str]]:
        if by == "tile":
            return {pair.id: [pair.id] for pair in self.pairs}
        groups: dict[str, list[str]] = {}
        unknown = []
        for pair in self.pairs:
            if pair.patient is None:
                unknown.append(pair.id)
            else:
                groups.setdefault(pair.patient, []).append(pair.id)
        if unknown:
            raise TileError(
                f"The patients of {len(unknown)} tiles are not known (such as '{unknown[0]}'); "
                "add a 'patient' column to meta.csv, or split by tile."
            )
        return groups


def open_tile_folder(
    path: str | Path,
    pixel_size: float | None = None,
    class_names: Mapping[int, str] | None = None,
    *,
    labels_required: bool = True,
) -> TileFolder:
    """Open a folder of tiles with their labels; which format it has is recognized and said in its description.

    Known are label maps (TIFF, PNG, NPY), GlaS ``_anno.bmp``, MoNuSeg's XML, HoVer-Net's MAT, Data Science Bowl's mask
    folders, QuPath GeoJSON and COCO JSON. Pictures and labels lie side by side or in sub-folders with the usual names,
    and are paired by name. ``types/ID.json`` gives the classes of a label map, ``meta.csv`` with the columns ``id``,
    ``patient`` and ``organ`` the patients and organs; otherwise TCGA barcodes give the patients. ``ID_ignore.png``
    beside a picture, or ``ignore/ID.png``, is not 0 where that tile is ignored.

    Parameters
    ----------
    path
        The folder. No picture is opened yet.
    pixel_size
        µm per pixel of its tiles (default: what each file says).
    class_names
        Names of numbered classes (default: CoNSeP's).
    labels_required
        Whether a folder of pictures without any labels is an error.

    Raises
    ------
    TileError
        If the folder is missing, cannot be read, or has no pictures, or (see above) no picture has labels.
    """
    folder = Path(path)
    if not folder.exists():
        raise TileError(f"The folder '{folder.name}' does not exist; check the name.")
    if not folder.is_dir():
        raise TileError(f"'{folder.name}' is a file and not a folder of tiles; open it as a tile.")
    try:
        found = find_pairs(folder)
        labels = count_labels(folder)
        ignored = find_ignore_masks(folder)
    except OSError as error:
        raise TileError(
            f"The folder '{folder.name}' cannot be read ({error.strerror}); check your permissions."
        ) from None
    if not found:
        hint = f"it has {labels} label files and no pictures that go with them" if labels else "it has no pictures"
        raise TileError(
            f"The folder '{folder.name}' holds no tiles ({hint}); choose the folder in which 'images' and 'labels' lie."
        )
    if labels_required and all(source is None for _, source in found.values()):
        raise TileError(
            f"None of the {len(found)} pictures in the folder '{folder.name}' has labels of the same name; "
            "put them into 'images' and 'labels'."
        )
    rows = _rows_of_table(folder)
    table, organs = _column(rows, "patient"), _column(rows, "organ")
    pairs = []
    for id_, (image, source) in found.items():
        barcode = _TCGA_PATIENT.match(id_)
        patient = table.get(id_) or (barcode.group(1).upper() if barcode else None)
        pairs.append(
            TilePair(id_, image, source.path if source else None, patient, source, organs.get(id_), ignored.get(id_))
        )
    description = _described(pairs, from_table=bool(table))
    return TileFolder(folder, tuple(pairs), description, pixel_size, class_names)


def _rows_of_table(folder: Path) -> list[dict[str, str | None]]:
    path = folder / "meta.csv"
    if not path.is_file():
        return []
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            return list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error):
        raise LayoutError("'meta.csv' cannot be read as a table; save it as comma-separated UTF-8.") from None


def _column(rows: list[dict[str, str | None]], name: str) -> dict[str, str]:
    """Return what a column says of each tile; empty cells say nothing."""
    cells = [(str(row.get("id") or "").strip(), str(row.get(name) or "").strip()) for row in rows]
    return {id_: cell for id_, cell in cells if id_ and cell}


def _described(pairs: list[TilePair], *, from_table: bool) -> str:
    titles = {each.name: each.title for each in LABEL_FORMATS}
    counts = Counter(titles[pair.labels.format_name] for pair in pairs if pair.labels)
    unlabelled = sum(pair.labels is None for pair in pairs)
    if len(counts) == 1 and not unlabelled:
        ways = f" with {next(iter(counts))}"
    else:
        ways = "".join(f", {count} with {title}" for title, count in counts.items())
        ways += f", {unlabelled} without labels" if unlabelled else ""
    text = f"{len(pairs)} {'tile' if len(pairs) == 1 else 'tiles'}{ways}"
    if any(pair.labels and pair.labels.types_path for pair in pairs):
        text += ", classes from JSON"
    patients = {pair.patient for pair in pairs if pair.patient}
    ignored = sum(pair.ignore_path is not None for pair in pairs)
    if ignored:
        text += f", {ignored} with regions to ignore"
    if patients:
        noun = "patient" if len(patients) == 1 else "patients"
        text += f", {len(patients)} {noun} from {'meta.csv' if from_table else 'TCGA barcodes'}"
    return text


def _split_groups(groups: dict[str, list[str]], parts: dict[str, float], seed: int) -> dict[str, list[str]]:
    """Return the best of several random splits, so that a few large patients do not upset the fractions."""
    tiles = sum(len(each) for each in groups.values())
    share = {name: tiles * each / sum(parts.values()) for name, each in parts.items()}
    names = sorted(groups)
    numbers = np.array([_number_of(name) for name in names], np.int64)
    best: dict[str, list[str]] = {}
    least = float("inf")
    for attempt in range(_ATTEMPTS):
        order = np.argsort(keyed_hash(seed, attempt, numbers), kind="stable")
        split = _dealt([groups[names[index]] for index in order], share)
        missed = sum(abs(len(split[name]) - share[name]) for name in parts)
        if missed < least:
            best, least = split, missed
        if least < len(parts):
            break
    return {name: sorted(ids) for name, ids in best.items()}


def _dealt(groups: list[list[str]], share: dict[str, float]) -> dict[str, list[str]]:
    """Give each group to the part that lacks most of its share; the last ones go to parts that are still empty."""
    split: dict[str, list[str]] = {name: [] for name in share}
    for place, group in enumerate(groups):
        empty = [name for name in share if not split[name]]
        candidates = empty if len(groups) - place <= len(empty) else list(share)
        chosen = max(candidates, key=lambda name: share[name] - len(split[name]))
        split[chosen].extend(group)
    return split


def _number_of(name: str) -> int:
    # Python's own hash of a string differs between processes.
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:7], "little")
