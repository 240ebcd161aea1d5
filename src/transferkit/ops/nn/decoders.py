"""Decoders: from a feature pyramid to an output at every place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from .heads import DenseHead
from .pyramid import FeatureMap, read_maps

__all__ = ["DECODERS", "Decoder", "resize"]

DECODERS = ("fcn", "unet")
_NARROWEST = 16


class Decoder(DenseHead):
    """From the maps of a network to outputs at the finest of them.

    Parameters
    ----------
    maps : sequence of FeatureMap, or of mappings with its attributes
        From the finest to the coarsest.
    n_outputs : int
        Classes.
    kind : {"fcn", "unet"}
        ``"fcn"``: a 1x1 convolution scores each of the three coarsest maps; scores are upsampled and summed, from the
        coarsest on. It begins with scores of zero. ``"unet"``: from the coarsest map on, upsample, join the next finer map,
        two 3x3 convolutions with batch normalisation; a 1x1 convolution scores the last.
    width : int
        Channels of the coarsest stage of "unet"; each further one has half of it, at least 16.
    dropout : float in [0, 1)
        Share of the channels set to zero in training before the scores.

    Attributes
    ----------
    spec : dict
        The parameters as JSON, so that ``Decoder(**spec)`` is the same skeleton.

    References
    ----------
    Long, Shelhamer & Darrell. Fully Convolutional Networks for Semantic Segmentation. CVPR 2015 (section 4.2).
    Ronneberger, Fischer & Brox. U-Net: Convolutional Networks for Biomedical Image Segmentation. MICCAI 2015.
    """

    def __init__(
        self,
        maps: Sequence[FeatureMap | Mapping[str, Any]],
        n_outputs: int,
        kind: str = "unet",
        width: int = 128,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        given = tuple(m if isinstance(m, FeatureMap) else FeatureMap(**m) for m in maps)
        self.spec: dict[str, Any] = {
            "maps": [asdict(m) for m in given], "n_outputs": n_outputs, "kind": kind, "width": width, "dropout": dropout,
        }  # fmt: skip
        self.maps = given[-3:] if kind == "fcn" else given
        channels = [m.channels for m in self.maps]
        self.decode: nn.Module = (
            _FCN(channels, n_outputs, dropout) if kind == "fcn" else _UNet(channels, n_outputs, width, dropout)
        )

    def read(self, body: nn.Module, x: Tensor) -> list[Tensor]:
        """The maps of a network for a batch."""
        return read_maps(body, self.maps, x)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Outputs of shape (batch, n_outputs, height, width), at the size of the finest map."""
        return self.decode(maps)


class _FCN(nn.Module):
    def __init__(self, channels: Sequence[int], n_outputs: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout2d(dropout)
        self.scores = nn.ModuleList([nn.Conv2d(n, n_outputs, 1) for n in channels])
        for p in self.scores.parameters():
            nn.init.zeros_(p)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        scores = [layer(self.dropout(z)) for layer, z in zip(self.scores, maps, strict=True)]
        found = scores[-1]
        for finer in reversed(scores[:-1]):
            found = finer + resize(found, finer.shape[-2:])
        return found


class _UNet(nn.Module):
    def __init__(self, channels: Sequence[int], n_outputs: int, width: int, dropout: float) -> None:
        super().__init__()
        widths = [max(_NARROWEST, width >> k) for k in range(len(channels))]
        blocks, before = [], 0
        for skip, out in zip(reversed(channels), widths):
            blocks.append(nn.Sequential(*_conv(before + skip, out), *_conv(out, out)))
            before = out
        self.blocks = nn.ModuleList(blocks)
        self.dropout = nn.Dropout2d(dropout)
        self.score = nn.Conv2d(before, n_outputs, 1)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        found: Tensor | None = None
        for block, z in zip(self.blocks, reversed(maps), strict=True):
            found = block(z if found is None else torch.cat([resize(found, z.shape[-2:]), z], dim=1))
        assert found is not None
        return self.score(self.dropout(found))


def _conv(n_in: int, n_out: int) -> list[nn.Module]:
    return [nn.Conv2d(n_in, n_out, 3, padding=1, bias=False), nn.BatchNorm2d(n_out), nn.ReLU()]


def resize(z: Tensor, size: Sequence[int]) -> Tensor:
    """Maps of another height and width, by bilinear interpolation."""
    same = tuple(z.shape[-2:]) == tuple(size)
    return z if same else functional.interpolate(z, tuple(size), mode="bilinear", align_corners=False)
