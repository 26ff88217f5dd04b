# %% [markdown]
# # 09 Several tasks, borrowed knowledge
#
# Labels are scarce, but they are not alone. The same image may have a class,
# a map and a height; other regions may have labels in plenty. This notebook
# uses both. One network learns three tasks at once, and you find out when
# that helps and when it hurts. Then a network that was trained elsewhere
# moves to a new region, and you read off how many labels that is worth.
#
# **After this notebook you can**
#
# - build one encoder with three heads, and say which parameters are shared;
# - write the loss of several tasks, where many targets are missing;
# - explain why units matter in a sum of losses, and two ways to weigh them;
# - measure whether two tasks pull a network in the same direction;
# - compare one task with several, and read the result with care;
# - start from a trained network, frozen or fine-tuned, and read a label
#   curve.
#
# **You need** notebook 04, and 08 for maps and mIoU. 05 helps: one seed is
# one draw.
#
# Cells that only draw or print are folded; a click on the three dots opens
# them.
#
# **Time**: 40 minutes. The training runs take nearly five of them on two
# cores; a finished run is kept, and loaded when you come back.
#
# | section | minutes |
# |---|---|
# | One network, three answers | 6 |
# | One loss out of three | 11 |
# | Tasks that pull apart | 6 |
# | Does it help? | 6 |
# | Borrowed knowledge | 11 |

# %% [markdown]
# ## One network, three answers
#
# 6 minutes. **The data setting**: this notebook needs a class, a map and an
# elevation for each image. MiniEO has all three, and so has MiniEO from
# another seed of its generator.

# %%
DATA = "mini_eo"  # or "mini_eo:7": another world, made by the same rules

# %%
from workshop_lib.data.load import open_data
from workshop_lib.data.samples import targets_of
from workshop_lib.presets import preset, preset_time

config = preset(task="multitask", method="supervised", data=DATA,
                heads=("cover", "scene", "elevation"),
                labels_per_head=(1, 0, 0), encoder="unet-8", batch_size=32,
                labeled_view="strong", precision="fp32")  # fmt: skip
IN_CLASS = config.optim.steps >= 1000  # else a test, in seconds
config = config.replace(eval_every=100 if IN_CLASS else 30)
scenes, split = open_data(config)
covers = scenes.mask_names
targets = targets_of(scenes, config.model.heads)
for name, values in targets.items():
    print(f"{name:10} {str(tuple(values.shape)):16} {values.dtype}")

# %% [markdown]
# Three kinds of target: a class for each pixel, a class for each image, and
# a number for each image, its mean elevation in metres. Four scenes with
# everything that is known about them:

# %% tags=["hide-input"]
# @title Name scenes in words
from workshop_lib import plots

some = split.val[[3, 8, 10, 25]]


def in_words(classes, heights):
    """Name each scene by its class and its elevation."""
    names = [scenes.class_names[k] for k in classes]
    return [f"{n}\n{h:.0f} m" for n, h in zip(names, heights, strict=True)]


# %% tags=["hide-input", "figure:09_targets"]
# @title Draw four scenes and their targets
known = in_words(targets["scene"][some], targets["elevation"][some])
plots.mask_grid(
    {"true map": scenes.masks[some]}, covers, images=scenes.images[some],
    row_names=known, bands=scenes.bands,
    title="Four scenes, three targets")  # fmt: skip

# %% [markdown]
# You could train three networks. But all three tasks start by finding water,
# crops and roofs in the same pixels. So let one **encoder** do that for all,
# and give each task a **head** of its own: a small last part that turns
# features into an answer.
#
# ```text
#                  ┌── mean ──┬── linear ── 10 scores: the scene's class
# image ── encoder ┤          └── linear ── 1 number: its elevation
#                  └── decoder ── 1 x 1 convolution ── 7 scores per pixel
# ```
#
# The encoder is **shared**: every task changes it. The decoder serves the
# map alone. That is called *hard parameter sharing*, the oldest and simplest
# form of multitask learning.
#
# **Before you run the cell**: three networks, or one with three heads. How
# many parameters will sharing save?

