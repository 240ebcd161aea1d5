"""Paired shots: test one proposal against source-only on the few target labels there are, by cross-validation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from scipy import stats
from sklearn.base import BaseEstimator, clone
from sklearn.utils import check_random_state

from ...core.base import fit_takes_target
from ...core.constraints import Interval, RandomState, check_params
from ...core.protocols import Array, Domain
from ...core.validation import task_of
from ...ops.candidates import MODEL, MODELS, check_pair, finding
from ...ops.folds import deal_folds

CARD = {}
