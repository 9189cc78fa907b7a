"""What is said of a folder whose tiles were judged: how many, beside what, and whether that was their own look."""

from __future__ import annotations

from histoloom.gui.status_card import Level
from histoloom.jobs.judged_folder import JudgedFolder


def judged_words(folder: JudgedFolder) -> tuple[Level, str]:
    """Return how judging a folder went, and what to heed, as a level and sentences."""
    name, judged, failed = folder.path.name, len(folder.tiles), len(folder.problems)
    beside = f" beside {folder.beside}" if folder.beside else ""
    if failed:
        words = (
            f"{judged:,} of the {judged + failed:,} tiles of '{name}' {_was(judged)} judged{beside}, and {failed:,} "
            f"could not be: {folder.problems[0]}"
        )
    elif judged == 1:
        words = f"The only tile of '{name}' was judged{beside}."
    else:
        words = f"All {judged:,} tiles of '{name}' were judged{beside}."
    remarks = (looks_warning(folder), _about_blank(folder), _about_lost(folder), folder.table_problem)
    heeded = [each for each in remarks if each]
    return Level.ATTENTION if failed or heeded else Level.OK, " ".join([words, *heeded])


def looks_warning(folder: JudgedFolder) -> str:
    """Return a sentence if tiles were held against another look than the one of their records, else an empty str."""
    other, judged = folder.beside_other_looks, len(folder.tiles)
    if not other:
        return ""
    of = f"{other:,} of {judged:,} tiles {_was(other)} held against"
    if folder.is_beside_one:
        return (
            f"{of} {folder.beside}, although {'its record names' if other == 1 else 'their records name'} another "
            "look; compare with the folder of the real tiles whose looks were woven."
        )
    return (
        f"{of} another look than {'its record names' if other == 1 else 'their records name'}, which no tile in the "
        "folder of real tiles has; choose the folder of those whose looks were woven."
    )


def looks_remark(folder: JudgedFolder | None) -> str:
    """Return the same in few words, for the column of a table that names the critic."""
    if folder is None or not folder.beside_other_looks:
        return ""
    of = f"{folder.beside_other_looks} of {len(folder.tiles)} tiles"
    return f"{of} beside {folder.beside if folder.is_beside_one else 'another look'}, not their records' looks"


def _about_blank(folder: JudgedFolder) -> str:
    blank = [f"'{each.file}'" for each in folder.tiles if not each.shows_tissue]
    if not blank:
        return ""
    if len(blank) == 1:
        return f"{blank[0]} shows hardly any tissue, so it counts at most 1; look, and reject it if it is wrong."
    return (
        f"{len(blank):,} tiles show hardly any tissue ({', '.join(blank)}), so they count at most 1; look, and reject "
        "those that are wrong."
    )


def _about_lost(folder: JudgedFolder) -> str:
    if not folder.lost_decisions:
        return ""
    return (
        "Its table holds decisions about tiles that were not judged, and will not if it is written anew: "
        f"{', '.join(folder.lost_decisions)}."
    )


def _was(count: int) -> str:
    return "was" if count == 1 else "were"