# %% tags=["hide-input"]
# @title Count parameters
import torch
from workshop_lib.models import HeadSpec, build_model
from workshop_lib.models.model import parameter_counts

HEADS = {"cover": HeadSpec("dense", len(covers)),
         "scene": HeadSpec("categorical", scenes.num_classes),
         "elevation": HeadSpec("regression")}  # fmt: skip


def size(*tasks):
    """Count the parameters of a U-Net with these heads."""
    heads = {name: HEADS[name] for name in tasks}
    network = build_model("unet-8", {"s2": len(scenes.bands)}, heads)
    return parameter_counts(network)["total"]


# %% tags=["hide-input"]
# @title Draw the sizes
sizes = {f"{name} alone": size(name) for name in HEADS}
sizes["three networks"] = sum(sizes.values())
sizes["one, three heads"] = size(*HEADS)
assert sizes["one, three heads"] < 0.6 * sizes["three networks"]
plots.bars(sizes, title="Three networks, or one", unit="parameters")

# %% [markdown]
# **After**: less than half. The heads weigh next to nothing, and only the map
# needs the decoder. It is also one pass over the image instead of three.
#
# Start the training now. It takes about half a minute, and the next section
# can be read while it runs.

# %% tags=["slow"] seconds=40
from workshop_lib.course.runs import class_run

together = class_run("supervised_strong", scenes, split, config)

# %% [markdown]
# ## One loss out of three
#
# 11 minutes, with one exercise. A network with several heads is trained on
# one number, a weighted sum:
#
# $$L = w_c L_\mathrm{cover} + w_s L_\mathrm{scene} +
# w_e L_\mathrm{elevation}$$
#
# Three things go wrong with that sum in practice: targets are missing, units
# differ, and the weights have to be chosen.
#
# ### Many classes, few maps
#
# A class takes a second: one click. A map takes half an hour, for it is 1,024
# decisions. An elevation comes free, from a terrain model. So a realistic
# archive looks like this (counted by the run itself):

# %% tags=["hide-input", "figure:09_labels"]
# @title Draw the number of labels
labels = together.facts["labels_per_head"]
assert labels["cover"] == 10 < labels["scene"]
plots.bars(labels, title="Targets of one and the same archive",
           unit="labelled images")  # fmt: skip

# %% [markdown]
# If you kept only the images with all three, ten would be left. Instead,
# every image teaches what it can. What is missing is marked, in the way of
# each kind of target: **-1** for a class, **255** for a pixel, **NaN** for a
# number. Here is a batch of six.

# %% tags=["hide-input"]
# @title Print a batch of six
batch = split.labeled[[0, 1, 2, -3, -2, -1]]
target = {name: values[batch].clone() for name, values in targets.items()}
target["cover"] = target["cover"].long()
target["cover"][2:] = 255  # four of six have no map
target["scene"][1], target["elevation"][4] = -1, float("nan")
mapped = (target["cover"] != 255).flatten(1).any(1)
for k in range(6):
    map_word = "a map" if mapped[k] else "no map"
    print(f"{k}: class {target['scene'][k]:3}, {map_word:6},"
          f" {target['elevation'][k]:6.0f} m")  # fmt: skip

# %% [markdown]
# **Exercise 1** (medium, important, 3 minutes). The sum. Each task's loss is
# the mean over the targets that are **known**: cross-entropy for the class
# and for the pixels, squared error for the elevation. `known_mean` is given,
# and so is the first task. Beware of one trap: NaN times 0 is NaN.


# %%
import torch.nn.functional as F


def known_mean(each, known):
    """Average over the known elements; 0 if there are none."""
    return (each * known).sum() / known.sum().clamp(min=1)


