"""UW-CSE: a computer science department as first-order facts; who advises whom."""

from __future__ import annotations

from ._relational import relational_set

__all__ = ["SCHEMA", "SET"]

SCHEMA = {
    "advisedby": ("person", "person"),
    "courselevel": ("course", "level"),
    "hasposition": ("person", "faculty"),
    "inphase": ("person", "phase"),
    "professor": ("person",),
    "projectmember": ("project", "person"),
    "publication": ("title", "person"),
    "samecourse": ("course", "course"),
    "sameperson": ("person", "person"),
    "sameproject": ("project", "project"),
    "student": ("person",),
    "ta": ("course", "person", "quarter"),
    "taughtby": ("course", "person", "quarter"),
    "tempadvisedby": ("person", "person"),
    "yearsinprogram": ("person", "year"),
}

SET = relational_set(
    "uwcse",
    "UW-CSE: first-order facts of a computer science department; who is advised by whom",
    SCHEMA,
    labels=("advisedby", "tempadvisedby", "publication", "ta", "taughtby"),
    packed=("e77cf79807545961d89d52758ed0b5d1eb235ff649331f66488ace6a50c8dc14", 222435),
    original=("14c9cbef1b4dc07287cad35551bc7b86b5737d5c65839f36d4fbb86eaa3a4865", 2516947),
    notes=("taughtby is in none of the authors' modes: published tables do without it",),
)
