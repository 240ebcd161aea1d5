"""UJIIndoorLoc: where a phone is, from the wireless networks that it hears."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import numpy as np

from ._set import File, NamedSet, Place, Rows, github

__all__ = ["SET"]

_REPOSITORY, _COMMIT = "QiNian2684/Transformer-SVR_TestCode", "c122c2f6580f4f75c9d570c723d8effc0cf35ec3"
_PACKED, _ORIGINAL = "UJIndoorLoc.zip", "UJIndoorLoc_original.zip"
_PARTS = {"phone": "trainingData.csv", "validation-phone": "validationData.csv"}
_TRAINING_PHONES = (1, 3, 6, 7, 8, 10, 11, 13, 14, 16, 17, 18, 19, 22, 23, 24)
_VALIDATION_PHONES = (0, 2, 4, 5, 9, 12, 13, 14, 15, 20, 21)
_LABELS = {"floor": "FLOOR", "building": "BUILDINGID", "longitude": "LONGITUDE", "latitude": "LATITUDE"}
_SILENT, _BELOW_ALL = 100, -105  # the file's sign for a network not heard; a level under the weakest, -104 dBm


def _part(archive: Path, name: str) -> bytes:
    with zipfile.ZipFile(archive) as content:
        members = [m for m in content.namelist() if Path(m).name == name]
        if not members:
            raise KeyError(name)
        return content.read(members[0])


def _content(archive: Path, file: File) -> str:
    """Sum of the two tables, one after the other."""
    return hashlib.sha256(b"".join(_part(archive, name) for name in _PARTS.values())).hexdigest()


def _read(place: Place, domains: tuple[str, ...], label: str, preprocess: str) -> Rows:
    import polars as pl

    archive = place.folder / (_ORIGINAL if place.original else _PACKED)
    rows = {}
    for part, name in _PARTS.items():
        wanted = {d: int(d.removeprefix(f"{part}-")) for d in domains if d.rpartition("-")[0] == part}
        table = pl.read_csv(_part(archive, name)) if wanted else None
        for domain, phone in wanted.items():
            assert table is not None
            own = table.filter(pl.col("PHONEID") == phone)
            X = own.select(pl.col("^WAP.*$")).to_numpy().astype(np.float32)
            if preprocess == "filled":
                X[X == _SILENT] = _BELOW_ALL
            rows[domain] = (X, own[_LABELS[label]].to_numpy().copy())
    return rows


SET = NamedSet(
    name="uji-indoorloc",
    title="UJIIndoorLoc: position in three buildings from 520 wireless access points, by 25 phones",
    domains=(
        *(f"phone-{k}" for k in _TRAINING_PHONES),
        *(f"validation-phone-{k}" for k in _VALIDATION_PHONES),
    ),
    task="classification",
    n_features=520,
    files=(
        File(f"uji_indoorloc/{_PACKED}", "55bf3837c7dd15ed7581ee688873b588e5e6a50abe1c4de83d0c122529fb40c6", 1418399),
    ),
    licence="CC BY 4.0 at UCI; none stated in the repository",
    source=f"{_REPOSITORY} @ {_COMMIT[:12]}; UCI, Torres-Sospedra et al. (IPIN 2014)",
    read=_read,
    labels=tuple(_LABELS),
    preprocessings=("raw", "filled"),
    notes=(
        "levels are in dBm, -104 to 0; 100 stands for a network that was not heard, which is not a strong one:"
        " filled puts -105 there",
        "floor (0-4) and building (0-2) are classes, longitude and latitude (metres) are numbers",
        "phone-K is the training table, validation-phone-K the table taken four months later; 13 and 14 are in both",
    ),
    originals=(
        File(
            f"uji_indoorloc/{_ORIGINAL}",
            "c2ad952de1ee12110275c4115216e1de4feb843f541e70d7192988836024238f",
            None,
            github(_REPOSITORY, _COMMIT, "UJIndoorLoc.zip"),
            "content",
        ),
    ),
    content=_content,
)
