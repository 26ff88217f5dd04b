# %% [markdown]
# # 04 Training: from forty labels to a network
#
# You write FixMatch's loss in ten lines, and then train with it to the end.
# Before that you predict what does not fit into memory; after that you read
# the training log.
#
# **After this notebook you can**
#
# - predict how much memory a training step takes, and reduce it;
# - write the pseudo-label, the confidence mask and the loss of FixMatch;
# - choose a confidence threshold by looking at what passes it;
# - train supervised, FixMatch, CoMatch and CCSSL, and compare them fairly;
# - read a training log: loss, mask rate, averaged versus online weights;
# - stop a training run, resume it, and get the same numbers.
#
# **You need** notebook 03: the weak and the strong view. New words are
# explained at the end: [Vocabulary](#Vocabulary).
#
# **Time**: 30 minutes. The training runs take about six of them on two cores;
# each is saved, and loaded when you come back.

# %% [markdown]
# ## Will it fit?
#
# 6 minutes, with one exercise. **The data setting** first, as in the earlier
# notebooks.

# %%
DATA = "mini_eo"  # or "ucm", "eurosat", or the path of a folder per class

# %%
from workshop_lib.data.load import open_data
from workshop_lib.presets import preset

config = preset(data=DATA)
scenes, split = open_data(config)
print(f"{len(split.labeled)} labelled, {len(split.unlabeled)} unlabelled,")
print(f"{len(split.val)} validation, {len(split.test)} test images")

# %% [markdown]
# A class once wanted to train FixMatch on photographs of 224 x 224 pixels,
# with a batch of 8 labelled and 56 unlabelled images, on a graphics card with
# 15 GB. It crashed in the first step: `CUDA out of memory`. A calculation on
# paper would have predicted it.
#
# In each step a network runs forward through its layers and then backward.
# The backward pass needs the outputs of the layers from the forward pass, the
# **activations**. All of them have to be kept until then.
#
# - The network is a WRN-28-2. The list below says what it keeps for one
#   image: how many maps of which size, with how many channels and how many
#   pixels per side.
# - A step processes each labelled image once, and each unlabelled image
#   twice: in the weak and in the strong view.
# - One number takes 4 bytes.

# %%
KEPT = [  # of one image of 224 x 224 pixels: how many maps, channels, side
    (2, 16, 224),
    (16, 32, 224),
    (16, 64, 112),
    (16, 128, 56),
]

# %% [markdown]
# **Exercise 1** (medium, useful, 4 minutes). Predict the bytes that a step
# keeps. `mu` is the number of unlabelled images per labelled one, here 7.


# %%
def predict_memory(kept, batch_size, mu):
    """Return the bytes of activations that one step of FixMatch keeps."""
    ### BEGIN SOLUTION numbers per image, times images in a step, times 4
    ### STUB numbers = ...
    ### STUB images = ...
    numbers = sum(maps * channels * side**2 for maps, channels, side in kept)
    images = batch_size + 2 * mu * batch_size
    memory = 4 * numbers * images
    ### END SOLUTION
    return memory


# %% [markdown] tags=["hint"]
# I do not know how to begin
#
# In: a list of triples and two numbers. Out: one number. An entry `(2, 16,
# 224)` is 2 maps of 16 channels and 224 x 224 pixels: 2 * 16 * 224 * 224 =
# 1,605,632 numbers. Add these up over all entries, for one image. Then count
# the images of a step, and the bytes of a number.

# %% [markdown] tags=["hint"]
# I get about 12 GB
#
# 8 + 56 images are 64. But the 56 unlabelled ones are there twice.

# %% [markdown] tags=["hint"]
# I get `too many values to unpack`
#
# Each entry of `kept` has three numbers: `for maps, channels, side in kept`.

# %% [markdown]
# Does your function count as it should?

# %%
from workshop_lib.course import checks

checks.predict_memory(predict_memory)

# %% [markdown]
# The library simulates the step with tensors that have a shape but no
# content. So it counts every byte and allocates none. Is your prediction
# within a factor of 1.5?

# %%
from workshop_lib.training.memory import estimate_memory

