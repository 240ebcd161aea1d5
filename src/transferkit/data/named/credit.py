"""Default of credit card clients in Taiwan, by education."""

from __future__ import annotations

import gzip

from ._set import File, NamedSet, Place, Rows, github

__all__ = ["SET"]

_REPOSITORY, _COMMIT = "nbgraham/SL-Loan-Default", "594b9af682b5fd052f65a87dc08315ecb347b513"
_DOMAINS = {"graduate-school": (1,), "university": (2,), "high-school": (3,), "other": (0, 4, 5, 6)}
_LABEL = "default.payment.next.month"


def _read(place: Place, domains: tuple[str, ...], label: str, preprocess: str) -> Rows:
    import polars as pl

    if place.original:
        content = (place.folder / "UCI_Credit_Card.csv").read_bytes()
    else:
        content = gzip.decompress((place.folder / "UCI_Credit_Card.csv.gz").read_bytes())
    table = pl.read_csv(content.replace(b"\r", b"\n"))  # lines end in a bare carriage return
    rows = {}
    for domain in domains:
        own = table.filter(pl.col("EDUCATION").is_in(_DOMAINS[domain]))
        rows[domain] = (own.drop("ID", "EDUCATION", _LABEL), own[_LABEL].to_numpy().copy())
    return rows


SET = NamedSet(
    name="credit",
    title="Default of credit card clients (Taiwan, 2005): 30000 people, 22 columns, domains by education",
    domains=tuple(_DOMAINS),
    task="classification",
    n_features=22,
    files=(
        File(
            "tabular/UCI_Credit_Card.csv.gz",
            "112029e9a5126ed228f790a47991ece650d6adab627fbd6ba5fcd042fcb27129",
            979791,
        ),
    ),
    licence="CC BY 4.0 at UCI; none stated in the repository",
    source=f"{_REPOSITORY} @ {_COMMIT[:12]}; UCI, Yeh & Lien (2009)",
    read=_read,
    labels=("default",),
    classes=("paid", "default"),
    notes=(
        "X is a data frame with named columns; SEX and MARRIAGE are coded as numbers",
        "the column EDUCATION makes the domains and is not in X: 1, 2, 3, and other = 0, 4, 5, 6; neither is ID",
        "10585, 14030, 4917 and 468 rows; 6636 of all 30000 people default",
    ),
    originals=(
        File(
            "tabular/UCI_Credit_Card.csv",
            "e3d893c1b4a9dc73220d01e18975ea04adb79fd8e0cebed1aea739e77797224e",
            2867207,
            github(_REPOSITORY, _COMMIT, "UCI_Credit_Card.csv"),
        ),
    ),
)
