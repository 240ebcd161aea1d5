"""`transferkit fit` and `transferkit predict`: one method, and a saved model on new rows."""

from __future__ import annotations

from inspect import signature
from pathlib import Path
from typing import Annotated, Any

import typer

from ..core.errors import DataError, ParamError
from .console import command_line, model_folder, out, print_json, settings_of
from .relations import SCHEMA, SOURCE_PREDICATE, TARGET_PREDICATE, check_facts_asked
from .run import (
    AS_JSON,
    DOMAIN_COLUMN,
    DOMAINS,
    KIND,
    LABEL,
    MODEL,
    PAIRS,
    SEED,
    SHOTS,
    SOURCE_DOMAIN,
    TARGET_DOMAIN,
    TARGET_LABELS,
    TEXT,
    task_from,
)

__all__ = ["fit", "predict"]

CHUNK_ROWS = Annotated[
    int | None,
    typer.Option(
        "--chunk-rows",
        min=1,
        help="Read Parquet files or folders of such so many rows at a time, for what does not fit in memory.",
    ),
]


def fit(
    method: Annotated[str, typer.Argument(help="Id of a method, as `transferkit list` shows it.")],
    domains: DOMAINS = None,
    folder: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder for the model; a new one under runs/ without it.")
    ] = None,
    label: LABEL = None,
    kind: KIND = "auto",
    target_labels: TARGET_LABELS = "auto",
    shots: SHOTS = None,
    domain_column: DOMAIN_COLUMN = None,
    target_domain: TARGET_DOMAIN = None,
    source_domain: SOURCE_DOMAIN = None,
    model: MODEL = None,
    text: TEXT = None,
    epochs: Annotated[
        int | None, typer.Option("--epochs", help="Passes over the rows of a method that trains a network.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="A parameter of the method, as name=value, or a setting of its training, as training.lr=0.01 or"
            " training.batch_size=64; repeat.",
        ),
    ] = None,
    chunk_rows: CHUNK_ROWS = None,
    pairs: PAIRS = None,
    target_predicate: TARGET_PREDICATE = None,
    source_predicate: SOURCE_PREDICATE = None,
    schema: SCHEMA = None,
    seed: SEED = 0,
    as_json: AS_JSON = False,
) -> None:
    """Fit one method, without a guard, and save it. Target labels may be absent; held-back ones only give the score.

    [bold]Examples[/bold]

      transferkit fit coral lab.csv clinic.csv --label diagnosis -o runs/coral

      transferkit fit source_only lab.csv clinic.csv --label diagnosis

      transferkit fit tca a.npz b.npz --set n_components=20

      transferkit fit dann lab.csv clinic.csv --label diagnosis --epochs 30 --set training.lr=0.01

      transferkit fit cca device1.csv device2.csv --label crop --pairs standards.csv

      transferkit fit coral lab_parts/ clinic_parts/ --label diagnosis --chunk-rows 100000

      transferkit fit gcn papers_2008/ papers_2012/ --label topic

      transferkit fit tree_boostler films.pl department.pl --source-predicate workedunder --target-predicate advisedby
    """
    from ..pipeline.fit import fit_one
    from ..pipeline.run import free_folder

    params = settings_of(settings)
    folder = folder or free_folder(method)
    unlike_facts = (
        label, domain_column, target_domain, source_domain, model, text, epochs, chunk_rows, pairs,
        None if kind == "auto" else 0, None if target_labels in ("auto", "few") else 0,
    )  # fmt: skip
    with_facts = "--source-predicate, --schema, --shots, --set, --seed, --out and --json"
    if check_facts_asked(domains or [], target_predicate, (source_predicate, schema), with_facts, unlike_facts):
        from ..pipeline.relational import fit_relations

        *sources, target = domains or []
        facts = fit_relations(
            method, sources, target, params, folder, target_predicate=str(target_predicate),
            source_predicate=source_predicate, schema=schema, shots=shots, seed=seed, command=command_line(),
        )  # fmt: skip
    elif chunk_rows is not None:
        given = (shots, domain_column, target_domain, source_domain, model, text, epochs, pairs)
        if any(v is not None and v != [] for v in given) or target_labels != "auto":
            raise typer.BadParameter(
                "goes with --label, --kind, --set, --seed and --out only", param_hint="--chunk-rows"
            )
        if len(domains or []) != 2 or label is None:
            raise typer.BadParameter("needs one source, then the target, and --label", param_hint="--chunk-rows")
        from ..pipeline.fit_chunks import fit_on_files

        source, target = domains or []
        facts = fit_on_files(
            source, target, method, params, folder,
            label=label, kind=kind, chunk_rows=chunk_rows, seed=seed, command=command_line(),
        )  # fmt: skip
    else:
        task = task_from(
            domains or [],
            domain_column=domain_column,
            target_domain=target_domain,
            source_domains=source_domain,
            model=model,
            text=text,
            epochs=epochs,
            label=label,
            kind=kind,
            target_labels=target_labels,
            shots=shots,
            pairs=None if pairs is None else str(pairs),
            seed=seed,
        )
        facts = fit_one(task, method, params, folder, command=command_line())
    if as_json:
        print_json(facts)
        return
    score = facts["score"]
    for name, value in (facts.get("scores") or {}).items():
        out().print(f"{name} on {facts['n_held_back']} held-back atoms: {value:.4f}")
    if score is not None:
        low, high = facts["score_interval"]
        out().print(
            f"{facts['metric']} on {facts['n_held_back']} held-back rows: {score:.4f} (95 %: {low:.4f} to {high:.4f})"
        )
    out().print(f"saved {facts['class']} to {folder}", soft_wrap=True, markup=False)


