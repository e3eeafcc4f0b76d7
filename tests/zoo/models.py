"""The zoo: models as users bring them. Each factory is seeded, in evaluation mode, with its inputs declared."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import torch
from torch import nn

import edgeproof

FACTORIES: dict[str, Callable[[], edgeproof.Model]] = {}


def zoo(*inputs: str, **options: object) -> Callable[[Callable[[], nn.Module]], Callable[[], edgeproof.Model]]:
    """Register a function that makes a module as a factory of a model with these inputs."""

    def register(make: Callable[[], nn.Module]) -> Callable[[], edgeproof.Model]:
        def factory() -> edgeproof.Model:
            torch.manual_seed(3)
            module = make()
            _settle_batch_norm(module)
            return edgeproof.Model(module, inputs=inputs, name=make.__name__, **options)

        FACTORIES[make.__name__] = factory
        return factory

    return register


def _settle_batch_norm(module: nn.Module) -> None:
    for part in module.modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm) and part.running_mean is not None:
            part.running_mean.uniform_(-0.5, 0.5)
            part.running_var.uniform_(0.5, 1.5)


# Dense


@zoo("x:float32[1,16]")
def mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(16, 32), nn.GELU(), nn.LayerNorm(32), nn.Linear(32, 8), nn.Softmax(-1))


@zoo("left:float32[1,8]", "right:float32[1,8]")
def two_inputs() -> nn.Module:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(8, 12), nn.Linear(8, 12)

        def forward(self, left, right):
            a, b = self.a(left), self.b(right)
            return torch.cat([a * b, a - b], 1), torch.sigmoid(a).mean(1, keepdim=True)

    return Net()


@zoo("x:float32[1,3,12,12]")
def batch_norm_everywhere() -> nn.Module:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.BatchNorm2d(3)
            self.body = nn.Sequential(
                nn.Conv2d(3, 8, 3), nn.ReLU(), nn.BatchNorm2d(8), nn.Conv2d(8, 8, 3, bias=False), nn.BatchNorm2d(8)
            )
            self.head = nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.Tanh(), nn.Linear(16, 4))
            self.last = nn.BatchNorm1d(4, affine=False)

        def forward(self, x):
            return self.last(self.head(self.body(self.first(x)).mean((2, 3))))

    return Net()


@zoo("x:float32[1,4,16,16]")
def depthwise() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(4, 8, 3, padding=1, groups=4),
        nn.Hardswish(),
        nn.Conv2d(8, 8, 5, padding=2, stride=2, groups=8),
        nn.BatchNorm2d(8),
        nn.ReLU6(),
        nn.Conv2d(8, 6, 1),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
    )


@zoo("x:float32[1,4,6,6]")
def transposed_convolution() -> nn.Module:
    return nn.Sequential(
        nn.ConvTranspose2d(4, 8, 4, stride=2, padding=1),
        nn.LeakyReLU(0.1),
        nn.ConvTranspose2d(8, 3, 3, stride=2, padding=1, output_padding=1),
        nn.Sigmoid(),
    )


@zoo("x:float32[1,4,20]")
def transposed_convolution_1d() -> nn.Module:
    return nn.Sequential(
        nn.Conv1d(4, 8, 5, stride=2, dilation=2), nn.ELU(), nn.ConvTranspose1d(8, 2, 4, stride=2, bias=False)
    )


@zoo("image:float32[1,2,9,9]")
def resize() -> nn.Module:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.down, self.out = nn.Conv2d(2, 4, 3, stride=2, padding=1), nn.Conv2d(6, 3, 1)

        def forward(self, image):
            small = torch.relu(self.down(image))
            big = nn.functional.interpolate(small, size=(9, 9), mode="bilinear", align_corners=False)
            near = nn.functional.interpolate(small, scale_factor=2.0, mode="nearest")
            return {"mask": self.out(torch.cat([big, image], 1)), "near": near}

    return Net()


@zoo("wave:float32[1,400]")
def fft_front_end() -> nn.Module:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("window", torch.hann_window(64))
            self.head = nn.Linear(33, 5)

        def forward(self, wave):
            frames = wave.unfold(1, 64, 32) * self.window
            power = torch.fft.rfft(frames, dim=-1).abs().square()
            return self.head(torch.log(power + 1e-3)).mean(1)

    return Net()


@zoo("wave:float32[1,512]")
def stft_front_end() -> nn.Module:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("window", torch.hann_window(64))
            self.conv = nn.Conv1d(33, 4, 3)

        def forward(self, wave):
            spectrum = torch.stft(wave, 64, hop_length=32, window=self.window, return_complex=True)
            return self.conv(torch.sqrt(spectrum.real**2 + spectrum.imag**2 + 1e-6))

    return Net()


@zoo("x:float32[1,2,16,16]")
def weight_norm() -> nn.Module:
    from torch.nn.utils.parametrizations import spectral_norm
    from torch.nn.utils.parametrizations import weight_norm as normed

    return nn.Sequential(
        normed(nn.Conv2d(2, 6, 3)),
        nn.SiLU(),
        nn.MaxPool2d(2, ceil_mode=True),
        nn.Flatten(),
        spectral_norm(nn.Linear(294, 5)),
    )


@zoo("x:float32[1,3,17,17]")
def pooling_and_padding() -> nn.Module:
    return nn.Sequential(
        nn.ReflectionPad2d(1),
        nn.Conv2d(3, 6, 3),
        nn.GroupNorm(2, 6),
        nn.Mish(),
        nn.AvgPool2d(3, stride=2, padding=1, count_include_pad=False),
        nn.ReplicationPad2d(1),
        nn.MaxPool2d(3, 2),
        nn.InstanceNorm2d(6, affine=True),
        nn.PReLU(6),
        nn.AdaptiveMaxPool2d(2),
        nn.Flatten(),
    )


@zoo("x:float32[1,8,8,8]")
def squeeze_and_shuffle() -> nn.Module:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gate = nn.Sequential(
                nn.AdaptiveAvgPool2d(1), nn.Conv2d(8, 2, 1), nn.ReLU(), nn.Conv2d(2, 8, 1), nn.Hardsigmoid()
            )
            self.shuffle = nn.PixelShuffle(2)

        def forward(self, x):
            x = x * self.gate(x)
            x = torch.roll(x, 1, dims=2).flip(3)
            a, b = self.shuffle(x).chunk(2, 1)
            return torch.where(a > b, a, b).clamp(-1, 1), torch.einsum("bchw,bdhw->bcd", a, b)

    return Net()


# Sequences


@zoo("x:float32[1,10,6]")
def gru() -> nn.Module:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rnn, self.head = nn.GRU(6, 16, num_layers=2, batch_first=True), nn.Linear(16, 3)

        def forward(self, x):
            states, last = self.rnn(x)
            return self.head(states[:, -1]), last

    return Net()


@zoo("x:float32[1,9,5]")
def lstm_bidirectional() -> nn.Module:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rnn, self.head = nn.LSTM(5, 12, batch_first=True, bidirectional=True), nn.Linear(24, 4)

        def forward(self, x):
            states, (h, c) = self.rnn(x)
            return {"logits": self.head(states.mean(1)), "h": h, "c": c}

    return Net()


@zoo("x:float32[7,1,4]")
def elman_time_first() -> nn.Module:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rnn = nn.RNN(4, 8, nonlinearity="relu")

        def forward(self, x):
            return self.rnn(x)[0]

    return Net()


@zoo("x:float32[1,12,16]")
def attention() -> nn.Module:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attend = nn.MultiheadAttention(16, 4, batch_first=True)

        def forward(self, x):
            return self.attend(x, x, x)

    return Net()


@zoo("x:float32[1,10,16]")
def transformer_encoder() -> nn.Module:
    layer = nn.TransformerEncoderLayer(16, 4, 32, batch_first=True, activation="gelu")
    return nn.TransformerEncoder(layer, 2)


@zoo("tokens:int64[1,12]")
def token_classifier() -> nn.Module:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed, self.position = nn.Embedding(50, 16), nn.Embedding(12, 16)
            self.register_buffer("index", torch.arange(12))
            self.head = nn.Linear(16, 4)

        def forward(self, tokens):
            x = self.embed(tokens) + self.position(self.index)
            mask = torch.tril(torch.ones(12, 12, dtype=torch.bool))
            x = nn.functional.scaled_dot_product_attention(x, x, x, attn_mask=mask)
            return self.head(x.cumsum(1)), self.head(x[:, -1]).argmax(-1)

    return Net()


@zoo("input_ids:int64[1,10]", "attention_mask:int64[1,10]")
def bert() -> nn.Module:
    from transformers import BertConfig, BertForSequenceClassification

    config = BertConfig(
        vocab_size=60,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=48,
        max_position_embeddings=32,
        num_labels=3,
    )
    return BertForSequenceClassification(config)


@zoo("input_ids:int64[1,8]")
def gpt() -> nn.Module:
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(vocab_size=40, n_positions=16, n_embd=24, n_layer=2, n_head=3, use_cache=False)
    return GPT2LMHeadModel(config)


@zoo("pixel_values:float32[1,3,16,16]")
def vision_transformer() -> nn.Module:
    from transformers import ViTConfig, ViTModel

    config = ViTConfig(
        hidden_size=24, num_hidden_layers=1, num_attention_heads=3, intermediate_size=32, image_size=16, patch_size=4
    )
    return ViTModel(config)


@zoo("x:float32[1,6]")
def dataclass_output() -> nn.Module:
    @dataclasses.dataclass
    class Result:
        mean: torch.Tensor
        parts: tuple[torch.Tensor, torch.Tensor]
        note: str = "ignored"

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(6, 6)

        def forward(self, x):
            y = self.linear(x)
            return Result(y.mean(1), (y.softmax(1), x))

    return Net()


# Spiking


@zoo("x:float32[1,12]", timesteps=10)
def snn_hidden() -> nn.Module:
    import snntorch as snn

    return nn.Sequential(
        nn.Linear(12, 20),
        snn.Leaky(beta=0.8, init_hidden=True),
        nn.Linear(20, 5),
        snn.Leaky(beta=0.8, init_hidden=True, reset_mechanism="zero"),
    )


@zoo("x:float32[1,12]")
def snn_own_loop() -> nn.Module:
    import snntorch as snn
    from snntorch import surrogate

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            gradient = surrogate.fast_sigmoid()
            self.fc1, self.lif1 = nn.Linear(12, 16), snn.Leaky(0.9, spike_grad=gradient, learn_beta=True)
            self.fc2, self.lif2 = nn.Linear(16, 4), snn.Leaky(0.9, spike_grad=gradient, reset_delay=False)

        def forward(self, x):
            m1, m2, spikes, membranes = self.lif1.init_leaky(), self.lif2.init_leaky(), [], []
            for _ in range(8):
                s1, m1 = self.lif1(self.fc1(x), m1)
                s2, m2 = self.lif2(self.fc2(s1), m2)
                spikes.append(s2)
                membranes.append(m2)
            return torch.stack(spikes), torch.stack(membranes)

    return Net()


@zoo("x:float32[1,10]", timesteps=8)
def snn_synaptic() -> nn.Module:
    import snntorch as snn

    return nn.Sequential(
        nn.Linear(10, 14),
        snn.Synaptic(alpha=0.7, beta=0.8, init_hidden=True),
        nn.Linear(14, 6),
        snn.Alpha(alpha=0.8, beta=0.6, init_hidden=True),
    )


@zoo("x:float32[1,10]", timesteps=8)
def snn_recurrent() -> nn.Module:
    import snntorch as snn

    return nn.Sequential(
        nn.Linear(10, 14),
        snn.RLeaky(beta=0.8, linear_features=14, init_hidden=True),
        nn.Linear(14, 6),
        snn.RSynaptic(alpha=0.7, beta=0.8, all_to_all=False, V=0.5, init_hidden=True),
    )


@zoo("frames:float32[6,1,2,12,12]", timesteps=6, encoding="sequence")
def snn_convolutional() -> nn.Module:
    import snntorch as snn

    return nn.Sequential(
        nn.Conv2d(2, 6, 5),
        nn.MaxPool2d(2),
        snn.Leaky(0.7, init_hidden=True),
        nn.Flatten(),
        nn.Linear(96, 5),
        snn.Leaky(0.7, init_hidden=True),
    )


@zoo("x:float32[1,1,10,10]", timesteps=5)
def spikingjelly_nodes() -> nn.Module:
    from spikingjelly.activation_based import layer, neuron

    return nn.Sequential(
        layer.Conv2d(1, 6, 3),
        layer.BatchNorm2d(6),
        neuron.LIFNode(tau=2.0),
        layer.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(96, 10),
        neuron.IFNode(v_threshold=0.5, v_reset=None),
        nn.Linear(10, 4),
        neuron.ParametricLIFNode(),
    )


@zoo("x:float32[6,1,12]")
def spikingjelly_multi_step() -> nn.Module:
    from spikingjelly.activation_based import functional, layer, neuron

    net = nn.Sequential(layer.Linear(12, 16), neuron.LIFNode(), layer.Linear(16, 4), neuron.LIFNode())
    functional.set_step_mode(net, "m")
    return net


@zoo("x:float32[1,12]", timesteps=8, explicit_state=True)
def norse_cells() -> nn.Module:
    import norse.torch as norse

    return norse.SequentialState(
        nn.Linear(12, 16), norse.LIFCell(), nn.Linear(16, 6), norse.LIFBoxCell(), nn.Linear(6, 4), norse.LICell()
    )


# Written in place, and states that begin elsewhere


@zoo("x:float32[1,4,6]")
def in_place_writes() -> nn.Module:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(6, 6)

        def forward(self, x):
            mask = torch.full((4, 4), -9.0)
            mask.triu_(1)
            gain = torch.ones(4)
            gain[1] = 0.25
            y = torch.zeros_like(x)
            y[:, 1:3] = self.fc(x)[:, :2]
            y[y < -0.5] = -0.5
            y[:, torch.tensor([0, 3])] = x[:, torch.tensor([1, 2])]
            y.diagonal(dim1=1, dim2=2).mul_(2.0)
            y.clamp_(-2, 1.5)
            attention = torch.softmax(y @ y.transpose(1, 2) + mask, -1)
            return (attention @ y) * gain[:, None] * torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])

    return Net()


@zoo("x:float32[5,1,4]", timesteps=5, encoding="sequence", readout="stack")
def key_value_cache() -> nn.Module:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.query, self.key, self.value = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 4)
            self.register_buffer("keys", torch.zeros(1, 8, 4))
            self.register_buffer("values", torch.zeros(1, 8, 4))
            self.register_buffer("position", torch.zeros(1, dtype=torch.int64))

        def forward(self, x):
            self.keys.index_copy_(1, self.position, self.key(x)[:, None])
            self.values.index_copy_(1, self.position, self.value(x)[:, None])
            self.position.add_(1)
            seen = torch.arange(8)[None] < self.position
            scores = (self.query(x)[:, None] @ self.keys.transpose(1, 2))[:, 0].masked_fill(~seen, -1e9)
            return (scores.softmax(-1)[:, None] @ self.values)[:, 0]

    return Net()


@zoo("x:float32[1,12]", timesteps=6, explicit_state=True)
def adaptive_threshold() -> nn.Module:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(12, 8)

        def forward(self, x, state):
            v, b = state if state is not None else (torch.zeros(1, 8), torch.ones(1, 8))
            z = (v > b).to(v.dtype)
            return z, (0.9 * v * (1 - z) + 2 * self.fc(x), 0.8 * b + 0.2 + 0.5 * z)

    return Net()


@zoo("x:float32[1,6]", timesteps=7, readout="stack")
def ring_of_delays() -> nn.Module:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(6, 5)
            self.register_buffer("ring", torch.zeros(1, 3, 5))
            self.register_buffer("place", torch.zeros(1, dtype=torch.int64))
            self.register_buffer("v", torch.zeros(1, 5))

        def forward(self, x):
            late = self.ring.index_select(1, self.place).squeeze(1)
            self.ring.index_copy_(1, self.place, self.fc(x).unsqueeze(1))
            self.place.copy_((self.place + 1) % 3)
            v = 0.9 * self.v + late
            spikes = (v > 0.4).to(v.dtype)
            self.v.copy_(v - 0.4 * spikes)
            return v

    return Net()


@zoo("x:float32[1,4,6]")
def rotary_complex() -> nn.Module:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            angles = torch.outer(torch.arange(4.0), torch.tensor([1.0, 0.1, 0.01]))
            self.register_buffer("turns", torch.polar(torch.ones_like(angles), angles))
            self.out = nn.Linear(6, 3)

        def forward(self, x):
            pairs = torch.view_as_complex(x.reshape(1, 4, 3, 2)) * self.turns
            return self.out(torch.view_as_real(pairs).flatten(2).cumsum(1))

    return Net()


@zoo("x:float32[1,12]", timesteps=6)
def population_readout() -> nn.Module:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(12, 20)
            self.register_buffer("v", torch.zeros(1, 20))

        def forward(self, x):
            v = 0.8 * self.v + self.fc(x)
            spikes = (v > 0.5).to(v.dtype)
            self.v.copy_(v - 0.5 * spikes)
            return spikes.view(1, 4, 5).sum(-1)

    return Net()


@zoo("x:float32[1,3]", "mode:int64[1,1]")
def constants_in_forward() -> nn.Module:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(3, 4)

        def forward(self, x, mode):
            scale = torch.tensor([0.5, 1.0, 2.0])
            mask = torch.zeros(1, 4)
            mask[:, 1:3] = 1.0
            return self.fc(x * scale) * mask + mode.clamp(0, 3)

    return Net()


# Refused


@zoo("x:float32[1,6]")
def data_dependent() -> nn.Module:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(6, 3), nn.Linear(6, 3)

        def forward(self, x):
            if x.mean() > 0:  # the line that decides
                return self.a(x)
            return self.b(x)

    return Net()


@zoo("x:float32[1,6]")
def data_dependent_loop() -> nn.Module:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = nn.Linear(6, 6)

        def forward(self, x):
            for _ in range(int(x.abs().sum().item())):  # the line that decides
                x = self.a(x)
            return x

    return Net()


REFUSED = ("data_dependent", "data_dependent_loop")
