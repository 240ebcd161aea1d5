"""`transferkit run`: the six steps."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .console import command_line, complain, out, print_json, print_notes, seconds, watch
from .relations import SCHEMA, SOURCE_PREDICATE, TARGET_PREDICATE, check_facts_asked, print_relations

if TYPE_CHECKING:
    from ..pipeline.define import TransferTask

__all__ = ["print_result", "run", "task_from"]

DOMAINS = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="SOURCE... TARGET",
        help="Files, folders, zip files, globs or NAME:DOMAIN; the last is the target. One alone is a labelled target of"
        " images, texts or audio, and a pretrained model is the source.",
    ),
]
LABEL = Annotated[str | None, typer.Option("--label", "-l", help="Label column or variable.")]
KIND = Annotated[str, typer.Option("--kind", help="auto, classification or regression.")]
TARGET_LABELS = Annotated[
    str,
    typer.Option("--target-labels", help="none: thrown away; few: used; test: held back for the final score; auto."),
]
SHOTS = Annotated[int | None, typer.Option("--shots", help="With few: labels used a class; the rest is held back.")]
DOMAIN_COLUMN = Annotated[
    str | None, typer.Option("--domain-column", help="One file holds all domains; this column tells them apart.")
]
TARGET_DOMAIN = Annotated[
    str | None, typer.Option("--target-domain", help="With --domain-column: the value that is the target.")
]
SOURCE_DOMAIN = Annotated[
    list[str] | None, typer.Option("--source-domain", help="With --domain-column: a value that is a source; repeat.")
]
MODELS = Annotated[
    list[str] | None,
    typer.Option(
        "--model",
        help="Pretrained network for images, texts or audio: timm:NAME, hf:NAME, sentence:NAME, torchvision:NAME,"
        " file:PATH?arch=timm:NAME. Repeat to compare several on one target.",
    ),
]
MODEL = Annotated[
    str | None, typer.Option("--model", help="Pretrained network for images, texts or audio, as in timm:resnet18.")
]
TEXT = Annotated[str | None, typer.Option("--text", help="The column that holds the texts.")]
PAIRS = Annotated[
    Path | None,
    typer.Option(
        "--pairs",
        help="Where the target has columns of its own: a CSV file with the columns source and target, numbers from 0 of rows that"
        " are the same thing.",
    ),
]
SEED = Annotated[int, typer.Option("--seed", help="Every random choice follows from it.")]
AS_JSON = Annotated[bool, typer.Option("--json", help="Print facts as JSON instead of text.")]


def task_from(
    domains: list[str], *, domain_column: str | None, model: list[str] | str | None = None, **options: Any
) -> TransferTask:
    """The task that the arguments of a command ask for."""
    from ..pipeline.define import TransferTask

    models = [model] if isinstance(model, str) else list(model or ())
    options["model"] = models[0] if len(models) == 1 else models or None
    if domain_column is not None:
        if len(domains) != 1:
            raise typer.BadParameter(
                "with --domain-column, give the one file that holds all domains", param_hint="SOURCE... TARGET"
            )
        return TransferTask(sources=domains, target=domains[0], domain_column=domain_column, **options)
    if len(domains) == 1 and (models or Path(domains[0]).is_dir() or domains[0].lower().endswith(".zip")):
        return TransferTask(sources=[], target=domains[0], **{**options, "model": options["model"] or "auto"})
    if len(domains) < 2:
        raise typer.BadParameter(
            "give at least one source and then the target, or one labelled target with --model",
            param_hint="SOURCE... TARGET",
        )
    return TransferTask(sources=domains[:-1], target=domains[-1], **options)


def _pairs(text: str) -> list[str]:
    """The parts of ``a=0.3,b=0.7``; a class may hold a comma or an equals sign itself."""
    return [part.strip() for part in re.findall(r"(.+?=[^,=]*)(?:,|$)", text)] or [text]


def _names(text: str) -> list[str]:
    """The parts of ``dann,cdan``."""
    return [part.strip() for part in text.split(",") if part.strip()] or [text]


def print_result(result: Any, as_json: bool) -> None:
    """The verdict, the candidates and where the report lies."""
    if as_json:
        print_json(dict(result.facts))
        return
    from rich.markup import escape

    from ..report.console import summary_table, verdict_panel

    console = out()
    console.print(summary_table(result.facts))
    notes = result.facts["prepare"]["notes"]
    print_notes(notes[:5])
    if len(notes) > 5:
        print_notes([f"{len(notes) - 5} more of these stand in the report."])
    console.print(verdict_panel(result.facts))
    console.print(f"report      {escape(str(result.report))}", soft_wrap=True)
    console.print(f"all of it   {escape(str(result.folder))}", soft_wrap=True)


def run(
    domains: DOMAINS = None,
    label: LABEL = None,
    kind: KIND = "auto",
    target_labels: TARGET_LABELS = "auto",
    shots: SHOTS = None,
    domain_column: DOMAIN_COLUMN = None,
    target_domain: TARGET_DOMAIN = None,
    source_domain: SOURCE_DOMAIN = None,
    model: MODELS = None,
    text: TEXT = None,
    epochs: Annotated[
        int | None, typer.Option("--epochs", help="Passes over the rows of networks that are trained; by their number.")
    ] = None,
    method: Annotated[
        list[str] | None, typer.Option("--method", "-m", help="Try only this method, or these: coral,tca; repeat.")
    ] = None,
    budget: Annotated[
        str | None, typer.Option("--budget", help="Start no candidate after this time: 90s, 5min, 2h.")
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option("--jobs", "-j", help="Candidates fitted at a time; one a core without it. Networks: always one."),
    ] = None,
    assume: Annotated[
        str,
        typer.Option(
            "--assume",
            help="What holds of the target's class shares: nothing; same-priors (roughly the source's); label-shift (they"
            " moved, and nothing else).",
        ),
    ] = "nothing",
    target_shares: Annotated[
        str | None, typer.Option("--target-shares", help="The target's class shares, where you know them: a=0.3,b=0.7.")
    ] = None,
    distil: Annotated[
        bool, typer.Option("--distil", help="Replace a vote that wins with one plain model that it teaches.")
    ] = False,
    tune: Annotated[
        int,
        typer.Option(
            "--tune",
            help="Settings of the model inside the methods to try with Optuna, by cross-validation of the source's labels;"
            " at most a quarter of --budget. Needs the extra tune.",
        ),
    ] = 0,
    tune_proposal: Annotated[
        int,
        typer.Option(
            "--tune-proposal",
            help="With a few target labels: settings of the one method that they test to try with Optuna, by cross-validation of"
            " these labels inside every fold of the test; at most a quarter of --budget. Needs the extra tune.",
        ),
    ] = 0,
    engine: Annotated[
        str,
        typer.Option("--engine", help="Where candidates are fitted: local, or the workers of a dask or ray cluster."),
    ] = "local",
    address: Annotated[str | None, typer.Option("--address", help="Of that cluster, as in tcp://host:8786.")] = None,
    pairs: PAIRS = None,
    target_predicate: TARGET_PREDICATE = None,
    source_predicate: SOURCE_PREDICATE = None,
    schema: SCHEMA = None,
    seed: SEED = 0,
    strict: Annotated[bool, typer.Option("--strict", help="A broken file in a folder is an error.")] = False,
    folder: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder of the run; a new one under runs/ without it.")
    ] = None,
    resume: Annotated[Path | None, typer.Option("--resume", help="Go on with the run in this folder.")] = None,
    labels: Annotated[
        Path | None,
        typer.Option("--labels", help="With --resume: the run's label_next.csv with its column label filled in."),
    ] = None,
    as_json: AS_JSON = False,
) -> None:
    """Walk the six steps: read, prepare, select, train, evaluate against baselines, analyse.

    From domain to domain: tries every method that fits, chooses without peeking at hidden labels, and keeps the source
    model where adapting would hurt. Where the target has columns of its own, a few target labels or pairs of rows tie it
    to the source, and what is learned from these alone has to be beaten. From a pretrained model to one labelled
    target: frozen features, fine-tuning, and training from scratch beside them. Leaves a report, predictions and a
    model in the run's folder.

    [bold]Examples[/bold]

      transferkit run lab.csv clinic.csv --label diagnosis

      transferkit run office-caltech-surf:amazon office-caltech-surf:webcam

      transferkit run all.parquet --domain-column site --target-domain Rome --label y

      transferkit run a.csv b.csv --label y --target-labels few --shots 3 --budget 5min

      transferkit run photos/ sketches/ --model timm:resnet18

      transferkit run flowers/ --model timm:resnet18 --budget 10min

      transferkit run reviews.csv --text review --label stars --model sentence:all-MiniLM-L6-v2

      transferkit run flowers.zip -m feature_extraction --model "file:weights.safetensors?arch=timm:mobilenetv2_100"

      transferkit run photos/ sketches/ --model timm:resnet18 --method dann,cdan,mcc

      transferkit run --resume runs/clinic

      transferkit run lab.csv clinic.csv --label diagnosis --assume same-priors

      transferkit run lab.csv clinic.csv --label diagnosis --target-shares ill=0.1,well=0.9

      transferkit run --resume runs/clinic --labels runs/clinic/label_next.csv

      transferkit run lab.csv clinic.csv --label diagnosis --tune 50 --budget 10min

      transferkit run a.csv b.csv --label y --target-labels few --shots 10 --tune-proposal 20

      transferkit run lab.csv clinic.csv --label diagnosis --engine dask --address tcp://scheduler:8786

      transferkit run old_sensors.csv new_sensors.csv --label fault --target-labels few --shots 5

      transferkit run device1.csv device2.csv --label protein --pairs standards.csv

      transferkit run papers_2008/ papers_2012/ --label topic

      transferkit run films.pl department.pl --source-predicate workedunder --target-predicate advisedby
    """
    from ..pipeline.run import free_folder
    from ..pipeline.run import run as six_steps

    unlike_facts = (
        label, domain_column, target_domain, source_domain, model, text, epochs, budget, jobs, target_shares, address,
        pairs, resume, labels, tune or None, tune_proposal or None, None if target_labels in ("auto", "few") else 0,
        None if (kind, assume, engine) == ("auto", "nothing", "local") else 0, distil or None, strict or None,
    )  # fmt: skip
    with_facts = "--source-predicate, --schema, --method, --shots, --seed, --out and --json"
    if check_facts_asked(domains or [], target_predicate, (source_predicate, schema), with_facts, unlike_facts):
        from ..pipeline.relational import carry_relations

        *sources, target = domains or []
        folder = folder or free_folder(Path(target).stem.replace(":", "-"))
        facts = carry_relations(
            sources, target, folder, target_predicate=str(target_predicate), source_predicate=source_predicate,
            schema=schema, methods=None if method is None else [name for text in method for name in _names(text)],
            shots=shots, seed=seed, command=command_line(),
        )  # fmt: skip
        print_relations(facts, folder, as_json)
        return
    limit = seconds(budget)
    task = None
    if labels is not None and resume is None:
        raise typer.BadParameter(
            "goes with --resume: labels are asked for by a run that is done", param_hint="--labels"
        )
    if resume is None:
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
            methods=None if method is None else [name for text in method for name in _names(text)],
            seed=seed,
            jobs=-1 if jobs is None else jobs,
            budget=limit,
            strict=strict,
            assume=assume,
            distil=distil,
            tune=tune,
            tune_proposal=tune_proposal,
            engine=engine,
            address=address,
            pairs=None if pairs is None else str(pairs),
            target_shares=None if target_shares is None else _pairs(target_shares),
        )
        folder = folder or free_folder(target_domain or Path((domains or ["run"])[-1]).stem.replace(":", "-"))
    else:
        given = [
            domains,
            label,
            shots,
            domain_column,
            target_domain,
            source_domain,
            model,
            text,
            epochs,
            method,
            folder,
            pairs,
            target_shares,
            None if assume == "nothing" else assume,
            seed or None,
            strict or None,
            distil or None,
            tune or None,
            tune_proposal or None,
        ]
        if any(v is not None and v != [] for v in given) or (kind, target_labels) != ("auto", "auto"):
            raise typer.BadParameter(
                "goes with --labels, --budget, --jobs, --engine, --address and --json only: a run has its own options",
                param_hint="--resume",
            )
        from ..pipeline.define import TransferTask

        folder = resume
        if (resume / "run.toml").exists():
            task = TransferTask.from_toml(resume / "run.toml")
            task = replace(
                task,
                budget=task.budget if limit is None else limit,
                jobs=task.jobs if jobs is None else jobs,
                engine=engine,
                address=address,
            )
    try:
        with watch(quiet=as_json) as progress:
            result = six_steps(
                task,
                out=folder,
                resume=resume is not None,
                labels=labels,
                command=command_line() if resume is None else None,
                progress=progress,
            )
    except KeyboardInterrupt:
        kept = (folder / "state.json").exists()
        go_on = f"what is done is kept. Go on with: transferkit run --resume {folder}"
        complain(f"stopped; {go_on if kept else 'nothing was written yet'}")
        raise typer.Exit(130) from None
    print_result(result, as_json)
