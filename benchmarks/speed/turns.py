"""One cell: every side in a child process of its own, fitting in turns, with a limit of processor time."""

from __future__ import annotations

import multiprocessing
import resource
import time
import warnings
from multiprocessing.connection import Connection
from statistics import median
from typing import Any

import numpy as np
import problems
from sides import Case, Fit
from sklearn.metrics import r2_score

# A child is forked, so that what the libraries import is paid once and is no part of what it is measured by.
_FORK = multiprocessing.get_context("fork")

SHORT = 0.05
ERRORS = (ArithmeticError, AttributeError, ImportError, LookupError, RuntimeError, TypeError, ValueError)


def _serve(pipe: Connection, fit: Fit, kind: str, n: int, d: int, limit: int) -> None:
    """In the child: a small fit for first calls, then one fit for each request."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            fit(problems.make(kind, 80, min(d, 20)))()
        except ERRORS as err:  # found again on the n rows, where it counts
            print(f"    on 80 rows: {type(err).__name__}: {err}"[:200])
    problem = problems.make(kind, n, d)
    pipe.send("ready")
    while pipe.recv():
        resource.setrlimit(resource.RLIMIT_CPU, (int(time.process_time()) + limit + 1, resource.RLIM_INFINITY))
        pipe.send(_once(fit, problem))


def _once(fit: Fit, problem: problems.Problem) -> dict[str, Any]:
    """One fit, or the mean of several where one is too short for the processor's clock."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        start = time.process_time()
        try:
            predict = fit(problem)
            seconds = time.process_time() - start
            grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
            if seconds < SHORT:
                fits = int(min(20, 2 * SHORT / max(seconds, 1e-3)))
                start = time.process_time()
                for _ in range(fits):
                    fit(problem)
                seconds = (time.process_time() - start) / fits
            predicted = predict()
        except ERRORS as err:  # a peer's error is a result
            return {"error": f"{type(err).__name__}: {err}".splitlines()[0][:200]}
    truth = problem.yt[problem.scored]
    predicted = np.asarray(predicted)[problem.scored]
    score = r2_score(truth, predicted) if truth.dtype.kind == "f" else np.mean(predicted == truth)
    said = {str(w.message).splitlines()[0][:160] for w in caught if issubclass(w.category, UserWarning)}
    return {"seconds": seconds, "score": float(score), "mib": grown / 1024, "warnings": sorted(said)}


def cell(case: Case, n: int, d: int, sides: list[str], repeats: int, once_from: float, limit: int) -> dict[str, Any]:
    """Median seconds, peak memory over what was there before, and score of each side."""
    runs: dict[str, list[dict[str, Any]]] = {side: [] for side in sides}
    ended: dict[str, dict[str, Any]] = {}
    children: dict[str, tuple[Any, Connection]] = {}
    try:
        for side in sides:
            here, there = _FORK.Pipe()
            child = _FORK.Process(target=_serve, args=(there, case.timed[side], case.problem, n, d, limit), daemon=True)
            child.start()
            there.close()
            children[side] = child, here
        for repeat in range(repeats):
            for side in sides[:: -1 if repeat % 2 else 1]:
                slow = runs[side] and runs[side][0]["seconds"] > once_from
                if side in ended or slow:
                    continue
                found = _ask(children[side][1], first=not runs[side], limit=limit)
                if "seconds" in found:
                    runs[side].append(found)
                else:
                    ended[side] = found
    finally:
        for child, _ in children.values():
            child.kill()
            child.join()
    return {side: ended.get(side) or _summary(runs[side]) for side in sides}


def _ask(pipe: Connection, first: bool, limit: int) -> dict[str, Any]:
    try:
        if first:
            pipe.recv()
        pipe.send(True)
        return pipe.recv()
    except (EOFError, BrokenPipeError):
        return {"gave_up": f"killed, most likely by the limit of {limit} s"}


def _summary(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Memory is that of the first fit: later ones find the first one's pages."""
    return {
        "seconds": round(median(r["seconds"] for r in runs), 4),
        "runs": len(runs),
        "mib": round(runs[0]["mib"], 1),
        "score": round(runs[0]["score"], 4),
    } | ({"warnings": runs[0]["warnings"]} if runs[0]["warnings"] else {})