paper = preset("class", encoder="wrn-28-2", size=224, batch_size=8, mu=7,
               joint_forward=True)  # fmt: skip
scene = {"kind": "categorical", "num_classes": 21}
photos = {"sensors": {"rgb": 3}, "metadata": 0, "heads": {"scene": scene}}


def need(config, precision="fp32"):
    """Predict a step's memory on 2,100 photographs of 21 classes."""
    side = config.data.size
    return estimate_memory(config, photos, num_images=2100,
                           image_bytes=3 * side**2,
                           precision=precision)  # fmt: skip


# %%
as_paper = need(paper)
guess = predict_memory(KEPT, batch_size=8, mu=7)
assert 1 / 1.5 < guess / as_paper.kept < 1.5
print(f"{guess / 1e9:.1f} GB predicted, {as_paper.kept / 1e9:.1f} GB counted")
print(f"{as_paper.images_with_gradient} images: kept for the backward pass")

# %% [markdown]
# So it could not fit. **What helps most?** Guess the order before you look.
#
# - *Weak view without gradient*: the weak view is used only for prediction,
#   so it needs no gradient. Its activations can be discarded at once.
# - *Half precision*: 2 bytes per number instead of 4, in most layers.
# - *Recompute* (checkpointing): keep only the activations between groups of
#   layers, and compute the rest again in the backward pass.
# - *Smaller images*: half the side is a quarter of the pixels.

# %% tags=["figure:04_memory"]
from workshop_lib import plots

apart = paper.replace(joint_forward=False)
steps = {
    "as in the paper": as_paper,
    "weak view without gradient": need(apart),
    "and half precision": need(apart, "bf16"),
    "and recompute": need(apart.replace(checkpointing=True), "bf16"),
    "or images of 112 pixels": need(apart.replace(size=112), "bf16"),
}
gigabytes = {name: found.total / 1e9 for name, found in steps.items()}
plots.bars(gigabytes, title="Memory of a step: WRN-28-2, 8 + 56 images",
             unit="GB", limit=("a card of 15 GB", 15))  # fmt: skip

# %%
assert gigabytes["as in the paper"] > 15 > gigabytes["and half precision"]
assert gigabytes["weak view without gradient"] < 0.7 * guess / 1e9
saved = as_paper.total / need(apart).total
print(f"not keeping the weak view: 1/{saved:.1f} of the memory")

# %% [markdown]
# **After**: the first bar crosses the line, as you predicted. Leaving out the
# weak view's gradient costs nothing and changes almost nothing. The config of
# this workshop does it (`joint_forward=False`). CoMatch and CCSSL, further
# down, have one view more with gradient: they need 11.6 GB where FixMatch
# needs 6.2 (docs/budget.md).
#
# For your own training runs use `budget`, which also times a few steps on
# this machine. Here it checks the config that you are about to run. On the
# command line it is `workshop budget`.

# %%
from workshop_lib.training.cost import budget
from workshop_lib.training.inputs import read_inputs

facts = read_inputs(config, scenes).facts()
plan = budget(config, facts, num_images=len(scenes), alternatives=False)
print(plan)
assert plan.memory < 15e9

# %%
from workshop_lib.course import quiz

quiz.ask("04-memory")

# %% tags=["quiz"]
quiz.answer("04-memory", "...")

# %% [markdown]
# ## FixMatch's loss, by you
#
# 8 minutes, with two exercises. FixMatch shows each unlabelled image to the
# network twice.
#
# 1. The **weak** view: which class is it? If the network is confident, its
#    prediction becomes a pseudo-label.
# 2. The **strong** view: the network must give the same prediction.
#
# You write the orange box in exercise 2, and the blue ones in exercise 3.

# %% tags=["hide-input"]
# @title The boxes of the diagram
boxes = {
    "x": ("labelled\nimages", 0, 0, "white"),
    "u": ("unlabelled\nimages", 0, 1.5, "white"),
    "xw": ("weak view", 1, 0, "white"),
    "uw": ("weak view", 1, 1, "white"),
    "us": ("strong view", 1, 2, "white"),
    "nx": ("network", 2, 0, "white"),
    "nw": ("network, no\ngradient", 2, 1, "white"),
    "ns": ("network", 2, 2, "white"),
    "q": ("pseudo-label\nand mask", 3, 1, "orange"),
}