# %%
def multitask_loss(out, target, weights):
    """Return a scalar; all three arguments are dictionaries by task."""
    cover, height = target["cover"], target["elevation"]  # (B, H, W), (B,)
    each = F.cross_entropy(out["scene"], target["scene"], ignore_index=-1,
                           reduction="none")  # (B,)  # fmt: skip
    loss = weights["scene"] * known_mean(each, target["scene"] >= 0)
    ### BEGIN SOLUTION the same for cover and for elevation, added to the loss
    ### STUB each = ...  # (B, H, W): unknown pixels are 255
    ### STUB # loss = loss + weights["cover"] * known_mean(each, ...)
    ### STUB # then the same two lines for the elevation
    each = F.cross_entropy(out["cover"], cover, ignore_index=255,
                           reduction="none")  # (B, H, W)  # fmt: skip
    loss = loss + weights["cover"] * known_mean(each, cover != 255)
    each = (out["elevation"] - height).nan_to_num().square()  # (B,)
    loss = loss + weights["elevation"] * known_mean(each, ~height.isnan())
    ### END SOLUTION
    return loss


# %% [markdown] tags=["hint"]
# I do not know how to begin
#
# Each task takes two lines, as the first one does: `each`, the loss of every
# element, with `reduction="none"`; then `loss + weight * known_mean(each,
# known)`. For the map: `out["cover"]` is (B, 7, H, W) and `cover` (B, H, W);
# the known pixels are `cover != 255`.

# %% [markdown] tags=["hint"]
# I get `nan`
#
# `height` has NaN, so the difference has, and a mask comes too late. Replace
# it: `(a - b).nan_to_num()` is 0 there, and so is its gradient.

# %% [markdown] tags=["hint"]
# I get `Target 255 is out of bounds`
#
# `F.cross_entropy` takes the class to skip as `ignore_index=255`.

# %%
from workshop_lib.course import checks

checks.multitask_loss(multitask_loss)

# %% [markdown] tags=["instructor"]
# Usual stops: the mask comes after the NaN; `.mean()` divides by all pixels,
# so ten maps count less the more images have none; images without a map are
# dropped from the batch, and their classes with them.

# %% [markdown]
# ### Metres against bits
#
# Cross-entropy of ten classes starts at ln 10 = 2.3. An elevation lies 320 m
# above the sea on average, and the untrained network says 0. **Before**: all
# weights are 1. Which task will the encoder listen to? The next cell takes
# each task's gradient of the shared encoder, before the first step, and
# measures how long it is.

# %%
from workshop_lib.models.model import encoder_parameters

model, normalize = together.load_model("initial")
batch = split.labeled[:64]
target = {name: values[batch] for name, values in targets.items()}
target["cover"] = target["cover"].long()


# %%
def gradients(model, target, task):
    """Return one task's gradient of each shared layer, as a list."""
    out = model(normalize({"s2": scenes.images[batch]}))
    only = {name: float(name == task) for name in target}
    loss = multitask_loss(out, target, only)
    shared = encoder_parameters(model)  # without decoder and heads
    return torch.autograd.grad(loss, shared)


def length(grads):
    return torch.cat([g.flatten() for g in grads]).norm().item()


# %% tags=["figure:09_units"]
pull = {name: length(gradients(model, target, name)) for name in targets}
assert pull["elevation"] > 20 * max(pull["scene"], pull["cover"])
plots.bars(pull, title="Who pulls at the encoder: elevation in metres",
           unit="length of the gradient")  # fmt: skip

# %% [markdown]
# **After**: the two other bars can hardly be seen. In kilometres the
# elevation's loss would be a million times smaller, and *it* would be lost. A
# loss must not depend on the unit, so the target is **standardised**: minus
# its mean, divided by its standard deviation, over the labelled images.

# %%
known = targets["elevation"][split.labeled]
mean, std = known.mean(), known.std()
standard = {**target, "elevation": (target["elevation"] - mean) / std}
pull = {name: length(gradients(model, standard, name)) for name in targets}
assert pull["elevation"] < 20 * max(pull["scene"], pull["cover"])
plots.bars(pull, title="Who pulls at the encoder: elevation standardised",
           unit="length of the gradient")  # fmt: skip

