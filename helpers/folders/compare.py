"""Find pictures that are the same or nearly the same. Introduced in lesson 2."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from helpers.folders.examine import SeenImage
from helpers.folders.findings import Finding, first_names, make_finding, shown_place
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
MEASURED = 4_096  # thumbnails, at most, by which these directions are found
PLAIN = 4.0  # grey levels of contrast; a thumbnail with less says too little
PARTS_BY_WORTH = ("", "train", "validation", "test")


def first_of_same(images: Sequence[SeenImage]) -> np.ndarray:
    """For every image the first one with exactly the same picture: int, their indices.

    As an array: a dictionary of so many takes several times the memory.
    """
    digests = np.array([image.digest for image in images])
    _, first, group = np.unique(digests, return_index=True, return_inverse=True)
    return first[group]


def find_copies(images: Sequence[SeenImage]) -> tuple[list[SeenImage], list[Finding]]:
    """The images that can be used, and what is said of those with exactly the same picture."""
    first = first_of_same(images)
    groups: dict[int, list[SeenImage]] = defaultdict(list)
    for index in np.flatnonzero(np.bincount(first)[first] > 1).tolist():
        groups[int(first[index])].append(images[index])
    unusable: set[int] = set()
    findings: list[Finding] = []
    for group in groups.values():
        if len({one.class_name for one in group}) > 1:
            findings += _under_two_labels(group)
            unusable |= {one.row for one in group}
            continue
        # A copy in the test images counts most, one in the training images least.
        part = max((one.part for one in group), key=PARTS_BY_WORTH.index)
        kept = [one for one in group if one.part == part]
        leaked = [one for one in group if one.part != part]
        unusable |= {one.row for one in leaked}
        cause = f"The same picture as {shown_place(kept[0].place)}."
        findings += [make_finding(one.place, "leak", cause) for one in leaked]
        findings += [make_finding(one.place, "copy", cause) for one in kept[1:]]
    return [image for image in images if image.row not in unusable], findings


def _under_two_labels(group: Sequence[SeenImage]) -> Iterator[Finding]:
    """A finding for every copy, since nobody knows which label is right."""
    for one in group:
        other = next(image for image in group if image.class_name != one.class_name)
        cause = f"The same picture as {shown_place(other.place)}."
        yield make_finding(one.place, "two labels", cause)


def near_pairs(images: Sequence[SeenImage], thumbnails: np.ndarray) -> np.ndarray:
    """Pairs of images whose thumbnails differ by very little: int, (2, pairs), their indices.

    A thumbnail is a point in space, and a tree finds the nearest other ones. It searches by
    the directions in which the points differ most; the whole thumbnails then decide.
    Pictures of nearly one colour are left out: this small, they all look alike.
    The thumbnails are those of all listed files. None is copied: many take much memory.
    """
    chosen = np.unique(first_of_same(images))
    rows = np.array([images[index].row for index in chosen], int)
    contrast = np.concatenate([contrast_of(thumbnails[piece]) for piece in pieces_of(rows)])
    telling = contrast >= PLAIN
    chosen, rows, contrast = chosen[telling], rows[telling], contrast[telling]
    if len(chosen) < 2:
        return np.empty((2, 0), int)
    tree = tree_of(thumbnails, rows)
    most = np.minimum(NEAR_SHARE * contrast, MOST_NEAR)
    pairs = _neighbours(tree, most)
    distance = np.concatenate(
        [distance_between(*thumbnails[rows[piece.T]]) for piece in pieces_of(pairs.T)]
    )
    close = distance <= most[pairs].min(axis=0)
    pairs, distance = pairs[:, close], distance[close]
    some, at = np.unique(pairs, return_inverse=True)
    usual = _usual_difference(tree, thumbnails, rows, some)
    allowed = np.maximum(USUAL_SHARE * usual, LEAST_NEAR)
    return chosen[pairs[:, distance <= allowed[at.reshape(pairs.shape)].min(axis=0)]]


def tree_of(thumbnails: np.ndarray, rows: np.ndarray) -> cKDTree:
    """A tree of where these rows lie in the few directions in which they differ most."""
    from scipy.spatial import cKDTree
    from threadpoolctl import threadpool_limits

    some = thumbnails[rows[:: len(rows) // MEASURED + 1]]
    # With two threads, products this small make one wait for the other most of the time.
    with threadpool_limits(1, "blas"):
        directions = np.linalg.eigh(np.cov(some.T)).eigenvectors[:, -DIRECTIONS:]
        places = np.empty((len(rows), DIRECTIONS))
        for piece in pieces_of(np.arange(len(rows))):
            places[piece] = thumbnails[rows[piece]] @ directions
    return cKDTree(places)


def _neighbours(tree: cKDTree, most: np.ndarray) -> np.ndarray:
    """Pairs of points of the tree that may be near each other: int, (2, pairs).

    `most` says how many grey levels away what is near a point may be. Points are looked at
    together that have about the same limit and lie in the same branch: for 60,000 that takes
    about half of the time that it takes in their own order, with the largest limit for all.
    """

    def near(points: np.ndarray) -> np.ndarray:
        """Each pair as one number: to sort pairs takes several times their memory."""
        radius = most[points].max() * math.sqrt(THUMBNAIL_BYTES)
        _, nearest = tree.query(
            tree.data[points], k=NEIGHBOURS, distance_upper_bound=radius, workers=-1
        )
        at, rank = np.nonzero(nearest < tree.n)  # the others are too far away
        one, other = points[at], nearest[at, rank]
        different = one != other
        return (np.minimum(one, other) * tree.n + np.maximum(one, other))[different]

    in_branches = tree.indices
    order = in_branches[np.argsort(np.ceil(most[in_branches]), kind="stable")]
    found = np.concatenate([near(points) for points in pieces_of(order)])
    return np.array(np.divmod(np.unique(found), tree.n))


def _usual_difference(
    tree: cKDTree, thumbnails: np.ndarray, rows: np.ndarray, some: np.ndarray
) -> np.ndarray:
    """How far some of the rows are from those around them, by their median, in grey levels."""
    ranks = np.arange(2, min(AROUND + 1, len(rows)) + 1)  # the first is the point itself

    def usual(points: np.ndarray) -> np.ndarray:
        _, around = tree.query(tree.data[points], k=ranks, workers=-1)
        one, others = thumbnails[rows[points], np.newaxis], thumbnails[rows[around]]
        return np.median(distance_between(one, others), axis=1)

    return np.concatenate([usual(points) for points in pieces_of(some, PIECE // AROUND)])


def joined_by(pairs: np.ndarray, count: int) -> np.ndarray:
    """For every one of so many images the first that pairs lead to, one after the other."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(pairs.shape[1], bool), tuple(pairs)), (count, count))
    _, group = connected_components(graph, directed=False)
    return np.unique(group, return_index=True)[1][group]


def find_nearly_the_same(images: Sequence[SeenImage], pairs: np.ndarray) -> Iterator[Finding]:
    """A note for every group of images that are nearly the same."""
    joined = joined_by(pairs, len(images))
    groups: dict[int, list[SeenImage]] = defaultdict(list)
    for index in np.unique(pairs).tolist():
        groups[int(joined[index])].append(images[index])
    for first, *others in groups.values():
        several_parts = any(one.part != first.part for one in others)
        kind = "possible leak" if several_parts else "nearly the same"
        names = first_names([shown_place(one.place) for one in others])
        yield make_finding(first.place, kind, f"Nearly the same picture as {names}.")
