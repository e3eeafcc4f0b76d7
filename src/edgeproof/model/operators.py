"""The operators of PyTorch that a graph of unknown origin may call: each computes tensors from tensors, and no more.

What reads or writes files, reads memory without checking its bounds, or is for one device alone is not in the list.
"""

from __future__ import annotations

from typing import Any

__all__ = ["PURE", "UNINITIALISED", "is_in_place", "is_listed"]

UNINITIALISED = frozenset({"empty", "empty_like", "new_empty"})
"""Of those listed, what gives memory as it is; an artifact's executor fills it with zeros."""

FAMILIES = {
    "arithmetic": """
        abs absolute add addcdiv addcmul ceil clamp clamp_max clamp_min clip copysign div divide float_power floor
        floor_divide fmax fmin fmod frac frexp gcd heaviside hypot lcm ldexp lerp maximum minimum mul multiply
        nan_to_num neg negative positive pow reciprocal remainder round rsub sgn sign signbit sub subtract true_divide
        trunc fix __and__ __or__ __xor__ __lshift__ __rshift__ __iand__ __ior__ __ixor__ bitwise_and bitwise_left_shift
        bitwise_not bitwise_or bitwise_right_shift bitwise_xor logical_and logical_not logical_or logical_xor eq equal
        ge greater greater_equal gt isclose isfinite isin isinf isnan isneginf isposinf isreal le less less_equal lt ne
        not_equal where allclose is_nonzero
    """,
    "functions of one number": """
        acos acosh arccos arccosh arcsin arcsinh arctan arctan2 arctanh asin asinh atan atan2 atanh cos cosh deg2rad
        digamma erf erfc erfinv exp exp2 expm1 i0 lgamma log log10 log1p log2 logaddexp logaddexp2 logit polygamma
        rad2deg rsqrt sigmoid sin sinc sinh sqrt square tan tanh xlogy special_digamma special_entr special_erf
        special_erfc special_erfcx special_erfinv special_exp2 special_expit special_expm1 special_gammaln special_i0
        special_i0e special_i1 special_i1e special_log1p special_log_ndtr special_log_softmax special_logit
        special_logsumexp special_ndtr special_ndtri special_psi special_round special_sinc special_softmax
        special_xlog1py special_xlogy special_zeta
    """,
    "activations": """
        celu elu gelu glu hardshrink hardsigmoid hardswish hardtanh leaky_relu log_sigmoid log_softmax mish prelu
        _prelu_kernel relu relu6 rrelu selu silu softmax softplus softshrink threshold _log_softmax _softmax
        _safe_softmax
    """,
    "reductions and order": """
        all amax amin aminmax any argmax argmin argsort bincount bucketize count_nonzero cummax cummin cumprod cumsum
        cumulative_trapezoid diff histc kthvalue logcumsumexp logsumexp max mean median min mode msort nanmean nanmedian
        nanquantile nansum norm prod quantile searchsorted sort std std_mean sum sum_to_size topk trapezoid trapz
        unique_consecutive unique_dim var var_mean frobenius_norm nuclear_norm renorm dist corrcoef cov
    """,
    "products and linear algebra": """
        addbmm addmm addmv addr baddbmm bilinear bmm cdist chain_matmul cosine_similarity cross det dot einsum inner
        inverse kron linear logdet matmul matrix_exp matrix_power mm mv outer ger pairwise_distance pdist slogdet
        tensordot trace vdot vander linalg_cholesky linalg_cond linalg_cross linalg_det linalg_diagonal linalg_eigh
        linalg_inv linalg_inv_ex linalg_lstsq linalg_lu linalg_matmul linalg_matrix_exp linalg_matrix_norm
        linalg_matrix_power linalg_matrix_rank linalg_multi_dot linalg_norm linalg_pinv linalg_qr linalg_slogdet
        linalg_solve linalg_solve_ex linalg_solve_triangular linalg_svd linalg_svdvals linalg_vecdot linalg_vector_norm
    """,
    "layers": """
        _adaptive_avg_pool2d _adaptive_avg_pool3d adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d
        adaptive_max_pool1d adaptive_max_pool2d adaptive_max_pool3d avg_pool1d avg_pool2d avg_pool3d max_pool1d
        max_pool1d_with_indices max_pool2d max_pool2d_with_indices max_pool3d max_pool3d_with_indices _convolution
        convolution conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d col2im im2col
        _native_batch_norm_legit _native_batch_norm_legit_no_training batch_norm group_norm instance_norm layer_norm
        native_batch_norm native_group_norm native_layer_norm rms_norm _weight_norm norm_except_dim alpha_dropout
        dropout feature_alpha_dropout feature_dropout native_dropout embedding one_hot gru gru_cell lstm lstm_cell
        rnn_relu rnn_relu_cell rnn_tanh rnn_tanh_cell scaled_dot_product_attention _scaled_dot_product_attention_math
        affine_grid_generator grid_sampler grid_sampler_2d grid_sampler_3d channel_shuffle native_channel_shuffle
        pixel_shuffle pixel_unshuffle constant_pad_nd pad reflection_pad1d reflection_pad2d reflection_pad3d
        replication_pad1d replication_pad2d replication_pad3d upsample_bicubic2d upsample_bilinear2d upsample_linear1d
        upsample_nearest1d upsample_nearest2d upsample_nearest3d upsample_trilinear3d _upsample_bicubic2d_aa
        _upsample_bilinear2d_aa _upsample_nearest_exact1d _upsample_nearest_exact2d _upsample_nearest_exact3d
        fake_quantize_per_channel_affine fake_quantize_per_tensor_affine huber_loss l1_loss mse_loss smooth_l1_loss
    """,
    "Fourier transforms and complex numbers": """
        fft_fft fft_fft2 fft_fftfreq fft_fftn fft_fftshift fft_hfft fft_ifft fft_ifft2 fft_ifftn fft_ifftshift fft_ihfft
        fft_irfft fft_irfft2 fft_irfftn fft_rfft fft_rfft2 fft_rfftfreq fft_rfftn istft stft angle complex conj _conj
        conj_physical _conj_physical imag polar real resolve_conj resolve_neg view_as_complex view_as_real
        bartlett_window blackman_window hamming_window hann_window kaiser_window
    """,
    "shapes, parts and places": """
        _unsafe_view adjoint alias atleast_1d atleast_2d atleast_3d block_diag broadcast_tensors broadcast_to
        cartesian_prod cat chunk clone column_stack combinations concat concatenate contiguous copy detach diag
        diag_embed diagflat diagonal diagonal_scatter dsplit dstack expand expand_as flatten flip fliplr flipud gather
        hsplit hstack index index_add index_copy index_fill index_put index_reduce index_select lift_fresh
        lift_fresh_copy mH mT masked_fill masked_scatter masked_select matrix_H meshgrid moveaxis movedim narrow
        narrow_copy nonzero numpy_T permute put ravel repeat repeat_interleave reshape reshape_as roll rot90 row_stack
        scatter scatter_add scatter_reduce select select_scatter slice slice_scatter split split_with_sizes squeeze
        stack swapaxes swapdims t take take_along_dim tensor_split tile transpose tril tril_indices triu triu_indices
        unbind unflatten unfold unsqueeze view view_as vsplit vstack
    """,
    "making, casting and asking": """
        _to_copy _cast_Byte _cast_Double _cast_Float _cast_Half _cast_Int _cast_Long arange empty empty_like eye fill
        full full_like item _local_scalar_dense linspace logspace new_empty new_full new_ones new_zeros ones ones_like
        range scalar_tensor to type_as zero zeros zeros_like dim is_complex is_floating_point is_same_size numel size
        stride sym_numel sym_size sym_stride _assert_async _assert_scalar _assert_tensor_metadata sym_constrain_range
        sym_constrain_range_for_size
    """,
}
PURE = frozenset(name for family in FAMILIES.values() for name in family.split())
"""``aten`` operators by name, without overloads. ``x_``, which changes its first argument, is listed with ``x``."""


def is_listed(operator: Any) -> bool:
    """Whether a ``torch._ops.OpOverload`` is one of these: pure, or the in-place twin of one.

    An overload that writes into a tensor of the caller's, ``out=``, is neither, nor is one of strings and lists.
    """
    schema = getattr(operator, "_schema", None)
    if schema is None:
        return False
    namespace, _, name = str(schema.name).partition("::")
    of_tensors = any("Tensor" in str(value.type) for value in (*schema.arguments, *schema.returns))
    if namespace != "aten" or (schema.returns and not of_tensors):
        return False
    if not schema.is_mutable:
        return name in PURE
    return is_in_place(operator) and (name.removesuffix("_") in PURE or name in PURE)


def is_in_place(operator: Any) -> bool:
    """Whether it changes its first argument, and no other."""
    schema = operator._schema
    written = [argument.alias_info is not None and argument.alias_info.is_write for argument in schema.arguments]
    name = schema.name.partition("::")[2]
    twin = (name.endswith("_") and not name.endswith("__")) or name.startswith("__i")
    return bool(twin and written and written[0] and not any(written[1:]))
