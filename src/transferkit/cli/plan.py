"""`transferkit plan`: which part of a network would train when, before a step is taken."""

from __future__ import annotations

from typing import Annotated

import typer

from .console import out, print_json
from .run import AS_JSON

__all__ = ["plan"]


def plan(
    model: Annotated[
        str, typer.Argument(help="A backbone: timm:NAME, hf:NAME, sentence:NAME, torchvision:NAME, file:PATH.")
    ],
    how: Annotated[
        str, typer.Option("--plan", "-p", help="full, head, last:K, gradual, gradual:EPOCHS or lp_ft:EPOCHS.")
    ] = "gradual",
    epochs: Annotated[int, typer.Option("--epochs", "-e", min=1, help="Length of the training.")] = 10,
    lr: Annotated[float, typer.Option("--lr", help="Learning rate of the head.")] = 1e-3,
    lr_decay: Annotated[
        float, typer.Option("--lr-decay", help="Each part's rate is this times that of the part after it.")
    ] = 1.0,
    body_lr_scale: Annotated[
        float, typer.Option("--body-lr-scale", help="Rate of the body as a multiple of the head's.")
    ] = 0.1,
    outputs: Annotated[int, typer.Option("--outputs", min=1, help="Outputs of the head.")] = 2,
    as_json: AS_JSON = False,
) -> None:
    """Print which part of a network trains from which epoch, at what learning rate, and how large it is.

    [bold]Examples[/bold]

      transferkit plan timm:resnet18 --plan gradual --epochs 20

      transferkit plan "timm:vit_small_patch16_224?pretrained=false" --plan full --lr-decay 0.75

      transferkit plan hf:bert-base-uncased --plan lp_ft:3 --json
    """
    from ..core.errors import ParamError

    if not 0 < lr_decay <= 1 or not 0 < body_lr_scale <= 1 or lr <= 0:
        raise ParamError(
            "plan: lr must be above 0, lr_decay and body_lr_scale in (0, 1]."
            f" Got {lr:g}, {lr_decay:g} and {body_lr_scale:g}."
        )
    from ..engine.backbones import load_backbone
    from ..engine.networks.network import Network
    from ..engine.training.freezing import make_plan
    from ..ops.nn.heads import Head

    backbone = load_backbone(model)
    network = Network(backbone, Head(backbone.n_features, outputs))
    found = make_plan(network.groups, how, n_epochs=epochs, lr_decay=lr_decay, body_lr_scale=body_lr_scale)
    rows = found.table(network, network.groups, lr)
    if as_json:
        print_json(
            {"model": backbone.name, "weights": backbone.fingerprint, "batch_norm": found.batch_norm, "parts": rows}
        )
        return
    from rich.table import Table

    table = Table(title=f"{backbone.name}, {how}, {epochs} epochs")
    for name in ("part", "parameters", "trains from epoch", "learning rate"):
        table.add_column(name, justify="left" if name == "part" else "right")
    for row in rows:
        start = row["from_epoch"]
        when = "never" if start is None or start >= epochs else f"{start:g}"
        table.add_row(row["part"], f"{row['parameters']:,}", when, "-" if when == "never" else f"{row['lr']:.3g}")
    table.add_section()
    table.add_row("all", f"{sum(r['parameters'] for r in rows):,}", "", "")
    out().print(table)