# %% tags=["hide-input", "figure:04_fixmatch"]
# @title One step of FixMatch
boxes |= {
    "hx": ("labelled\nloss", 3, 0, "sky"),
    "hu": ("unlabelled\nloss", 3, 2, "sky"),
    "sum": ("sum", 4, 1, "sky"),
}
paths = ["x xw nx hx sum", "u uw nw q hu", "u us ns hu sum"]
plots.flow(boxes, paths, title="One step of FixMatch")

# %% [markdown]
# With $B$ labelled images and $\mu B$ unlabelled ones:
#
# $$L = \frac{1}{B}\sum_b H(y_b, p_b) + \frac{1}{\mu B}\sum_i
# \mathbb{1}[\max q_i \geq \tau]\, H(\arg\max q_i, p_i)$$
#
# $H$ is cross-entropy, $q_i$ the prediction for the weak view, $p_i$ the one
# for the strong view, $\tau$ the threshold (Sohn et al. 2020).
#
# The pseudo-label is the class with the largest score. `logits` has one row
# per image and one column per class. **Before** you run the cell: which class
# does each of these two images get, and on which would you train?


# %%
import torch


def pseudo_labels(logits):
    """Return the class that the network finds most likely, (N,)."""
    return logits.argmax(dim=1)  # dim=1 runs along the classes


two = torch.tensor([[0.1, 4.0, -1.0], [1.0, 0.9, 1.1]])  # (2 images, K = 3)
print("classes:", pseudo_labels(two).tolist())
print(
    "probabilities:", [round(p, 2) for p in two.softmax(1).amax(1).tolist()]
)

# %% [markdown]
# **After**: both get a class, the second one by a hair. So training needs a
# mask as well.
#
# **Exercise 2** (easy, important, 2 minutes). The mask: 1 where the highest
# *probability* is at least the threshold, else 0.


# %%
def confidence_mask(logits, threshold):
    """Return 1 for each confident prediction, else 0: (N,)."""
    ### BEGIN SOLUTION softmax, its largest value, compare with the threshold
    ### STUB probs = ...
    probs = logits.softmax(dim=1)  # (N, K), each row sums to 1
    mask = (probs.max(dim=1).values >= threshold).float()  # (N,)
    ### END SOLUTION
    return mask


# %% [markdown] tags=["hint"]
# I get ones everywhere
#
# Logits are not probabilities: compare `logits.softmax(dim=1)` with the
# threshold.

# %% [markdown] tags=["hint"]
# I get `'>=' not supported between instances of`
#
# In torch, `max(dim=1)` returns two things: `.values` and `.indices`.

# %%
checks.confidence_mask(confidence_mask)

# %% [markdown]
# **Exercise 3** (hard, important, 5 minutes). The whole loss, from these two
# functions and `F.cross_entropy`. Two things to keep in mind:
#
# - with `reduction="none"` you get one loss per image, which the mask can set
#   to 0;
# - the mean runs over **all** unlabelled images, including the masked ones.


# %%
import torch.nn.functional as F


def fixmatch_loss(logits_x, y, logits_u_w, logits_u_s, threshold):
    """Return the loss of one step, a scalar."""
    ### BEGIN SOLUTION the labelled loss plus the masked unlabelled one
    ### STUB loss_x = ...
    ### STUB labels = ...
    ### STUB mask = ...
    ### STUB loss_u = ...
    loss_x = F.cross_entropy(logits_x, y)
    sure_of = logits_u_w.detach()  # no gradient through the target
    labels = pseudo_labels(sure_of)
    mask = confidence_mask(sure_of, threshold)
    each = F.cross_entropy(logits_u_s, labels, reduction="none")  # (N,)
    loss = loss_x + (each * mask).mean()
    ### END SOLUTION
    return loss


# %% [markdown] tags=["hint"]
# I do not know how to begin
#
# Scores are (B, K) and (N, K), `y` is (B,), the loss is one number. Four
# steps: `F.cross_entropy(logits_x, y)`; pseudo-labels and mask, (N,) each,
# of `logits_u_w.detach()`; `F.cross_entropy(logits_u_s, labels,
# reduction="none")`, (N,); the mean of that times the mask. By hand: two
# losses 0.4 and 1.0 with mask 1, 0 have the mean 0.2.