def predict(
    run: Annotated[Path, typer.Argument(help="Folder of a run or a fit, or an exported .zip or .onnx file.")],
    data: Annotated[str, typer.Argument(help="Rows of the target: a file, folder, zip file, glob or NAME:DOMAIN.")],
    output: Annotated[Path, typer.Option("--out", "-o", help="CSV file to write; with --chunk-rows a Parquet file.")],
    text: TEXT = None,
    chunk_rows: CHUNK_ROWS = None,
    task: Annotated[str | None, typer.Option("--task", help="Of a model of several tasks: the one to predict.")] = None,
    as_json: AS_JSON = False,
) -> None:
    """Predict new rows of the target with a saved model: columns `prediction` and `probability_<class>`.

    Of images, texts and audio, a column `row` names the file in front.

    [bold]Examples[/bold]

      transferkit predict runs/clinic new_patients.csv -o predictions.csv

      transferkit predict runs/flowers new_photos/ -o predictions.csv

      transferkit predict clinic.onnx new_patients.csv -o predictions.csv

      transferkit predict runs/clinic patients_parts/ -o predictions.parquet --chunk-rows 100000

      transferkit predict runs/papers papers_2016/ -o predictions.csv

      transferkit predict runs/department other_department.pl -o predictions.csv
    """
    from .. import store
    from ..core.compose import takes_edges
    from ..core.files import atomic_write
    from ..core.task_pipelines import check_answers
    from ..data.encode import columns_of
    from ..data.samples import Samples
    from ..pipeline.analyse import predictions_csv
    from ..pipeline.define import read_domain
    from ..pipeline.evaluate import predict_once
    from ..pipeline.prepare import sample_names

    if not run.exists():
        raise DataError(f"{run}: must be the folder of a run. Got no such folder.")
    if chunk_rows is not None:
        if text is not None or task is not None or run.suffix.lower() == ".onnx":
            raise typer.BadParameter(
                "goes with a model of a folder, and --out and --json only", param_hint="--chunk-rows"
            )
        from ..pipeline.fit_chunks import predict_to_file

        n = predict_to_file(model_folder(run), data, output, chunk_rows=chunk_rows)
        _tell_written(n, output, as_json)
        return
    model: Any
    if run.suffix.lower() == ".onnx":
        from ..export import OnnxModel

        model = OnnxModel(run)
    else:
        model = store.load(model_folder(run))
    if getattr(model, "predicate_", None) is not None:  # a relation of first-order facts
        from ..pipeline.relational import predict_facts

        _tell_written(predict_facts(model, data, output), output, as_json)
        return
    check_answers("predict", model, of_tasks=True)
    columns = model.kinds if run.suffix.lower() == ".onnx" else columns_of(model)
    rows = read_domain(data, label=None, require_label=False, text=text, columns=columns)
    if rows.edges is None and takes_edges(model):
        raise DataError(
            f"{data}: must be a graph for this model: a folder with tables called nodes and edges, or a .mat or .npz file with"
            " a network. Got rows without edges."
        )
    wants = signature(model.predict).parameters.get("task")
    if task is None and wants is not None and wants.default is wants.empty:
        raise ParamError(f"predict: task must be one of {', '.join(model.tasks_)} (--task NAME). Got none.")
    if task is not None and wants is None:
        raise ParamError(f"predict: task must be left out for a model of one task. Got {task!r}.")
    predicted, proba = (
        predict_once(model, rows.X, rows.edges) if task is None else (model.predict(rows.X, task=task), None)
    )
    names = sample_names(rows.X, data) if isinstance(rows.X, Samples) else None
    atomic_write(output, predictions_csv(predicted, proba, getattr(model, "classes_", None), names))
    _tell_written(len(predicted), output, as_json)


def _tell_written(n: int, output: Path, as_json: bool) -> None:
    if as_json:
        print_json({"rows": n, "file": str(output)})
    elif output.is_file():  # into a pipe or device, as /dev/stdout, goes nothing but the predictions
        out().print(f"{n} predictions written to {output}", soft_wrap=True, markup=False)