# %%
from workshop_lib.course import quiz

quiz.ask("09-units")

# %% tags=["quiz"]
quiz.answer("09-units", "...")

# %% [markdown]
# ### Weights, chosen or learned
#
# Now the three are within sight of each other. The weights can be set by
# hand, and tried on validation images, which costs a run for each trial. Or
# the network learns them. Kendall, Gal and Cipolla (2018) give each task a
# noise level of its own, with $s$ the logarithm of its variance:
#
# $$L = \sum_i \left( e^{-s_i} L_i + \tfrac{1}{2} s_i \right)$$
#
# A task with much noise gets a large $s$ and a small weight $e^{-s}$. The
# second term keeps $s$ from growing without end.


# %%
def learned_loss(losses, s):
    """Return the scalar sum over the tasks; losses and s are (T,)."""
    return (torch.exp(-s) * losses + s / 2).sum()


# %% [markdown]
# Let three losses stand still, and let only $s$ learn: a map that is learned
# well, a class, and an elevation in squared metres. **Before**: which of the
# three weights will be the largest in the end?

# %% tags=["hide-input", "figure:09_weights"]
# @title Three losses stand still, s learns
losses = torch.tensor([0.05, 1.5, 56_000.0])
s = torch.zeros(3, requires_grad=True)
optimizer = torch.optim.Adam([s], lr=0.1, betas=(0.9, 0.9))
powers = []
for _ in range(300):
    optimizer.zero_grad()
    learned_loss(losses, s).backward()
    optimizer.step()
    powers.append(-s.detach() / torch.log(torch.tensor(10.0)))
names = ("map, loss 0.05", "class, loss 1.5", "elevation, loss 56,000")
curves = {name: (range(300), torch.stack(powers)[:, k])
          for k, name in enumerate(names)}  # fmt: skip
plots.lines(curves, title="Learned weights of three losses", x_label="step",
            y_label="weight, power of 10")  # fmt: skip

# %%
share = torch.exp(-s.detach()) * losses
print("weight times loss:", ", ".join(f"{x:.2f}" for x in share))
assert torch.allclose(share, torch.tensor(0.5), atol=0.02)

# %% [markdown]
# **After**: each weight stops at $1 / (2 L)$, so every task contributes one
# half, whatever its unit. That is handy, and it has a price: the *lower* a
# loss, the larger its weight.

# %%
quiz.ask("09-learned")

# %% tags=["quiz"]
quiz.answer("09-learned", "...")

# %% [markdown]
# In the library this is `learned_weights=True`; `head_weights=(1, 1, 0.1)`
# sets them by hand. All runs of this notebook have weights of 1 and a
# standardised elevation.
#
# ## Tasks that pull apart
#
# 6 minutes, with one exercise. Every task has a wish for each weight of the
# encoder: its gradient. If two gradients point the same way, a step for one
# is a step for the other. If they point in opposite ways, the sum is a
# compromise that helps neither much. The angle between them tells, and its
# **cosine** is a single number: 1 the same direction, 0 nothing to do with
# each other, below 0 **conflict**.
#
# **Exercise 2** (easy, important, 2 minutes). Two lists of gradients, one
# tensor per layer, of any shape. Make one long vector of each; then the
# cosine.


# %%
def gradient_cosine(grads_a, grads_b):
    """Return the cosine between two tasks, all layers together."""
    ### BEGIN SOLUTION two long vectors, and the cosine between them
    ### STUB a = ...  # torch.cat of the flattened gradients, (P,)
    ### STUB b = ...
    a = torch.cat([g.flatten() for g in grads_a])  # (P,)
    b = torch.cat([g.flatten() for g in grads_b])
    cosine = a @ b / (a.norm() * b.norm())
    ### END SOLUTION
    return cosine


# %% [markdown] tags=["hint"]
# I do not know how to begin
#
# `[g.flatten() for g in grads_a]` is a list of vectors, and `torch.cat` makes
# one of it, (P,). Then `a @ b` is their product, `a.norm()` a length.

