"""Cubic spline interpolation as a matrix.

Tensor names carry shapes: K knots, U points.
"""

import torch
from torch import Tensor


def spline_matrix(knots_K: Tensor, points_U: Tensor) -> Tensor:
    """``[U, K]``: values at the knots to values of the not-a-knot cubic spline through them at the points.

    The spline with curvatures m at the knots is (de Boor 1978, ch. 4), with ``h = x[i+1] - x[i]``, ``b = x - x[i]`` and
    ``a = x[i+1] - x``: ``(m[i] a^3 + m[i+1] b^3) / 6h + (y[i]/h - m[i] h/6) a + (y[i+1]/h - m[i+1] h/6) b``.

    Args:
        knots_K: rising, at least four, float64.
        points_U: between the first and the last knot, float64.
    """
    identity_KK = torch.eye(len(knots_K), dtype=knots_K.dtype)
    curvature_KK = _curvatures(knots_K)
    left_U = (torch.searchsorted(knots_K, points_U, right=True) - 1).clamp(0, len(knots_K) - 2)
    h = knots_K.diff()[left_U][:, None]
    b = (points_U - knots_K[left_U])[:, None]
    a = h - b
    left = curvature_KK[left_U] * (a**3 / (6 * h) - a * h / 6) + identity_KK[left_U] * a / h
    right = curvature_KK[left_U + 1] * (b**3 / (6 * h) - b * h / 6) + identity_KK[left_U + 1] * b / h
    return left + right


def _curvatures(knots_K: Tensor) -> Tensor:
    """``[K, K]``: values at the knots to second derivatives there.

    Inner rows make the first derivative continuous; the outer two make the third one so at the second and the last but
    one knot.
    """
    num_knots, h = len(knots_K), knots_K.diff()
    system, right = (torch.zeros(num_knots, num_knots, dtype=knots_K.dtype) for _ in range(2))
    for i in range(1, num_knots - 1):
        system[i, i - 1 : i + 2] = torch.stack([h[i - 1] / 6, (h[i - 1] + h[i]) / 3, h[i] / 6])
        right[i, i - 1 : i + 2] = torch.stack([1 / h[i - 1], -1 / h[i - 1] - 1 / h[i], 1 / h[i]])
    system[0, :3] = torch.stack([-1 / h[0], 1 / h[0] + 1 / h[1], -1 / h[1]])
    system[-1, -3:] = torch.stack([-1 / h[-2], 1 / h[-2] + 1 / h[-1], -1 / h[-1]])
    return torch.linalg.solve(system, right)
