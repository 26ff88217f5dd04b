# %% [markdown]
# # 06 Embeddings: where does the network put the images?
#
# Before a network predicts a class, it turns every image into a list of
# numbers: a vector. Images that look similar to the network get vectors that
# point in similar directions. This notebook examines these vectors: with your
# own functions, with figures, and with a number that keeps the figures
# honest.
#
# **After this notebook you can**
#
# - distinguish features from the output of a projection head, and compute
#   both;
# - scale vectors to length 1, and explain what that changes and what it
#   keeps;
# - find the nearest neighbours of an image;
# - evaluate an embedding with kNN accuracy, without training anything;
# - draw t-SNE maps before and after training, and read them;
# - say what a t-SNE map does not show, and demonstrate why.
#
# **You need** notebook 04; 05 helps. Runs that were finished there are
# loaded; otherwise they are trained here (about four minutes on two cores).
# New words are explained at the end: [Vocabulary](#Vocabulary).
#
# **Time**: 15 minutes.

# %% [markdown]
# ## The runs
#
# 1 minute. **The data setting**, as in the earlier notebooks.

# %%
DATA = "mini_eo"  # or "ucm", "eurosat", or the path of a folder per class

# %%
from workshop_lib.data.load import open_data
from workshop_lib.presets import preset

config = preset(data=DATA)
scenes, split = open_data(config)
names = scenes.class_names
TITLES = {"supervised_strong": "Supervised, strong",
          "fixmatch": "FixMatch", "comatch": "CoMatch"}  # fmt: skip
print(f"{len(split.labeled)} labelled and {len(split.test)} test images")

# %% tags=["slow"] seconds=100
from workshop_lib.course.runs import class_run

runs = {}
for name in ("supervised_strong", "fixmatch"):
    runs[name] = class_run(name, scenes, split, config)

# %% tags=["slow"] seconds=120
runs["comatch"] = class_run("comatch", scenes, split, config)

# %% [markdown]
# ## Features and projection head
#
# 2 minutes. The path of an image through the network:
#
# 1. convolutions turn the image into many small maps;
# 2. each map is averaged to one number: the **features**, one vector;
# 3. the **classifier** turns the features into one logit per class.
#
# CoMatch has one more branch: a **projection head** turns the features into
# another vector, of length 1, which its contrastive loss uses.
#
# `embed_run` computes either, for one part of the split.

# %%
from workshop_lib.evaluation.embeddings import embed_run

features = embed_run(runs["comatch"], scenes, split, "test")
projected = embed_run(
    runs["comatch"], scenes, split, "test", which="projection"
)
print("features  ", features.vectors.shape)
print("projection", projected.vectors.shape)
assert len(features) == len(projected) == len(split.test)

# %% [markdown]
# How long are these vectors? Look at the two histograms: the features have
# different lengths, the projections all have the same.

# %% tags=["hide-input"]
import numpy as np
from workshop_lib import plots

picture = plots.AccessibleFigure(figsize=(9, 3))
kinds = {"features": features, "projection": projected}
for place, (name, one) in enumerate(kinds.items(), 1):
    axes = picture.add_subplot(1, 2, place)
    lengths = np.linalg.norm(one.vectors, axis=1)
    axes.hist(lengths, bins=np.linspace(0, 1.23 * lengths.max(), 31))
    axes.set(title=f"CoMatch, {name}: lengths", ylabel="images")
    axes.set_xlabel("length of the vector (no unit)")
    ends = f"{lengths.min():.2f} to {lengths.max():.2f}"
    picture.alt += f"Histogram of {name}: lengths from {ends}. "
assert np.allclose(lengths, 1, atol=1e-4)  # those of the projection
picture

# %%
from workshop_lib.course import quiz

quiz.ask("06-features")

# %%
quiz.answer("06-features", "...")

# %% [markdown]
# ## What L2 normalisation does
#
# 3 minutes. The length of a feature vector shows how strongly the network
# responds, which is often little more than contrast. Its **direction** shows
# what it responds to. So we divide vectors by their length before we compare
# them. L2 is the name of the usual length: the square root of the sum of
# squares.
#
# **Before** you run the cell: what becomes of (3, 4), of (300, 400), and of
# (0, 0), which has no direction?


# %%
import torch