# %% [markdown] tags=["hint"]
# I get `nan` in the first steps
#
# You divide by the number of confident images, and at the start there are
# none. Take the mean over all images: `(each * mask).mean()`.

# %% [markdown] tags=["hint"]
# I get a message that the weak view gets a gradient
#
# The weak view is the teacher. Stop its gradient: `logits_u_w.detach()`.

# %%
checks.fixmatch_loss(fixmatch_loss)

# %% [markdown]
# ### Your loss trains a network
#
# In the library, a method requests views and yields its loss. Yours requests
# a weak and a strong view, like every `FixMatch`, and yields your loss.

# %%
from workshop_lib.methods import FixMatch
from workshop_lib.methods.base import forward_views

THRESHOLD = 0.8


class MyFixMatch(FixMatch):
    def losses(self, model, batch):
        (labelled,), (weak, strong) = batch.labeled, batch.views
        learn, asked = forward_views(model, [labelled, strong], [weak])
        x, u_s, u_w = (out["scene"] for out in (*learn, *asked))
        y = batch.targets["scene"]
        yield "mine", fixmatch_loss(x, y, u_w, u_s, THRESHOLD)


# %% [markdown]
# 60 steps with your loss, and 60 with the library's: from the same weights,
# with the same images in the same order. **Before**: how similar will the two
# lines be?

# %%
from workshop_lib.training.loop import train

few = config.replace(steps=60, eval_every=10, precision="fp32")
methods = {"mine": MyFixMatch(), "library": FixMatch(threshold=THRESHOLD)}
logs = {}
for name, method in methods.items():
    run = train(few, scenes, split, method=method, verbose=False,
                folder=f"runs/own_loss/{name}", resume=False)  # fmt: skip
    logs[name] = run.log

# %%
import numpy as np

assert np.allclose(logs["mine"].loss, logs["library"].loss, rtol=0.01)
gap = (logs["mine"].loss - logs["library"].loss).abs().max()
print(f"largest difference of the loss in 60 steps: {gap:.1g}")
plots.learning_curves(logs, title="60 steps with two losses")

# %% [markdown]
# **After**: the two lines coincide. What you wrote *is* FixMatch.

# %%
quiz.ask("04-mean")

# %% tags=["quiz"]
quiz.answer("04-mean", "...")

# %% [markdown]
# ## The ladder
#
# 9 minutes, about six of them computing time. All models see the same
# labelled images, for the same number of steps. Everything else is in the
# **config**. Here it is, group by group, where it differs from the paper's.
# **Before**: which three rows change the memory of a step?

# %%
from dataclasses import asdict

import pandas as pd

published = preset("home", data=DATA, steps=2**20, threshold=0.95,
                   alignment=False)  # fmt: skip
rows = [
    (group, name, str(value), str(asdict(published)[group][name]))
    for group, settings in asdict(config).items()
    for name, value in settings.items()
    if value != asdict(published)[group][name]
]
pd.DataFrame(rows, columns=["group", "setting", "class", "paper"])

# %% [markdown]
# **After**: `encoder`, `batch_size` and `mu`: a smaller network, and fewer
# images in a step. The rest is for a run of two minutes instead of days. Far
# fewer steps need a lower `threshold` and a faster average (`ema_decay`).
# `print(config)` shows all settings.
#
# First, see what labels alone achieve, with weak and strong augmentation.
# `class_run` shows a progress bar with the time left and a curve that grows.
# A finished run is loaded, and a message tells you.

# %% tags=["slow"] seconds=25
from workshop_lib.course.runs import class_run

runs = {"Supervised, weak": class_run("supervised", scenes, split, config)}

# %% tags=["slow"] seconds=25
runs["Supervised, strong"] = class_run(
    "supervised_strong", scenes, split, config
)

