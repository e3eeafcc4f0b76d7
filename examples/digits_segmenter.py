"""A segmenter: of each pixel of a canvas, whether it shows a digit, a bar or nothing.

Scored by mean intersection over union (mIoU); canvases with small and with large digits are slices.

edgeproof run examples/digits_segmenter.py:model
"""

import functools
from pathlib import Path

import digits_canvas
import torch
from safetensors.torch import load_file

import edgeproof


def block(channels_in: int, channels_out: int) -> torch.nn.Sequential:
    return torch.nn.Sequential(
        torch.nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=False),
        torch.nn.BatchNorm2d(channels_out),
        torch.nn.ReLU(),
    )


class Net(torch.nn.Module):
    """A U-Net of two levels."""

    def __init__(self) -> None:
        super().__init__()
        self.fine, self.middle, self.coarse = block(1, 8), block(8, 16), block(16, 24)
        self.up_middle, self.up_fine = block(24 + 16, 16), block(16 + 8, 8)
        self.head = torch.nn.Conv2d(8, 3, 1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        fine = self.fine(image)
        middle = self.middle(torch.max_pool2d(fine, 2))
        coarse = self.coarse(torch.max_pool2d(middle, 2))
        upscale = functools.partial(torch.nn.functional.interpolate, scale_factor=2.0, mode="nearest")
        middle = self.up_middle(torch.cat([upscale(coarse), middle], dim=1))
        return self.head(self.up_fine(torch.cat([upscale(middle), fine], dim=1)))


def samples(count: int, *, held_out: bool) -> edgeproof.Samples:
    made = digits_canvas.canvases(count, held_out=held_out)
    origin = f"scikit-learn digits on canvases, {'held-out' if held_out else 'training'} split"
    return edgeproof.Samples({"image": made.images}, made.masks, origin, made.sizes)


def model() -> edgeproof.Model:
    net = Net()
    net.load_state_dict(load_file(Path(__file__).parent / "weights" / "digits_segmenter.safetensors"))
    return edgeproof.Model(
        net,
        inputs=[f"image:float32[1,1,{digits_canvas.SIZE},{digits_canvas.SIZE}]"],
        output_names=["classes"],
        score_output="classes",
        metric="miou",
        samples=functools.partial(samples, 256, held_out=False),
        held_out=functools.partial(samples, 120, held_out=True),
    )