# %% [markdown] tags=["hint"]
# I get `Tensors must have same number of dimensions`
#
# A filter has four dimensions, a bias one. Flatten each before `torch.cat`.

# %%
checks.gradient_cosine(gradient_cosine)

# %% tags=["hide-input"]
# @title Your cosine, before and after training
from itertools import combinations

for name, net in (("before training", model),
                  ("after training", together.load_model()[0])):  # fmt: skip
    grads = {task: gradients(net, standard, task) for task in targets}
    print(name)
    for a, b in combinations(targets, 2):
        print(f"  {a} and {b}: {gradient_cosine(grads[a], grads[b]):+.2f}")

# %% [markdown]
# One batch is one sample. But the encoder has 18,000 parameters, and two
# random vectors of that length have a cosine within 0.02 of 0. So 0.1 is
# agreement, and -0.1 is conflict. During training the
# library looks at each validation, on the next labelled batch. **Before**:
# which pair will agree best? Which task has least to say to the others?

# %% tags=["figure:09_conflict"]
plots.gradient_conflict(together.log)

# %% tags=["hide-input"]
# @title Print the cosines
pairs = together.log.filter(like="cosine/")
assert pairs.abs().max().max() <= 1
for name, values in pairs.items():
    below = (values < 0).mean()
    print(f"{name.removeprefix('cosine/'):18} mean {values.mean():+.2f},"
          f" in conflict {below:.0%} of the time")  # fmt: skip

# %% [markdown]
# **After**: compare the means, not single points; each point is one batch.
# Conflict now and then is normal. There are methods that remove it: PCGrad
# (Yu et al. 2020) takes out of each gradient the part that opposes the other.
# First ask whether the tasks belong together at all.

# %%
quiz.ask("09-conflict")

# %% tags=["quiz"]
quiz.answer("09-conflict", "...")

# %% [markdown]
# ## Does it help?
#
# 6 minutes, of which the machine takes nearly two. First look at what
# the one network says about the four scenes from the beginning.

# %% tags=["hide-input"]
# @title Draw the answers of the one network
from workshop_lib.evaluation.inference import predict_heads, stored_views

found = predict_heads(together, *together.load_model(),
                      stored_views(together, scenes), some)  # fmt: skip
words = in_words(found["scene"].argmax(1), found["elevation"])
plots.mask_grid(
    {"its map": found["cover"], "true map": scenes.masks[some]}, covers,
    images=scenes.images[some], bands=scenes.bands, row_names=words,
    title="One network, three answers")  # fmt: skip

# %% [markdown]
# Compare with the targets at the top: which of the three answers is the
# worst? To know what the tasks owe each other, train each alone: the same
# encoder, the same labels for that task, the same number of steps. And one
# pair, to see what the elevation adds or costs.
#
# **Your prediction**, before anything is measured: is each task `"better"`,
# `"worse"` or `"same"` when all three are trained together?

# %%
GUESS = {"cover": "same", "scene": "same", "elevation": "same"}
assert set(GUESS.values()) <= {"better", "worse", "same"}

# %% tags=["slow"] seconds=100
SETS = [("cover",), ("cover", "scene"), ("scene",), ("elevation",)]
few = dict(zip(targets, config.data.labels_per_head, strict=True))
runs = {}
for tasks in SETS:
    some_tasks = config.replace(
        heads=tasks, labels_per_head=[few[t] for t in tasks]
    )
    runs[" + ".join(tasks)] = class_run("supervised_strong", scenes, split,
                                        some_tasks)  # fmt: skip
    labels_now = runs[" + ".join(tasks)].facts["labels_per_head"]
    assert labels_now == {task: labels[task] for task in tasks}
runs["all three"] = together