# %% [markdown]
# ### What passes a threshold?
#
# Here is a network trained on labels alone. Let it classify the unlabelled
# images. Which of its predictions would you trust enough to train on?
#
# Move the slider. **Before**: at which threshold is a larger fraction of the
# pseudo-labels correct, at 0.5 or at 0.95? Without a live kernel you see the
# figure at 0.95.

# %%
from workshop_lib.course import widgets
from workshop_lib.evaluation.inference import predict_run

pool = split.unlabeled
probs = predict_run(runs["Supervised, strong"], scenes, pool)  # (n, K)
widgets.threshold_slider(probs, scenes.labels[pool])

# %% [markdown]
# **After**: the blue line falls, the orange one rises. The orange line ends
# where fewer than 20 images are left, because a fraction of so few means
# nothing. A high threshold lets through few labels, but good ones; a low one
# lets through many, but worse ones. No threshold gives you both. (With the
# preset `ci`, after 60 steps, the network is confident about almost nothing.)

# %% tags=["figure:04_threshold"]
widgets.threshold_picture(probs, scenes.labels[pool], 0.8)

# %%
quiz.ask("04-threshold")

# %% tags=["quiz"]
quiz.answer("04-threshold", "...")

# %% [markdown]
# ### FixMatch, to the end
#
# Three lines grow in the next figure: the fraction of unlabelled images used,
# the fraction of their pseudo-labels that are correct, and the accuracy on
# validation images. Only the plot uses the true labels for the second line;
# the method never sees them.
#
# The threshold here is 0.8, and *distribution alignment* is on: pseudo-labels
# are adjusted so that no class takes over. The paper uses 0.95 and no
# alignment, for 500 times as many steps. You will see below why our settings
# differ.

# %% tags=["slow"] seconds=80
runs["FixMatch"] = class_run("fixmatch", scenes, split, config)

# %%
quiz.ask("04-zero")

# %% tags=["quiz"]
quiz.answer("04-zero", "...")

# %% [markdown]
# ### CoMatch and CCSSL
#
# Both add a contrastive loss on *embeddings* to FixMatch: vectors of images
# that belong together are pulled together, others are pushed apart.
#
# - **CoMatch** builds a graph: images whose predictions agree are
#   neighbours. A memory of earlier images makes pseudo-labels smoother.
# - **CCSSL** contrasts classes: images with the same pseudo-label are pulled
#   together, and a less confident label counts less.

# %% tags=["hide-input"]
# @title The boxes of the diagram
boxes = {
    "u": ("unlabelled\nimages", 0, 1, "white"),
    "w": ("weak view", 1, 0, "white"),
    "s": ("strong view", 1, 1, "white"),
    "c": ("contrastive\nview", 1, 2, "white"),
    "nw": ("network, no\ngradient", 2, 0, "white"),
    "ns": ("network", 2, 1, "white"),
    "nc": ("network", 2, 2, "white"),
    "m": ("labels of\nneighbours", 3, 0, "purple"),
    "q": ("pseudo-label\nand mask", 4, 0, "orange"),
    "hu": ("unlabelled\nloss", 5, 0.5, "sky"),
}

# %% tags=["hide-input", "figure:04_comatch"]
# @title What CoMatch adds
boxes |= {
    "S": ("graph S:\nsimilar?", 3, 2, "purple"),
    "W": ("graph W:\nsame label?", 4, 1.3, "purple"),
    "h": ("contrastive\nloss", 5, 2, "purple"),
}
paths = ["u w nw m q hu", "u s ns hu", "u c nc S h", "ns S", "q W h"]
plots.flow(boxes, paths, title="What CoMatch adds to FixMatch (purple)")

# %% tags=["slow"] seconds=120
runs["CoMatch"] = class_run("comatch", scenes, split, config)

# %% tags=["slow"] seconds=120
runs["CCSSL"] = class_run("ccssl", scenes, split, config)

# %% [markdown]
# ### The figure to remember
#
# Now we use the test images, once, for all five. **Before**: between which
# two bars is the largest gain?

# %%
from workshop_lib.evaluation.scoring import evaluate

accuracy = {name: evaluate(run, scenes, split).scores.accuracy
            for name, run in runs.items()}  # fmt: skip
