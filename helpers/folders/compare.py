"""Find pictures that are the same or nearly the same. Introduced in lesson 2."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from helpers.folders.examine import Seen
from helpers.folders.findings import Finding, make_finding, shown_place
from helpers.folders.layout import first_names
from helpers.photos.thumbnails import (
    PIECE,
    THUMBNAIL_BYTES,
    contrast_of,
    distance_between,
    pieces_of,
)

if TYPE_CHECKING:
    from scipy.spatial import cKDTree
# How far apart they may be, in grey levels, root mean square over the thumbnail: this share of
# what each usually differs by from those around it. Where all look alike, as X-rays do, it is
# little, and where they do not, much; a class may hold some of both. benchmarks/near_twins.py:
# of Fashion-MNIST every copy is found that was saved as JPEG or WebP or at twice the size, 84 to
# 100 % at three quarters, 46 to 88 % at half (14 x 14), least where there are most; and of
# 22,000 different pictures 7 are paired, of 200 one at most.
USUAL_SHARE = 0.25
AROUND = 32
LEAST_NEAR, MOST_NEAR = 1.0, 12.0
NEAR_SHARE = 0.25  # of the thumbnail's contrast, at most
NEIGHBOURS = 8  # that are looked at, with the picture itself
DIRECTIONS = 8  # by which near thumbnails are searched for
PLAIN = 4.0  # grey levels of contrast; a thumbnail with less says too little


def find_copies(seen: Seen) -> tuple[np.ndarray, np.ndarray, list[Finding]]:
    """The files that can be used, for every file the first with its picture, and the copies."""
    first = _first_of_its_kind(seen)
    groups: dict[int, list[int]] = {}
    for index in np.flatnonzero(seen.is_image & (first != np.arange(len(first)))).tolist():
        groups.setdefault(int(first[index]), [int(first[index])]).append(index)
    usable = seen.is_image.copy()
    findings: list[Finding] = []
    for group in groups.values():
        if len(set(seen.classes[group].tolist())) > 1:
            findings += _under_two_labels(seen, group)
            usable[group] = False
            continue
        # A copy in the test images counts most, one in the training images least.
        part = seen.parts[group].max()
        kept = [one for one in group if seen.parts[one] == part]
        cause = f"The same picture as {shown_place(seen.files[kept[0]])}."
        for one in group:
            if seen.parts[one] != part:
                usable[one] = False
                findings.append(make_finding(seen.files[one], "leak", cause))
        findings += [make_finding(seen.files[one], "copy", cause) for one in kept[1:]]
    return np.flatnonzero(usable), first, findings


def _first_of_its_kind(seen: Seen) -> np.ndarray:
    """For every file the index of the first one with exactly the same picture."""
    order = np.lexsort(seen.digests.T)  # stable: equal ones stay in their order
    ordered = seen.digests[order]
    new = np.ones(len(order), bool)
    new[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    first = np.empty(len(order), np.int32)
    first[order] = order[new][np.cumsum(new) - 1]
    return first


def _under_two_labels(seen: Seen, group: list[int]) -> Iterator[Finding]:
    """A finding for every copy, since nobody knows which label is right."""
    firsts = list({seen.classes[one]: one for one in reversed(group)}.values())
    for one in group:
        other = next(first for first in firsts if seen.classes[first] != seen.classes[one])
        cause = f"The same picture as {shown_place(seen.files[other])}."
        yield make_finding(seen.files[one], "two labels", cause)


def near_pairs(seen: Seen, usable: np.ndarray, first: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of images whose thumbnails differ by very little: the files of each, as two rows.

    A thumbnail is a point in space, and a tree finds the nearest other ones. It searches by
    the directions in which the points differ most; the whole thumbnails then decide.
    Pictures of nearly one colour are left out: this small, they all look alike.
    """
    # One of all copies, which are known already: the last.
    images = usable[::-1][np.unique(first[usable][::-1], return_index=True)[1]]
    points = seen.thumbnails
    contrast = _in_pieces(lambda which: contrast_of(points[which]), images)
    images, contrast = images[contrast >= PLAIN], contrast[contrast >= PLAIN]
    if len(images) < 2:
        return images[:0], images[:0]
    allowed = np.minimum(NEAR_SHARE * contrast, MOST_NEAR)
    tree = tree_of(points, images)
    pairs = _neighbours(tree, allowed)
    distance = _in_pieces(
        lambda i, j: distance_between(points[images[i]], points[images[j]]), *pairs
    )
    close = distance <= allowed[pairs].min(axis=0)
    pairs, distance = pairs[:, close], distance[close]
    some, at = np.unique(pairs, return_inverse=True)
    allowed = np.maximum(USUAL_SHARE * _usual_difference(tree, points, images, some), LEAST_NEAR)
    one, other = images[pairs[:, distance <= allowed[at.reshape(pairs.shape)].min(axis=0)]]
    return one, other