def l2_normalize(vectors):
    """Scale each row to length 1; a row of zeros stays zeros. (N, D)."""
    lengths = vectors.square().sum(dim=1, keepdim=True).sqrt()  # (N, 1)
    return vectors / lengths.clamp(min=1e-12)  # 0 / 0 would be NaN


rows = torch.tensor([[3.0, 4.0], [300.0, 400.0], [0.0, 0.0]])
print(l2_normalize(rows))

# %% [markdown]
# A plot needs two numbers per image, so we take two of the features: those
# that vary most over images of three classes. **Before**: where will the
# points be after normalisation?

# %%
few = np.flatnonzero(features.labels < 3)[:36]
classes = features.labels[few]
pair = features.vectors[few].var(axis=0).argsort()[-2:]  # the most varied two
raw = torch.from_numpy(features.vectors[few][:, pair])  # (36, 2)
unit = l2_normalize(raw)
assert torch.allclose(
    unit.norm(dim=1)[raw.norm(dim=1) > 0], torch.tensor(1.0)
)
title = "CoMatch: two of its features, 36 test images"
plots.l2_normalization(raw, unit, classes, names, title=title)

# %% [markdown]
# **After**: every line points where it pointed before, and all end on the
# circle. A long and a short vector with the same direction now coincide. With
# all features instead of two, the circle becomes a sphere that we cannot
# draw.

# %%
quiz.ask("06-norm")

# %%
quiz.answer("06-norm", "...")

# %% [markdown]
# ## The nearest neighbours of an image
#
# 3 minutes. The dot product of two unit vectors is the cosine of the angle
# between them. The largest cosine belongs to the most similar image.
#
# **Exercise 1** (medium, important, 2 minutes). Use `l2_normalize`. The
# image itself is no neighbour: leave it out.


# %%
def nearest_neighbours(vectors, query, k):
    """Positions of the k nearest to image `query`, nearest first: (k,)."""
    ### BEGIN SOLUTION the k largest cosines, without the query itself
    ### STUB unit = l2_normalize(vectors)  # (N, D)
    ### STUB similarity = ...  # (N,)
    unit = l2_normalize(vectors)  # (N, D)
    similarity = unit @ unit[query]  # (N,)
    similarity[query] = -torch.inf
    found = similarity.topk(k).indices
    ### END SOLUTION
    return found


# %% [markdown] tags=["hint"]
# I do not know how to begin
#
# In: vectors (N, D), a position and k. Out: k positions. `unit @
# unit[query]` is the cosine of the query with each image, (N,). By hand: for
# cosines 0.2, 1.0, 0.7 and query 1 the nearest is image 2.
# `similarity.topk(k).indices` are the positions of the k largest.

# %% [markdown] tags=["hint"]
# I get the image itself as the first neighbour
#
# No other image is more similar to it. Set its own similarity to `-torch.inf`
# before you ask for the largest.

# %% [markdown] tags=["hint"]
# I get `IndexError` or a shape that is (N, N)
#
# `unit @ unit[query]` multiplies (N, D) with (D,): one number per image.
# `unit @ unit.T` compares all images with all images.

# %%
from workshop_lib.course import checks

checks.nearest_neighbours(nearest_neighbours)

# %% [markdown]
# Each row starts with a test image; to its right are the images that FixMatch
# finds most similar among all test images. No classifier is involved. Look at
# the wrong ones: what do they share with the query image?