worth = ["", "what strong augmentation added",
         "what FixMatch added",
         "with a graph of embeddings",
         "with a contrast of classes"]  # fmt: skip
note = f"{len(split.labeled)} labels"
bars = [plots.Bar(name, value, note, text) for (name, value), text
         in zip(accuracy.items(), worth, strict=True)]  # fmt: skip
plots.baselines(bars, title=f"One split, {config.optim.steps:,} steps each",
               chance=1 / scenes.num_classes)  # fmt: skip

# %%
for name, run in runs.items():
    print(f"{name:20s}{accuracy[name]:6.1%}  {run.facts['seconds']:4.0f} s"
          f"  {run.folder.as_posix()}")  # fmt: skip
assert all(len(split.labeled) == r.facts["labels"] for r in runs.values())
if config.optim.steps >= 2000 and DATA == "mini_eo":
    assert accuracy["FixMatch"] > accuracy["Supervised, weak"] + 0.05

# %% [markdown]
# **After**: each gain is measured from the best bar before it. Strong
# augmentation adds the most, FixMatch comes next. CoMatch and CCSSL add
# little here, or nothing. Each bar is one run with one choice of labels: two
# points may be luck, twelve are not. Notebook 05 shows how to tell. (With the
# preset `ci`, after 60 steps, none of this is visible yet.)
#
# Do all of FixMatch's points come from the unlabelled images? A **control**
# answers that: FixMatch whose pool is only the 40 labelled images. On MiniEO
# over five choices of labels (`make bench`), FixMatch gained 16.7 points, and
# the control 4.9. So the unlabelled images brought 11.8.

# %% [markdown]
# ## Reading the log
#
# 5 minutes. Each row is one evaluation on the validation images. `loss` is
# the mean since the previous row; `supervised` is its labelled part,
# `unsupervised` its unlabelled part.

# %%
log = runs["FixMatch"].log
columns = ["step", "supervised", "unsupervised", "mask_rate",
           "pseudo_accuracy", "val_accuracy", "val_accuracy_online",
           "seconds"]  # fmt: skip
assert log["step"].iloc[-1] == config.optim.steps
log[columns].round(2)

# %% [markdown]
# - `supervised` falls to almost 0: a network soon memorises forty images.
#   That says nothing about other images.
# - `mask_rate` rises from 0. At 0 nothing is learnt from unlabelled images;
#   that is normal in the first steps and a fault at the end.
# - `pseudo_accuracy` should stay high while the mask rate rises. If it falls,
#   the network learns its own mistakes.

# %%
plots.learning_curves({name: run.log for name, run in runs.items()})

# %% [markdown]
# ### Diagnose the log
#
# (*More*: can wait.) Five runs that went wrong, each at three steps. Write a
# word for each run into `DIAGNOSIS` before you run that cell: `threshold` (no
# image reaches it), `optimiser` (it holds another model's weights),
# `mistakes` (the network confirms its own), `average` (the EMA is too slow)
# or `memorised` (a supervised run overfits its labels).

# %% tags=["hide-input"]
# @title Five logs
planted = {  # supervised loss, mask rate, pseudo-labels right, EMA, online
    "average": [(1.4, 0.5, 0.1), (0.1, 0.3, 0.5), (0.7, 0.8, 0.9),
                (0.1, 0.1, 0.2), (0.4, 0.6, 0.8)],
    "mistakes": [(1.4, 0.3, 0.0), (0.2, 0.7, 0.9), (0.8, 0.6, 0.5),
                 (0.4, 0.5, 0.4), (0.4, 0.5, 0.4)],
    "memorised": [(1.5, 0.1, 0.0), (np.nan,) * 3, (np.nan,) * 3,
                  (0.4, 0.5, 0.5), (0.4, 0.5, 0.5)],
    "optimiser": [(2.3, 2.3, 2.3), (0.0,) * 3, (np.nan,) * 3,
                  (0.1, 0.1, 0.1), (0.1, 0.1, 0.1)],
    "threshold": [(1.6, 0.6, 0.1), (0.0,) * 3, (np.nan,) * 3,
                  (0.3, 0.4, 0.5), (0.3, 0.4, 0.5)],
}  # fmt: skip