# %% [markdown]
# **Read on meanwhile.** What may happen?
#
# - **Help.** The map has ten images, the class 2,400. What 2,400 classes
#   teach the encoder about water, crops and roofs, the map can use. The task
#   with **few labels** stands to gain, if the others are *related*.
# - **Nothing.** A task with labels in plenty has no need of the others.
# - **Harm.** The encoder has a fixed size, and half of each batch is now
#   chosen for the sake of another task. A task that cannot be learned from
#   the image adds noise to every step.
#
# Is the elevation such a task? It depends on the region and a little on the
# class, and the image shows next to nothing of the region.

# %% tags=["hide-input"]
# @title Score all runs on the test images
import pandas as pd
from workshop_lib.evaluation.scoring import evaluate

MAIN = {"cover": "mean IoU", "scene": "mean F1", "elevation": "R²"}
table = pd.DataFrame(index=list(runs), columns=list(MAIN.values()))
for name, run in runs.items():
    result = evaluate(run, scenes, split)
    scores = {run.main_head: result.overall(), **result.others}
    for task, found_scores in scores.items():
        table.loc[name, MAIN[task]] = 100 * found_scores[MAIN[task]]
assert table["mean IoU"].notna().sum() == 3
table.map(lambda score: "" if pd.isna(score) else f"{score:.1f}")

# %% tags=["hide-input"]
# @title Compare with your prediction
alone = {"cover": "cover", "scene": "scene", "elevation": "elevation"}
for task, measure in MAIN.items():
    gain = table.loc["all three", measure] - table.loc[alone[task], measure]
    print(f"{task:10}{gain:+6.1f} points by the others;"
          f" you: {GUESS[task]}")  # fmt: skip

# %% tags=["hide-input"]
# @title Draw the maps' scores
reached = table["mean IoU"].dropna().to_dict()
plots.bars(reached, title="Maps from ten images, and what else was learned",
           unit="mIoU of the test images (%)")  # fmt: skip

# %% [markdown]
# **After**: with ten maps, the classes of 2,400 images are worth some points
# of mIoU in most runs. The elevation is another matter. Its R² is low, and
# lower in company: the image hardly shows it, so there is little to share,
# and what it does to the map changes with the seed. The scene class has
# labels in plenty, and pays a little for the company.
#
# This is one seed: one draw of ten images. `docs/multitask.md` compares five
# seeds. There the classes bring such a map 2 to 6 points. The other way
# round, 2,400 maps bring a class with ten labels 5 to 12. Elevations bring
# that class between -7 and +7, which is nothing to rely on; with a weight of
# 30 they cost a class with forty labels 14 to 34. So tasks help where labels
# are few **and** the tasks are related, and a weight can spoil it.

# %%
quiz.ask("09-help")

# %% tags=["quiz"]
quiz.answer("09-help", "...")

# %% [markdown]
# ## Borrowed knowledge
#
# 11 minutes; the machine takes about two of them. Until now several tasks
# shared one network at the same time. **Transfer** does it one after the
# other: a network was trained where labels were plenty, and you take over its
# encoder where they are few.
#
# The place with few labels is region 4 of MiniEO, semi-arid: other soils,
# other plants, another light. The four other regions have labels in plenty.

# %%
from workshop_lib.data.split import Split

region = scenes.metadata["region"].long()
elsewhere = scenes.subset((region != 4).nonzero().flatten())
here = scenes.subset((region == 4).nonzero().flatten())
away = Split.random(elsewhere, labels_per_class=0)
print(f"elsewhere: {len(away.labeled):,} labelled images")
print(f"here: {len(here):,} images, of which up to 250 have a label")

# %% tags=["slow"] seconds=25
from workshop_lib.training.loop import train

FOLDER = f"runs/{preset_time()}/transfer"
base = preset(method="supervised", data=DATA, labeled_view="strong",
              precision="fp32", warmup_steps=20,
              steps=1000 if IN_CLASS else 4,
              eval_every=200 if IN_CLASS else 4)  # fmt: skip
teach = base.replace(labels_per_class=0, batch_size=32)
source = train(teach, elsewhere, away, folder=f"{FOLDER}/source")