def _usual_difference(
    tree: cKDTree, points: np.ndarray, images: np.ndarray, some: np.ndarray
) -> np.ndarray:
    """How far each of some images is from those around it, by their median, in grey levels."""
    ranks = np.arange(2, min(AROUND + 1, len(images)) + 1)  # the first is the image itself

    def usual(which: np.ndarray) -> np.ndarray:
        _, around = tree.query(tree.data[which], k=ranks, workers=-1)
        apart = distance_between(points[images[which], np.newaxis], points[images[around]])
        return np.median(apart, axis=1)

    return np.concatenate([usual(which) for which in pieces_of(some, PIECE // AROUND)])


def joined_by(pairs: tuple[np.ndarray, np.ndarray], count: int) -> np.ndarray:
    """For every one of so many files the first that pairs lead to, one after the other."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(len(pairs[0]), bool), pairs), (count, count))
    _, group = connected_components(graph, directed=False)
    return np.unique(group, return_index=True)[1][group]


def find_nearly_the_same(seen: Seen, pairs: tuple[np.ndarray, np.ndarray]) -> Iterator[Finding]:
    """A note for every group of images that are nearly the same."""
    joined = joined_by(pairs, len(seen.files))
    groups: dict[int, list[int]] = {}
    for index in np.unique(pairs).tolist():
        groups.setdefault(int(joined[index]), []).append(index)
    for first, *others in groups.values():
        kind = "possible leak" if len(set(seen.parts[[first, *others]])) > 1 else "nearly the same"
        names = first_names([shown_place(seen.files[one]) for one in others])
        yield make_finding(seen.files[first], kind, f"Nearly the same picture as {names}.")


def _in_pieces(work: Callable[..., np.ndarray], *arrays: np.ndarray) -> np.ndarray:
    """What `work` makes of whole arrays, a piece at a time."""
    return np.concatenate([work(*pieces) for pieces in zip(*map(pieces_of, arrays), strict=True)])


def tree_of(points: np.ndarray, images: np.ndarray) -> cKDTree:
    from scipy.spatial import cKDTree
    from threadpoolctl import threadpool_limits

    # With two threads, products this small make one wait for the other most of the time.
    with threadpool_limits(1, "blas"):
        return cKDTree(_along_main_directions(points, images))


def _neighbours(tree: cKDTree, allowed: np.ndarray) -> np.ndarray:
    """Pairs of points of the tree that may be near each other, as two rows of their indices.

    The distances that are allowed differ. The points with small ones are looked up first,
    a piece at a time: the less far a search has to go, the faster it ends.
    """
    found = []
    for piece in pieces_of(np.argsort(allowed)):
        radius = allowed[piece[-1]] * math.sqrt(THUMBNAIL_BYTES) + 1e-6
        _, nearest = tree.query(
            tree.data[piece], k=NEIGHBOURS, distance_upper_bound=radius, workers=-1
        )
        one, rank = np.nonzero(nearest < tree.n)  # the others are too far away
        pairs = np.sort([piece[one], nearest[one, rank]], axis=0)
        pairs = pairs[:, pairs[0] != pairs[1]]
        found.append(pairs[0] * tree.n + pairs[1])
    return np.stack(np.divmod(np.unique(np.concatenate(found)), tree.n))


def _along_main_directions(points: np.ndarray, which: np.ndarray) -> np.ndarray:
    """Where the points lie in the few directions in which they differ most."""
    middle = sum(points[piece].sum(axis=0, dtype=float) for piece in pieces_of(which)) / len(which)
    spread = sum(_scatter(points[piece] - middle) for piece in pieces_of(which))
    main = np.linalg.eigh(spread).eigenvectors[:, -DIRECTIONS:]
    return _in_pieces(lambda piece: (points[piece] - middle) @ main, which)


def _scatter(points: np.ndarray) -> np.ndarray:
    return points.T @ points