# %%
columns = ["supervised", "mask_rate", "pseudo_accuracy", "val_accuracy",
           "val_accuracy_online"]  # fmt: skip
logs = pd.concat({
    letter: pd.DataFrame(dict(zip(columns, planted[cause], strict=True)),
                         index=pd.Index([200, 600, 1000], name="step"))
    for letter, cause in zip("ABCDE", planted, strict=True)
})  # fmt: skip
logs

# %%
DIAGNOSIS = {"A": "...", "B": "...", "C": "...", "D": "...", "E": "..."}
for (letter, yours), cause in zip(DIAGNOSIS.items(), planted, strict=True):
    print(f"{letter}: you wrote {yours!r}; it is {cause!r}")

# %% [markdown]
# **After**: D first. A loss that stays at ln 10 means that nothing is learnt
# at all. In E the labelled loss falls, but the mask rate is 0 to the end. In
# B the mask rate rises and `pseudo_accuracy` falls: few of the labels in use
# are right. In A the online weights are good, the average is not. C has no
# mask rate, so it is supervised: the loss is 0, and validation stands still.
#
# Logs of other programs hold the same quantities under other names. A line
# such as `Test Iter: 20/20. Loss: 1.05. top1: 68.40. top5: 96.90.` gives
# top-1 accuracy (the most likely class is right) and top-5 (the right class
# is among the five most likely), in per cent.

# %% [markdown]
# ### Averaged versus online weights
#
# The optimiser updates the **online** weights, and they fluctuate. Training
# also keeps a slowly moving average of them, the **EMA**: `average = 0.99 *
# average + 0.01 * weights`. All results in this workshop use the average.
# Which line is smoother?

# %%
online = log.assign(val_accuracy=log["val_accuracy_online"])
plots.learning_curves({"averaged (EMA)": log, "online": online},
                        title="FixMatch: two sets of weights")  # fmt: skip

# %%
quiz.ask("04-ema")

# %% tags=["quiz"]
quiz.answer("04-ema", "...")

# %% [markdown]
# ### Best and last
#
# `best.pt` holds the weights of the best row **by validation**, `last.pt`
# those of the last step and everything needed to resume. Choosing the best
# row on the test images would be cheating: the test set would become a second
# validation set, and nothing would be left to test on.

# %%
from workshop_lib.training.checkpoint import load_checkpoint

weak = runs["Supervised, weak"]
at = {}
for name in ("best", "last"):
    saved = load_checkpoint(weak.folder / f"{name}.pt", needs=("step",))
    at[name] = saved["step"]
    row = weak.log[weak.log["step"] == at[name]].iloc[0]
    print(f"{name}.pt: step {at[name]}, validation {row.val_accuracy:.3f}")
highest = weak.log["val_accuracy"].max()
best_row = weak.log[weak.log["val_accuracy"] == highest].iloc[-1]
assert at == {"best": best_row["step"], "last": config.optim.steps}

# %% [markdown]
# ### The paper's threshold
#
# The paper trains with 0.95 and without alignment, for a million steps. We
# have 2,000. The next run is optional; with very few steps it is skipped.
# **Before**: will its mask rate be higher or lower?

# %% tags=["slow"] seconds=80
if config.optim.steps >= 2000:
    runs["FixMatch, 0.95"] = class_run(
        "fixmatch_paper", scenes, split, config
    )

# %% tags=["figure:04_two_thresholds"]
both = {name: run.log for name, run in runs.items() if "FixMatch" in name}
plots.learning_curves(both, column="mask_rate",
                        title="Share of unlabelled images used")  # fmt: skip

# %% [markdown]
# **After** (with the optional run): the line for 0.95 starts lower and stays
# lower. In so few steps the network is rarely that confident, and images that
# are not used teach nothing. From the accuracy alone you might conclude
# "FixMatch does not work"; the mask rate shows where to look next.

# %% [markdown]
# ## Stop, and go on
#
# 2 minutes. A session ends, a laptop is closed. Here a run of 60 steps is
# interrupted at step 20, as if by Ctrl-C or the stop button, and then started
# again. For comparison, a second run is never interrupted.