# %% [markdown]
# The simplest use is to change nothing: apply the network as it is.

# %%
from workshop_lib.evaluation.inference import predict_run

home = 100 * evaluate(source, elsewhere, away).value
probs = predict_run(source, here)
as_it_is = 100 * (probs.argmax(1) == here.labels).float().mean().item()
print(f"right elsewhere {home:.1f} %, here as it is {as_it_is:.1f} %")
assert 0 <= as_it_is <= 100

# %% [markdown]
# That costs no label at all, and is the number to beat. The figure falls
# because the images have changed and the labels have not: a **domain shift**.
# With some labels from here there are three ways to use the network:
#
# | start | what is trained here |
# |---|---|
# | random | everything, from nothing: the baseline |
# | frozen | a new head, on features that stay as they are |
# | fine-tuned | everything, starting from the borrowed encoder |
#
# And a fourth in between: fine-tuned **gently**, with a tenth of the learning
# rate for the encoder. In the library these are three settings:
# `init_from=` a run's folder, `freeze=-1` (all stages of the encoder; 1 for
# the first), `encoder_lr=0.1`.
#
# **Which of these would you freeze?** Decide before you look at the curve.
#
# | | your labels | the network was trained on |
# |---|---|---|
# | A | 10 images | the same classes and sensor, other regions |
# | B | 2,400 images | the same classes and sensor, other regions |
# | C | 10 radar images | photographs (ImageNet) |
# | D | 250 images | the same sensor, other classes |

# %%
borrowed = base.replace(init_from=str(source.folder))
STARTS = {"random": base,
          "frozen": borrowed.replace(freeze=-1),
          "fine-tuned": borrowed,
          "gently": borrowed.replace(encoder_lr=0.1)}  # fmt: skip
LABELS = (1, 4, 25) if IN_CLASS else (1, 4)

# %% tags=["slow"] seconds=110
from workshop_lib.experiments.sweeps import sweep

rows = sweep(STARTS, seeds=1, folder=f"{FOLDER}/curve", labels=LABELS,
             dataset=here, verbose=False)  # fmt: skip
print(len(rows), "training runs, kept in", f"{FOLDER}/curve")
assert len(rows) == len(STARTS) * len(LABELS)

# %% [markdown]
# **Read on meanwhile.** Frozen features cannot be spoilt, and the head that
# reads them has few parameters: good with few labels. But they cannot adapt
# either. Fine-tuning adapts, and with ten images it may adapt to those ten:
# large steps early on overwrite what was borrowed, which is called
# **forgetting**. Where the two curves cross depends on how far "here" is from
# "elsewhere".

# %% tags=["hide-input"]
# @title Draw the label curve
curve = 100 * rows.pivot(index="labels_per_class", columns="name",
                         values="accuracy")  # fmt: skip
shown = {name: (curve.index, curve[name]) for name in STARTS}
shown["as it is"] = (curve.index, [as_it_is] * len(curve))
plots.lines(shown, title="What a borrowed encoder is worth",
            x_label="labels per class in the new region",
            y_label="test images right (%)")  # fmt: skip

# %% [markdown]
# Read the curve across. **Before** you run the cells: how many labels per
# class does each start need to be as good as the unchanged network?


# %%
import math


def labels_needed(labels, accuracy, target):
    """Return the fewest labels whose accuracy reaches the target."""
    pairs = zip(labels, accuracy, strict=True)  # labels in rising order
    return next((n for n, reached in pairs if reached >= target), math.inf)


# %% tags=["hide-input"]
# @title Read the curve across
for name in STARTS:
    n = labels_needed(list(LABELS), curve[name].tolist(), as_it_is)
    words = f"{n} labels per class" if n < math.inf else "more than we tried"
    print(f"{name:11} as good as the unchanged network: {words}")
if IN_CLASS and DATA == "mini_eo":
    assert curve["frozen"].iloc[0] > curve["random"].iloc[0] + 20

