"""Networks that change inputs or make them, and a critic of inputs, for adversarial adaptation of small images and vectors."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["CoupledGenerators", "InputCritic", "Translator", "fooling"]

_SLOPE = 0.2  # of the critics' leaky ReLU


class Translator(nn.Module):
    """Rows of one domain to rows of another: the input plus what residual blocks make of it, and of noise.

    It begins as the identity: its last layer begins at zero.

    Parameters
    ----------
    shape : sequence of int
        (n_features,), or (n_channels, height, width).
    hidden : int
        Features of a block.
    n_blocks : int
        Residual blocks: twice a convolution of 3 x 3, or a linear layer, with normalisation.
    n_noise : int
        Numbers in [-1, 1] that each call draws for a row; for images a linear layer makes one more channel of them.
    norm : {"batch", "instance"}
        Over the batch, or within each row.
    """

    def __init__(
        self, shape: Sequence[int], hidden: int, n_blocks: int, n_noise: int = 0, norm: str = "instance"
    ) -> None:
        super().__init__()
        self.shape, self.n_noise = tuple(shape), n_noise
        self.is_image = len(shape) == 3
        self.spread = nn.Linear(n_noise, math.prod(shape[1:])) if self.is_image and n_noise else None
        n_more = 1 if self.spread is not None else n_noise
        self.first = _layer(self.is_image, shape[0] + n_more, hidden)
        self.blocks = nn.ModuleList(_block(self.is_image, hidden, norm) for _ in range(n_blocks))
        self.last = _layer(self.is_image, hidden, shape[0])
        for p in self.last.parameters():
            nn.init.zeros_(p)

    def forward(self, x: Tensor) -> Tensor:
        """Rows of the same shape."""
        h = x
        if self.n_noise:
            noise = 2 * torch.rand(len(x), self.n_noise, device=x.device, dtype=x.dtype) - 1
            if self.spread is not None:
                noise = self.spread(noise).view(-1, 1, *self.shape[1:])
            h = torch.cat([x, noise], dim=1)
        h = functional.relu(self.first(h))
        for block in self.blocks:
            h = h + block(h)
        return x + self.last(h)


def _layer(is_image: bool, n_in: int, n_out: int) -> nn.Module:
    return nn.Conv2d(n_in, n_out, 3, padding=1) if is_image else nn.Linear(n_in, n_out)


def _block(is_image: bool, width: int, norm: str) -> nn.Sequential:
    kinds = {("batch", True): nn.BatchNorm2d, ("batch", False): nn.BatchNorm1d}
    kinds |= {("instance", True): nn.InstanceNorm2d, ("instance", False): nn.LayerNorm}
    made = kinds[norm, is_image]
    return nn.Sequential(
        _layer(is_image, width, width), made(width), nn.ReLU(), _layer(is_image, width, width), made(width)
    )


class InputCritic(nn.Module):
    """Tells rows of one domain from others; one logit a row.

    Parameters
    ----------
    shape : sequence of int
        (n_features,), or (n_channels, height, width).
    hidden : int
        Features of the first layer. For images, each convolution with stride 2 doubles them, until a side has at most 4
        pixels or three of them are there; for vectors, two layers have as many.

    Notes
    -----
    Leaky ReLU throughout, no normalisation: with batches of one domain each it would give the domain away.
    """

    def __init__(self, shape: Sequence[int], hidden: int) -> None:
        super().__init__()
        layers: list[nn.Module] = [_layer(len(shape) == 3, shape[0], hidden), nn.LeakyReLU(_SLOPE)]
        if len(shape) == 3:
            height, width, n = shape[1], shape[2], hidden
            for _ in range(3):
                if min(height, width) <= 4:
                    break
                layers += [nn.Conv2d(n, 2 * n, 3, 2, 1), nn.LeakyReLU(_SLOPE)]
                height, width, n = (height + 1) // 2, (width + 1) // 2, 2 * n
            layers += [nn.Flatten(), nn.Linear(n * height * width, 1)]
        else:
            layers += [nn.Linear(hidden, hidden), nn.LeakyReLU(_SLOPE), nn.Linear(hidden, 1)]
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of shape (batch,)."""
        return self.layers(x)[:, 0]


class CoupledGenerators(nn.Module):
    """Two generators that share all layers but the last: one noise, one content, in two domains.

    Parameters
    ----------
    shape : sequence of int
        (n_features,), or (n_channels, height, width), of the rows of both.
    n_noise : int
        Numbers in [-1, 1] that a pair is made from.
    hidden : int
        Features of the last shared layer; those before it have twice and four times as many.
    low, high : tensor of shape (n_channels, 1, 1), optional
        Bounds that a sigmoid keeps the rows in, as the pixels' of images.
    """

    low: Tensor | None
    high: Tensor | None

    def __init__(
        self, shape: Sequence[int], n_noise: int, hidden: int, low: Tensor | None = None, high: Tensor | None = None
    ) -> None:
        super().__init__()
        self.shape, self.n_noise = tuple(shape), n_noise
        self.register_buffer("low", low)
        self.register_buffer("high", high)
        layers: list[nn.Module]
        if len(shape) == 3:
            height, width = (math.ceil(n / 4) for n in shape[1:])
            first = [nn.Linear(n_noise, 4 * hidden * height * width), nn.Unflatten(1, (4 * hidden, height, width))]
            layers = [*first, nn.BatchNorm2d(4 * hidden), nn.PReLU()]
            for n in (4 * hidden, 2 * hidden):
                layers += [nn.ConvTranspose2d(n, n // 2, 4, 2, 1), nn.BatchNorm2d(n // 2), nn.PReLU()]
        else:
            layers = []
            for n_in, n_out in ((n_noise, 2 * hidden), (2 * hidden, hidden)):
                layers += [nn.Linear(n_in, n_out), nn.BatchNorm1d(n_out), nn.PReLU()]
        self.shared = nn.Sequential(*layers)
        self.last = nn.ModuleList(_layer(len(shape) == 3, hidden, shape[0]) for _ in range(2))

    def forward(self, noise: Tensor) -> tuple[Tensor, Tensor]:
        """The two rows of each pair, from noise of shape (batch, n_noise)."""
        h = self.shared(noise)
        if len(self.shape) == 3:
            h = h[:, :, : self.shape[1], : self.shape[2]]
        one, two = (self._bounded(last(h)) for last in self.last)
        return one, two

    def noise(self, n: int) -> Tensor:
        """Noise of `n` pairs."""
        like = next(self.parameters())
        return 2 * torch.rand(n, self.n_noise, device=like.device) - 1

    def _bounded(self, x: Tensor) -> Tensor:
        if self.low is None or self.high is None:
            return x
        return self.low + (self.high - self.low) * x.sigmoid()


def fooling(logits: Tensor) -> Tensor:
    """What a generator minimises: ``-E log D``, for logits of rows that it made, positive where the critic takes them for real.

    Parameters
    ----------
    logits : tensor of shape (batch,)

    Returns
    -------
    tensor of shape ()
    """
    return functional.softplus(-logits.float()).mean()
