"""German credit: good or bad risk, by housing."""

from __future__ import annotations

import numpy as np

from ._set import File, NamedSet, Place, Rows

__all__ = ["SET"]

_DOMAINS = {"rent": "A151", "own": "A152", "free": "A153"}
_COLUMNS = (
    "status", "duration", "history", "purpose", "amount", "savings", "employment", "installment_rate",
    "personal_status_sex", "other_debtors", "residence_since", "property", "age", "other_installments", "housing",
    "existing_credits", "job", "dependants", "telephone", "foreign_worker", "risk",
)  # fmt: skip


def _read(place: Place, domains: tuple[str, ...], label: str, preprocess: str) -> Rows:
    import polars as pl

    lines = (place.folder / "german.data").read_text(encoding="ascii").splitlines()
    cells = zip(*(line.split() for line in lines))
    table = pl.DataFrame(
        {name: [int(v) if v.isdigit() else v for v in column] for name, column in zip(_COLUMNS, cells)}
    )
    X = table.drop("housing", "risk")
    if preprocess == "one-hot":
        X = X.to_dummies([c for c in X.columns if X[c].dtype == pl.String])
    rows = {}
    for domain in domains:
        own = (table["housing"] == _DOMAINS[domain]).to_numpy()
        part = X.filter(pl.Series(own))
        rows[domain] = (
            part.to_numpy().astype(np.float64) if preprocess == "one-hot" else part,
            table["risk"].to_numpy()[own],
        )
    return rows


SET = NamedSet(
    name="german-credit",
    title="German credit: 1000 applicants, 19 columns, good or bad risk, domains by housing",
    domains=tuple(_DOMAINS),
    task="classification",
    n_features=19,
    files=(
        File(
            "tabular/german.data",
            "b21f3d81db8071257d5ff1deaeba1fd4303b62712e6fcc9715c7a86202cb5871",
            79793,
            "https://archive.ics.uci.edu/ml/machine-learning-databases/statlog/german/german.data",
        ),
    ),
    licence="CC BY 4.0 (UCI)",
    source="UCI, Statlog (German Credit Data), Hofmann (1994)",
    read=_read,
    labels=("risk",),
    preprocessings=("raw", "one-hot"),
    classes=("good", "bad"),
    notes=(
        "labels are 1 (good) and 2 (bad); 300 are bad",
        "the column housing makes the domains and is not in X: 179 rent, 713 own, 108 live for free",
        "raw: X is a data frame, categories are strings as in the file (A11, A12, ...); one-hot: 58 numbers",
    ),
)