# %% [markdown]
# **After** (with the default data): from random weights, 25 labels per class
# do not reach what the borrowed network does with none. *Frozen* starts high
# and rises slowly. *Fine-tuned* starts far lower: ten images have overwritten
# part of what was borrowed; with 25 labels per class it has overtaken frozen.
# *Gently* has the best of both. With one label per class all of them are
# below the unchanged network: they begin with a new head, and its head has
# seen every label elsewhere. `docs/multitask.md` has more points.
#
# So: A as it is, or frozen. B fine-tuned: there is enough to adapt to. D
# gently. C none of the three: the first layers expect red, green and blue,
# and radar has neither.
#
# What about networks that were trained on something else?
# `init_from="imagenet"` starts `resnet18` from photographs (RGB only); the
# first layers, edges and textures, travel well, the last ones less. And the
# labels elsewhere need not exist at all: an encoder can be trained on
# images alone. That is **self-supervised** learning, notebook 10.

# %% [markdown] tags=["instructor"]
# Ask for the number to beat before the curve: few think of applying the
# network as it is. Then cover the right half of the figure: with one label
# per class the order of the starts is not that with 25.

# %%
quiz.ask("09-freeze")

# %% tags=["quiz"]
quiz.answer("09-freeze", "...")

# %% [markdown]
# ## Key points
#
# - One encoder with a head for each task costs little more than one network.
# - Each task's loss is a mean over its *known* targets; an image without a
#   map still teaches its class. NaN times 0 is NaN.
# - Losses in different units cannot be added: standardise, then weigh.
#   Learned weights make every task contribute alike, also one that is
#   memorised already.
# - The cosine of two tasks' gradients tells whether they agree.
# - Several tasks may help the one with few labels, do nothing, or hurt.
#   Compare with the single task on the same labels, over several seeds.
# - Before you train anything, apply a network from elsewhere as it is.
# - Few labels: freeze, or fine-tune gently. Many: fine-tune.
#
# ## What to try next
#
# - `config.replace(learned_weights=True)`: look at `weight/scene` and the
#   others with `plots.learning_curves`. Which task is silenced?
# - `config.replace(labels_per_head=(4, 0, 0))`: forty maps instead of ten.
# - `preset(task="multitask", method="fixmatch")`: unlabelled images teach
#   all three heads at once.
# - Another region: is the Mediterranean (3) nearer to "elsewhere"?
# - Transfer to another *task*: `init_from` the folder of `runs["scene"]` for
#   maps. Compare it with learning both at once.
#
# ## Words
#
# | word | what it means here |
# |---|---|
# | multitask learning | one network, trained for several targets at once |
# | head | the last part of a network, one for each task |
# | standardise | subtract the mean, divide by the standard deviation |
# | gradient conflict | two tasks' gradients point in opposite directions |
# | transfer | to start from a network that was trained for something else |
# | fine-tune | to go on training borrowed weights, usually more slowly |
# | freeze | to keep borrowed weights as they are |
# | domain shift | new images differ from those that the network has seen |
# | forgetting | new steps overwrite what was learned before |
#
# ## Sources
#
# - Caruana 1997, *Multitask learning*,
#   [doi:10.1023/A:1007379606734](https://doi.org/10.1023/A:1007379606734)
# - Kendall, Gal and Cipolla 2018, *Multi-task learning using uncertainty to
#   weigh losses*, [arXiv:1705.07115](https://arxiv.org/abs/1705.07115)
# - Yu et al. 2020, *Gradient surgery for multi-task learning* (PCGrad),
#   [arXiv:2001.06782](https://arxiv.org/abs/2001.06782)
# - Standley et al. 2020, *Which tasks should be learned together?*,
#   [arXiv:1905.07553](https://arxiv.org/abs/1905.07553)
# - Yosinski et al. 2014, *How transferable are features in deep neural
#   networks?*, [arXiv:1411.1792](https://arxiv.org/abs/1411.1792)

# %%
from workshop_lib.course import progress

progress.show()
