"""Answers for the operators that converters refuse most: why, and what to write instead.

What is to be written instead has been converted in a format that refuses the operator (``tests/formats/answers``).
Where others compute the same at little cost there is no answer but a rewrite (``formats/rewrites``): the operator
converts.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ANSWERS", "Answer", "answer_for"]

OTHERS = ("coreml", "executorch", "litert", "onnx", "openvino")
"""Formats with operators of their own; TorchScript and the SDK's eager engine run PyTorch's."""


@dataclass(frozen=True)
class Answer:
    """What is known of operators that are refused for one reason.

    Attributes:
        operators: names in PyTorch.
        fails: formats that refuse them.
        why: half a sentence that says what the format lacks.
        remedy: what to do, in PyTorch's terms.
        always: whether every call is refused; else those of some arguments are, and a failure that names no operator
            is not laid at their door.
    """

    operators: tuple[str, ...]
    fails: tuple[str, ...]
    why: str
    remedy: str
    always: bool = True


FACTORISATION = (
    "if the matrix depends on weights alone, compute it once in __init__ and keep it with register_buffer; else "
    "compute it before the model and give the result as an input, or ship TorchScript"
)

ANSWERS = (
    Answer(
        ("masked_select",),
        ("coreml", "litert", "onnx", "openvino"),
        "how many elements a mask picks depends on their values, and its shapes are fixed",
        "keep the shape: torch.where(mask, x, 0.0) before a sum, and mask.sum() for the count where a mean is meant",
    ),
    Answer(
        ("index",),
        ("litert",),
        "how many elements a mask picks depends on their values, and its shapes are fixed",
        "keep the shape: torch.where(mask, x, 0.0) before a sum, and mask.sum() for the count where a mean is meant",
        always=False,
    ),
    Answer(
        ("nonzero", "argwhere"),
        ("executorch", "litert", "sdk-eager"),
        "how many places there are depends on the values, and its shapes are fixed",
        "keep the mask itself, or take a fixed number of places: torch.topk(mask.float(), k)[1]",
    ),
    Answer(
        ("_unique2", "unique_dim", "unique_consecutive"),
        ("executorch", "litert", "openvino", "sdk-eager"),
        "how many different values there are depends on them, and its shapes are fixed",
        "sort and compare neighbours: s = torch.sort(x, -1)[0]; first = s[..., 1:] != s[..., :-1], "
        "a mask of fixed shape",
    ),
    Answer(
        ("grid_sampler", "grid_sampler_2d", "grid_sampler_3d"),
        ("coreml", "executorch", "litert", "openvino"),
        "it samples planes bilinearly or by the nearest, with few ways of padding, and neither volumes nor bicubically",
        'use mode="bilinear" with padding_mode="zeros" on [N, C, H, W], a volume plane by plane; or ship ONNX',
        always=False,
    ),
    Answer(("linalg_inv", "inverse", "linalg_inv_ex"), OTHERS, "it has no inverse of a matrix", FACTORISATION),
    Answer(
        ("linalg_solve", "linalg_solve_ex", "linalg_lstsq", "linalg_solve_triangular"),
        OTHERS,
        "it solves no systems of equations",
        "if the matrix depends on weights alone, keep its inverse with register_buffer and multiply by it; else solve "
        "before the model and give the result as an input, or ship TorchScript",
    ),
    Answer(
        ("linalg_svd", "linalg_svdvals", "svd", "linalg_qr", "linalg_cholesky", "linalg_cholesky_ex", "cholesky"),
        OTHERS,
        "it has no factorisation of a matrix",
        FACTORISATION,
    ),
    Answer(("linalg_eigh", "linalg_eigvalsh", "linalg_eig"), OTHERS, "it has no eigenvalues", FACTORISATION),
    Answer(("linalg_pinv", "pinverse"), OTHERS, "it has no pseudo-inverse of a matrix", FACTORISATION),
    Answer(
        ("linalg_det", "det", "linalg_slogdet", "slogdet", "logdet"),
        OTHERS,
        "it has no determinant",
        "write out small ones, such as x[..., 0, 0] * x[..., 1, 1] - x[..., 0, 1] * x[..., 1, 0]; else compute it "
        "before the model",
    ),
    Answer(
        ("linalg_matrix_exp", "matrix_exp"),
        OTHERS,
        "it has no exponential of a matrix",
        "add up the terms of its series, eye + x + x @ x / 2 + ..., after scaling x by 2**-k, and square k times",
    ),
    Answer(
        ("linalg_cross", "cross"),
        ("openvino",),
        "it has no cross product along this axis",
        "write it out: a, b = x.roll(-1, -1), y.roll(-1, -1); (x * b - a * y).roll(-1, -1) for three components",
    ),
    Answer(
        ("bincount",),
        ("coreml", "executorch", "litert", "openvino", "sdk-eager"),
        "how many bins there are depends on the values, and its shapes are fixed",
        "count with bins of your own: (x.unsqueeze(-1) == torch.arange(n)).sum(-2)",
    ),
    Answer(
        ("histc", "histogram"),
        ("coreml", "executorch", "litert", "openvino"),
        "it has no histogram",
        "compare with the edges: e = torch.linspace(low, high, bins + 1); "
        "((x.unsqueeze(-1) >= e[:-1]) & (x.unsqueeze(-1) < e[1:])).sum(-2)",
    ),
    Answer(
        ("max_unpool2d", "max_unpool3d", "max_pool2d_with_indices"),
        ("coreml", "executorch", "litert", "sdk-eager"),
        "its pooling gives no places of the maxima",
        "where they are for unpooling, compare with the enlarged maxima: "
        "torch.where(x == F.interpolate(F.max_pool2d(x, 2), scale_factor=2), x, 0.0)",
    ),
    Answer(
        ("max_pool2d",),
        ("coreml",),
        "its max pooling has no dilation",
        "take the maximum of shifted cuts: torch.stack([x[..., i : i + h, j : j + w] for i in offsets for j in "
        "offsets]).amax(0)",
        always=False,
    ),
    Answer(
        ("scatter_reduce", "index_reduce"),
        ("coreml", "executorch", "litert", "openvino"),
        "its scatter has no maximum, minimum or mean",
        "compare places: hit = index.unsqueeze(-2) == torch.arange(n).unsqueeze(-1), then "
        "torch.where(hit, src.unsqueeze(-2), -1e30).amax(-1)",
    ),
    Answer(
        ("scatter_add", "index_add"),
        ("litert",),
        "its runtime adds nothing at places that are given",
        "multiply by a mask of places: hit = (index.unsqueeze(-2) == torch.arange(n).unsqueeze(-1)).float(), then "
        "x + (hit * src.unsqueeze(-2)).sum(-1)",
    ),
    Answer(
        ("masked_scatter",),
        ("coreml", "litert"),
        "it fills no mask with elements in their order",
        "number the mask and gather: torch.where(mask, src.gather(-1, (mask.long().cumsum(-1) - 1).clamp(min=0)), x)",
    ),
    Answer(
        ("repeat_interleave",),
        ("coreml", "executorch", "litert", "sdk-eager"),
        "how long the result is depends on the values of a tensor, and its shapes are fixed",
        "keep the index with register_buffer, torch.repeat_interleave(torch.arange(n), repeats), and use index_select",
        always=False,
    ),
    Answer(
        ("lgamma", "special_gammaln", "digamma", "special_digamma", "polygamma"),
        OTHERS,
        "it has no gamma function",
        "for x > 0 write Stirling's series at y = x + 8 and subtract the logarithms of x, x + 1, ..., x + 7",
    ),
    Answer(
        ("i0", "special_i0", "special_i0e", "special_i1", "special_bessel_j0", "special_bessel_j1"),
        OTHERS,
        "it has no Bessel function",
        "add up its series, q = x * x / 4 and a term of q**k / (k!)**2 for each k, 20 terms for |x| < 5 (Kaiser "
        "windows are constants: keep them with register_buffer)",
    ),
    Answer(
        ("bitwise_and", "bitwise_or", "bitwise_xor", "bitwise_not", "__and__", "__or__", "__xor__"),
        ("coreml", "litert"),
        "it combines truth values bit by bit, and no whole numbers",
        "take a bit by arithmetic, torch.remainder(torch.div(x, 2**k, rounding_mode='floor'), 2), or keep flags as "
        "bool",
        always=False,
    ),
    Answer(
        ("logical_xor",),
        ("litert",),
        "it has no exclusive or",
        "compare as numbers: a.float() != b.float()",
    ),
    Answer(
        ("lstm",),
        ("coreml",),
        "its LSTM has no projection",
        "leave proj_size out and train with a smaller hidden size, or ship LiteRT, OpenVINO or ExecuTorch",
        always=False,
    ),
    Answer(
        ("embedding_bag", "_embedding_bag"),
        ("coreml", "executorch", "litert", "sdk-eager"),
        "it has no bags of embeddings",
        "look up and reduce: F.embedding(index, weight).mean(-2), for bags of one length",
    ),
    Answer(
        ("mode",),
        OTHERS,
        "it has no most frequent value",
        "count equals: x.gather(-1, (x.unsqueeze(-1) == x.unsqueeze(-2)).sum(-1).argmax(-1, keepdim=True))",
    ),
    Answer(
        ("as_strided",),
        ("coreml", "sdk-eager"),
        "it has no views by strides",
        "write windows as x.unfold(dim, size, step), and other views with reshape, slices and transpose",
    ),
    Answer(
        ("view.dtype",),
        ("coreml", "executorch", "litert", "onnx", "openvino", "torchscript"),
        "it does not read a tensor's bytes as another dtype",
        "use x.to(dtype) where values are meant; read bytes before the model where they are",
    ),
    Answer(
        ("vander",),
        ("coreml", "onnx"),
        "it has no running product of this kind",
        "stack the powers: torch.stack([x**k for k in reversed(range(n))], -1)",
    ),
    Answer(
        ("cond", "while_loop", "map_impl", "scan"),
        ("coreml", "litert", "sdk-eager", "torchscript"),
        "it takes no branches or loops that decide at run time",
        "compute both branches and select: torch.where(predicate, yes, no)",
    ),
    Answer(
        ("quantile", "nanquantile"),
        ("litert",),
        "its runtime has no sort",
        "weight two places of torch.sort(x, -1)[0], which is rewritten up to 512 elements",
    ),
    Answer(
        ("sort", "argsort", "topk", "median", "kthvalue", "msort"),
        ("litert",),
        "its runtime has no sort, and the rewrite compares at most 512 elements with each other",
        "sort fewer elements, take the largest with amax and argmax, or give them sorted as an input",
        always=False,
    ),
    Answer(
        ("einsum", "trace"),
        ("litert", "openvino"),
        "it does not take the same index twice in one operand",
        "take the diagonal first: torch.diagonal(x, dim1=-2, dim2=-1), and its sum for a trace",
        always=False,
    ),
    Answer(
        ("max_pool3d", "max_pool3d_with_indices", "avg_pool3d"),
        ("executorch",),
        "its runtime has no kernel that pools volumes",
        "pool plane by plane and then over planes, with max_pool2d and amax or mean; or ship another format",
    ),
    Answer(
        ("istft",),
        ("onnx",),
        "its inverse of a short-time Fourier transform is written in types that the runtime refuses",
        "compute it after the model, or ship another format: they have it by a rewrite",
    ),
)
_BY_OPERATOR = {operator: answer for answer in ANSWERS for operator in answer.operators}


def answer_for(operator: str, format_name: str) -> Answer | None:
    """What is known of an operator that a format refuses; None where nothing is."""
    found = _BY_OPERATOR.get(operator)
    return found if found is not None and format_name in found.fails else None