# %%
fix = embed_run(runs["fixmatch"], scenes, split, "test")
vectors = torch.from_numpy(fix.vectors)
asked = range(0, len(names), max(1, len(names) // 5))
queries = np.array([np.flatnonzero(fix.labels == c)[0] for c in asked][:5])
rows = [nearest_neighbours(vectors, int(q), 6).numpy() for q in queries]
found = np.stack(rows)  # (Q, 6)
unit = l2_normalize(vectors).numpy()
similarity = (unit[queries][:, None] * unit[found]).sum(axis=2)  # (Q, 6)
shown = scenes.subset(split.test)
title = "FixMatch: nearest neighbours"
plots.neighbours(shown, queries, found, similarity, title=title)

# %% [markdown]
# This is a search engine for scenes: "show me more like this one". In an
# archive without labels this is often the first use of an embedding.

# %% [markdown]
# ## kNN accuracy: the honest number
#
# 2 minutes. Figures persuade. So every map below comes with a number: each
# test image takes the class of its **nearest labelled image**, and the
# fraction that is right is the kNN accuracy (here with k = 1). Nothing is
# trained for it, so it measures the embedding itself.
#
# **Exercise 2** (medium, important, 2 minutes). Write it, with your
# `l2_normalize`.


# %%
def knn_accuracy(train_vectors, train_labels, test_vectors, test_labels):
    """Share of test images whose nearest training image has their class."""
    ### BEGIN SOLUTION cosines (M, N), their argmax, its label, compared
    ### STUB similarity = ...  # (M, N): test images down, training across
    train_unit = l2_normalize(train_vectors)  # (N, D)
    test_unit = l2_normalize(test_vectors)  # (M, D)
    similarity = test_unit @ train_unit.T  # (M, N)
    guess = train_labels[similarity.argmax(dim=1)]  # (M,)
    share = (guess == test_labels).double().mean().item()
    ### END SOLUTION
    return share


# %% [markdown] tags=["hint"]
# I do not know how to begin
#
# In: N training and M test images. Out: a number from 0 to 1. `test_unit @
# train_unit.T` is (M, N). `argmax(dim=1)` is, for each test image, the
# position of the nearest training image, (M,), and `train_labels[...]` its
# class. By hand: guesses 2, 0, 1 for classes 2, 0, 0 are 2 of 3 right.

# %% [markdown] tags=["hint"]
# I get 1.0
#
# The images found themselves: similarities must be between *test* and
# *training* images, (M, N), not among one of the two.

# %% [markdown] tags=["hint"]
# I get `IndexError: index ... is out of bounds`
#
# The argmax runs over the wrong axis. Similarities are (M, N), test images
# down: `argmax(dim=1)` gives for each test image a position among the N.

# %%
checks.knn_accuracy(knn_accuracy)

# %% [markdown]
# Now six embeddings: three methods, before the first step and at the best
# step. We can recreate the untrained network exactly, because its initial
# weights follow from the config's seed. **Before** you run the cell: will the
# three "before" embeddings differ?

# %%
stages = {"initial": "before", "best": "after"}
memory, tested, honest = {}, {}, {}
for stage in stages:
    for name, run in runs.items():
        key = (name, stage)
        memory[key] = embed_run(
            run, scenes, split, "labeled", checkpoint=stage
        )
        tested[key] = embed_run(run, scenes, split, "test", checkpoint=stage)
        arrays = (memory[key].vectors, memory[key].labels,
                  tested[key].vectors, tested[key].labels)  # fmt: skip
        honest[key] = knn_accuracy(*map(torch.from_numpy, arrays))
        print(f"{TITLES[name]:20}{stages[stage]:8}kNN {honest[key]:.1%}")

# %% [markdown]
# They do not: the same seed gives the same initial weights. So every
# difference afterwards was learnt, from the same labels.
#
# Two checks of these numbers. The library's own function must agree with
# yours. And after a whole training (2,000 steps) the embedding must be
# better than it was before.

# %%
from workshop_lib.evaluation.embeddings import knn_accuracy as library_knn

first = [tested[name, "initial"].vectors for name in runs]
assert all(np.allclose(first[0], one, atol=1e-4) for one in first)
for key, value in honest.items():
    assert abs(library_knn(memory[key], tested[key]) - value) < 0.01, key
if config.optim.steps >= 2000 and DATA == "mini_eo":
    for name in runs:
        assert honest[name, "best"] > honest[name, "initial"] + 0.1, name
print("✓ the library agrees")

# %% [markdown]
# Is "before" better than guessing, which is 1 divided by the number of
# classes? A network that has learnt nothing still averages colours and edges,
# and colour alone separates water from forest. That is the level to compare
# with, not zero.

# %%
quiz.ask("06-knn")

# %%
quiz.answer("06-knn", "...")

# %% [markdown]
# ## t-SNE: six maps
#
# 2 minutes. t-SNE places points in 2-D so that neighbours in the original
# space stay neighbours. It does not know the classes: colours and markers are
# added afterwards. Each class has its own pair of colour and marker, up to 49
# classes, and a number in the middle of its points.
#
# **Before** you run the cell: which two classes will end up in one cluster?

# %% tags=["slow"] seconds=15
from workshop_lib.evaluation.projection import sample_per_class, tsne

chosen = sample_per_class(fix.labels, 300)  # the same images on every map
marks = fix.labels[chosen]
panels = []
for key, one in tested.items():
    panels.append(plots.Panel(
        title=f"{TITLES[key[0]]}, {stages[key[1]]}",
        points=tsne(one.vectors[chosen]), labels=marks,
        note=f"kNN {honest[key]:.0%}"))  # fmt: skip
title = f"t-SNE of {len(chosen)} test images, features, seed 0"
plots.embedding_grid(panels, names, title=title)

# %% [markdown]
# **After**: read the figure in this order.
#
# 1. The number below each map. It comes from all dimensions and from all
#    test images; the map shows two dimensions and some of them.
# 2. The upper row against the lower one: what did training do? (The upper
#    three are one and the same network.)
# 3. In the lower row: which classes are still mixed? Go back to the
#    confusion matrix of notebook 05: is it the same pair?
#
# Do not ask which method has the "nicer" islands.

# %% [markdown]
# ### Three dimensions
#
# t-SNE in 3-D is a separate map, not the flat one with depth added. On paper
# it needs two views. Look for two groups that overlap on the left and
# separate on the right.

# %% tags=["slow"] seconds=10
points = tsne(tested["fixmatch", "best"].vectors[chosen], dims=3)
assert points.shape == (len(chosen), 3)
views = [
    plots.Panel(f"seen from {angle}°", points, marks, azimuth=angle)
    for angle in (-60, 30)
]
plots.embedding_grid(views, names, title="FixMatch, after: t-SNE in 3-D")

# %% [markdown]
# ## What t-SNE cannot tell
#
# 2 minutes. **Distances between groups and sizes of groups.** Here is a test
# with known truth: three groups of vectors. B is close to A, and C is far
# from both; B is ten times as wide as A and C.

# %% tags=["hide-input"]
# @title Three groups with known truth
rng = np.random.default_rng(0)
centres = np.zeros((3, 16))
centres[:, 0], centres[:, 1] = (1, 0.9, -1), (0, 0.45, 0.2)
group = np.repeat(np.arange(3), 80)
width = np.array([0.01, 0.1, 0.01])[group, None]
toy = (centres[group] + width * rng.normal(size=(240, 16))).astype(np.float32)


def far(points):
    """How many times as far from A as B is C? From middle to middle."""
    a, b, c = (points[group == g].mean(axis=0) for g in range(3))
    return np.linalg.norm(a - c) / np.linalg.norm(a - b)


# %% [markdown]
# On the left PCA, a simple projection of the data; on the right t-SNE of the
# same vectors. **Before**: which of the two facts will survive on the right?

# %%
from workshop_lib.evaluation.projection import pca

shadow, shares = pca(toy)
drawn = {"PCA": shadow, "t-SNE": tsne(toy)}
assert shares.sum() > 0.9 and far(drawn["t-SNE"]) < 0.7 * far(shadow)

# %% tags=["hide-input"]
# @title PCA and t-SNE side by side
picture = plots.AccessibleFigure(figsize=(9, 4.2))
for place, (name, points) in enumerate(drawn.items(), 1):
    axes = picture.add_subplot(1, 2, place)
    for g, marker in enumerate("os^"):
        axes.plot(*points[group == g].T, marker, label="ABC"[g], markersize=4)
    title = f"{name}: C is {far(points):.1f} x as far from A as B"
    axes.set(title=title, xlabel="first axis (no unit)")
    axes.set_ylabel("second axis (no unit)")
    axes.axis("equal")
    axes.legend()
    picture.alt += f"Scatter plot of three groups. {title}. "
picture

# %% [markdown]
# t-SNE found the three groups: that is what it is good at. But all three look
# equally large, although B is ten times as wide, and C appears much closer
# than it is. t-SNE evens out densities, by design.
#
# ### The perplexity trap
#
# Perplexity is the number of neighbours that a point attends to. Move the
# slider: the **same** features, three perplexities. (Without a live kernel,
# all three are shown side by side.)

# %% tags=["slow"] seconds=15
from workshop_lib.course import widgets

after = tested["fixmatch", "best"]
maps = widgets.perplexity_maps(after, (5, 30, 100))  # lower, of few images
widgets.perplexity_slider(maps, names)

# %% [markdown]
# Follow one class by its number through the three. Does it stay in one
# piece? Are its neighbours the same? With 5 neighbours classes tend to tear
# apart; with 100 the islands loosen and drift together. Three stories from
# one set of vectors, and one kNN accuracy for all of them.
#
# The trap is worst when there is nothing to find: pure noise, without any
# classes. What will t-SNE draw at a perplexity of 3? **Guess**, then run.

# %%
noise = rng.normal(size=(300, 64)).astype(np.float32)
one_class = np.zeros(300, dtype=np.int64)
panels = [
    plots.Panel(f"perplexity {p}", tsne(noise, perplexity=p), one_class)
    for p in (3, 30)
]
plots.embedding_grid(panels, ["noise"], title="t-SNE of pure noise")

# %% [markdown]
# On the left there are strings and clumps, and none of them is real. So never
# show a map at one perplexity only, and never without a number.

# %%
quiz.ask("06-tsne")

# %%
quiz.answer("06-tsne", "...")

# %% [markdown]
# ### Features or projection, measured
#
# One question is left from the beginning. Which of CoMatch's two vectors is
# more useful? Decide by kNN accuracy, not by a map.

# %%
value = {}
for which in ("features", "projection"):
    parts = [
        embed_run(runs["comatch"], scenes, split, part, which)
        for part in ("labeled", "test")
    ]
    arrays = [a for one in parts for a in (one.vectors, one.labels)]
    value[which] = knn_accuracy(*map(torch.from_numpy, arrays))
    print(f"CoMatch, {which:11} kNN {value[which]:.1%}")
assert all(0 <= share <= 1 for share in value.values())

# %% [markdown]
# With many labels the features usually win: the projection forgets what its
# loss does not need. CoMatch is a special case, since its loss is about
# classes. Trust the numbers above, and remember that they come from one seed.
#
# A contrastive loss pushes images apart for a reason. Without that, or
# labels, all vectors could become equal: they would agree perfectly.

# %%
quiz.ask("06-collapse")

# %%
quiz.answer("06-collapse", "...")

# %% [markdown]
# ## Key points
#
# - Features are what the classifier reads; a projection head belongs to a
#   contrastive loss.
# - L2 normalisation keeps the direction and drops the length; then the dot
#   product is the cosine.
# - Nearest neighbours make a search engine, and kNN accuracy a number that
#   needs no training.
# - t-SNE shows which points are neighbours. It does not show distances
#   between groups or their sizes, and its islands depend on the perplexity.
# - A map without a number is an illustration, not a result.
#
# ## What to try next
#
# - Draw the six maps with another `seed=` of t-SNE. What stays the same?
# - `workshop embed runs/class/fixmatch` writes the vectors as files that
#   TensorBoard's projector opens: turn the 3-D map by hand.
# - Embed images of your own with `embed_run` and search among them.

# %% [markdown]
# ## Vocabulary
#
# | from deep learning | what it is |
# |---|---|
# | vector, embedding | the list of numbers that stands for an image |
# | features | the vector that the classifier reads |
# | projection head | two more layers, for a contrastive loss alone |
# | cosine similarity | of two vectors: 1 same direction, 0 right angle |
# | kNN | k nearest neighbours: ask the most similar labelled images |
# | t-SNE | a way to draw many dimensions as two or three |
#
# | from remote sensing | what it is |
# |---|---|
# | spectral signature | a vector too: one number per band, per pixel |
# | spectral angle | the angle between two signatures: brightness drops out |
# | scene | one image with one class |
#
# So if you have used the *spectral angle mapper*, you know cosine similarity
# already. A feature vector is the signature of a whole scene, with bands
# that the network has invented.

# %% [markdown]
# ## Sources
#
# - Chen et al. 2020, *A Simple Framework for Contrastive Learning of Visual
#   Representations*: projection heads.
#   [arXiv:2002.05709](https://arxiv.org/abs/2002.05709)
# - Li, Xiong and Hoi 2021, *CoMatch: Semi-Supervised Learning with
#   Contrastive Graph Regularization*.
#   [arXiv:2011.11183](https://arxiv.org/abs/2011.11183)
# - Wattenberg, Viégas and Johnson 2016, *How to Use t-SNE Effectively*.
#   [doi:10.23915/distill.00002](https://doi.org/10.23915/distill.00002)
# - van der Maaten and Hinton 2008, *Visualizing Data using t-SNE*.
#   [JMLR 9](https://www.jmlr.org/papers/v9/vandermaaten08a.html)

# %%
from workshop_lib.course import progress

progress.show()