# %%
short = preset(data=DATA, method="supervised", steps=60, eval_every=20,
               precision="fp32")  # fmt: skip


def stop_early(row):
    raise KeyboardInterrupt


# resume=False: replaces whatever an earlier run left in the folder
try:
    train(short, scenes, split, folder="runs/stopped", resume=False,
          on_log=stop_early)  # fmt: skip
except KeyboardInterrupt:
    print("stopped")

# %%
resumed = train(short, scenes, split, folder="runs/stopped")
whole = train(short, scenes, split, folder="runs/whole", resume=False,
              verbose=False)  # fmt: skip

# %%
same = ["step", "loss", "val_accuracy"]
print(resumed.log[same].equals(whole.log[same]))
if device.type == "cpu":
    assert resumed.log[same].equals(whole.log[same])  # to the last bit
plots.learning_curves({"never stopped": whole.log, "resumed": resumed.log},
                        title="The same run twice")  # fmt: skip

# %% [markdown]
# **After**: the two lines coincide. A checkpoint holds more than weights: the
# optimiser's state, the averages, the state of the random generators. If one
# of them were missing, the lines would separate.

# %% [markdown]
# ## Key points
#
# - Memory is arithmetic: numbers kept per image, times images and views,
#   times bytes. Do it before the run.
# - FixMatch: predict confidently on the weak view, then agree on the strong
#   one. Ten lines.
# - The threshold trades the number of pseudo-labels for their quality. Read
#   the mask rate before you judge a method.
# - Compare methods on the same labels and the same number of steps.
# - Choose on validation images; the checkpoint says which weights it holds.
# - A run that you cannot resume is one that you will repeat.
#
# ## What to try next
#
# - `config.replace(threshold=0.5)`: how far does the mask rate rise, and what
#   happens to `pseudo_accuracy`?
# - `config.replace(mu=1)` and `mu=8`: what do more unlabelled images per step
#   add, and what do they cost?
# - `class_run("flexmatch", scenes, split, config)`: a threshold per class.
# - Notebook 05 asks whether these differences are real.

# %% [markdown]
# ## Vocabulary
#
# | from deep learning | what it is |
# |---|---|
# | batch | the images that one step of the training looks at |
# | activations | the outputs of the layers for a batch |
# | logits | the scores of the classes before softmax |
# | softmax | turns scores into probabilities that sum to 1 |
# | cross-entropy | a loss: small if the right class is likely |
# | pseudo-label | the network's own prediction, used as a label |
# | EMA | exponential moving average, here of the weights |
# | checkpoint | a file with the weights of a network |
#
# | from remote sensing | what it is |
# |---|---|
# | scene | one image with one class, as here: 32 x 32 pixels |
# | band | one channel; Sentinel-2 has thirteen, a photograph three |
# | ground truth | what really is on the ground: the label, if known |
#
# Semi-supervised learning (some labels) and self-supervised learning (none)
# are both written SSL. This notebook is about the first.

# %% [markdown]
# ## Sources
#
# - Sohn et al. 2020, *FixMatch: Simplifying Semi-Supervised Learning with
#   Consistency and Confidence*.
#   [arXiv:2001.07685](https://arxiv.org/abs/2001.07685)
# - Li, Xiong and Hoi 2021, *CoMatch: Semi-Supervised Learning with
#   Contrastive Graph Regularization*.
#   [arXiv:2011.11183](https://arxiv.org/abs/2011.11183)
# - Yang et al. 2022, *Class-Aware Contrastive Semi-Supervised Learning*:
#   CCSSL. [arXiv:2203.02261](https://arxiv.org/abs/2203.02261)
# - Berthelot et al. 2019, *ReMixMatch*: distribution alignment.
#   [arXiv:1911.09785](https://arxiv.org/abs/1911.09785)
# - Tarvainen and Valpola 2017, *Mean teachers are better role models*:
#   averaged weights. [arXiv:1703.01780](https://arxiv.org/abs/1703.01780)
# - Zagoruyko and Komodakis 2016, *Wide Residual Networks*: the WRN-28-2.
#   [arXiv:1605.07146](https://arxiv.org/abs/1605.07146)

# %%
from workshop_lib.course import progress

progress.show()
