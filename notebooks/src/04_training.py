# %% [markdown]
# # 04 Training: from forty labels to a network
#
# You write FixMatch's loss in ten lines, and then let it train to the end.
# Before that you foresee what does not fit into memory; after that you read
# what the training has written down.
#
# **After this notebook you can**
#
# - predict how much memory a training step takes, and make it take less;
# - write the pseudo-label, the confidence mask and the loss of FixMatch;
# - choose a confidence threshold by looking at what it lets through;
# - train supervised, FixMatch, CoMatch and CCSSL, and compare them fairly;
# - read a training log: loss, mask rate, averaged against online weights;
# - stop a training, go on with it, and get the same numbers.
#
# **You need** notebook 03: the weak and the strong view.
#
# **Time**: 30 minutes. The trainings take about six of them on two cores;
# each is kept, and loaded when you come back.

# %% [markdown]
# ## The words of two audiences
#
# | from deep learning | what it is |
# |---|---|
# | batch | the images that one step of the training looks at |
# | activations | what the layers make of a batch on its way through |
# | logits | the scores of the classes before softmax |
# | softmax | turns scores into probabilities that sum to 1 |
# | cross-entropy | a loss: small if the right class is likely |
# | pseudo-label | the class that the network itself names |
# | EMA | exponential moving average, here of the weights |
# | checkpoint | a file with the weights of a network |
#
# | from remote sensing | what it is |
# |---|---|
# | scene | one image with one class, as here: 32 x 32 pixels |
# | band | one channel; Sentinel-2 has twelve, a photograph three |
# | ground truth | what really is there: the label, if it is known |
#
# Semi-supervised learning (some labels) and self-supervised learning (none)
# are both written SSL. This notebook is about the first.

# %% [markdown]
# ## Will it fit?
#
# 7 minutes, with one exercise. **The data setting** first, as in the
# notebooks before.

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
# with a batch of 8 labelled and 56 unlabelled images, on a graphics card
# with 15 GB. It stopped in the first step: out of memory. That was to be
# foreseen, on paper.
#
# To learn, a network goes forward through its layers and then backward. On
# the way back it needs what the layers made on the way forward, the
# **activations**. All of them have to be kept until then.
#
# - The network is a WRN-28-2. The list below says what it keeps of one
#   image: how many times, how many channels, and how many pixels a side.
# - A step sees each labelled image once. Each unlabelled image it sees
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
# I get about 12 GB
#
# 8 + 56 images are 64. But the 56 unlabelled ones are there twice.

# %% [markdown] tags=["hint"]
# I get `too many values to unpack`
#
# Each entry of `kept` has three numbers: `for maps, channels, side in kept`.

# %% [markdown]
# The library plays the step through with tensors that have a shape and no
# content. So it counts every byte and takes none. Is your prediction within
# a factor of 1.5?

# %%
from workshop_lib.course import checks
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
checks.predict_memory(guess, as_paper.kept, batch_size=8, mu=7)
print(f"{as_paper.images_with_gradient} images are kept for the way back")

# %% [markdown]
# So it could not fit. **What helps?** Guess the order before you look.
#
# - *Weak view without gradient*: nothing is learned from the weak view, it is
#   only asked. Its activations can be thrown away at once.
# - *Half precision*: 2 bytes per number in place of 4, in most layers.
# - *Recompute*: keep only what stands between the layers' groups, and
#   compute the rest once more on the way back.
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
# **After**: the first bar crosses the line, as you had predicted. Leaving
# out the weak view's gradient costs nothing and changes next to nothing. The
# config of this workshop does it (`joint_forward=False`).
#
# For a training of your own ask `budget`. It also times a few steps on this
# machine. Here it looks at the config that you are about to run. On the
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
# 8 minutes, with three exercises. FixMatch asks the network twice about an
# unlabelled image.
#
# 1. The **weak** view: what is it? If the network is sure, its answer
#    becomes a pseudo-label.
# 2. The **strong** view: the network is to give the same answer again.
#
# With $B$ labelled images and $\mu B$ unlabelled ones:
#
# $$L = \frac{1}{B}\sum_b H(y_b, p_b) + \frac{1}{\mu B}\sum_i
# \mathbb{1}[\max q_i \geq \tau]\, H(\arg\max q_i, p_i)$$
#
# $H$ is cross-entropy, $q_i$ the prediction for the weak view, $p_i$ the one
# for the strong view, $\tau$ the threshold (Sohn et al. 2020).
#
# **Exercise 2** (easy, important, 1 minute). The pseudo-label: `logits` has
# one row per image and one column per class, `(N, K)`. Wanted: `(N,)`.


# %%
def pseudo_labels(logits):
    """Return the class that the network finds most likely, (N,)."""
    ### BEGIN SOLUTION the column of the largest score of each row
    labels = logits.argmax(dim=1)
    ### END SOLUTION
    return labels


# %% [markdown] tags=["hint"]
# I get as many labels as there are classes
#
# You have reduced over the images. `dim=1` runs along the classes.

# %%
checks.pseudo_labels(pseudo_labels)

# %% [markdown]
# **Exercise 3** (easy, important, 2 minutes). The mask: 1 where the highest
# *probability* is at least the threshold, else 0.


# %%
def confidence_mask(logits, threshold):
    """Return 1 for each image that the network is sure of, else 0: (N,)."""
    ### BEGIN SOLUTION softmax, its largest value, compare with the threshold
    ### STUB probs = ...
    probs = logits.softmax(dim=1)  # (N, K), each row sums to 1
    mask = (probs.max(dim=1).values >= threshold).float()  # (N,)
    ### END SOLUTION
    return mask


# %% [markdown] tags=["hint"]
# I get ones everywhere
#
# Logits have no scale: compare probabilities with the threshold, not the
# logits. `logits.softmax(dim=1)` makes them.

# %% [markdown] tags=["hint"]
# I get `'>=' not supported between instances of`
#
# `max(dim=1)` of torch gives two things: `.values` and `.indices`.

# %%
checks.confidence_mask(confidence_mask)

# %% [markdown]
# **Exercise 4** (hard, important, 5 minutes). The whole loss, from your two
# functions and `F.cross_entropy`. Two things to think of:
#
# - with `reduction="none"` you get one loss per image, which the mask can
#   switch off;
# - the mean runs over **all** unlabelled images, also the masked ones.


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
    sure_of = logits_u_w.detach()  # a target is not to be learnt
    labels = pseudo_labels(sure_of)
    mask = confidence_mask(sure_of, threshold)
    each = F.cross_entropy(logits_u_s, labels, reduction="none")  # (N,)
    loss = loss_x + (each * mask).mean()
    ### END SOLUTION
    return loss


# %% [markdown] tags=["hint"]
# I get `nan` in the first steps
#
# You divide by the number of sure images, and at the start there is none.
# Take the mean over all of them: `(each * mask).mean()`.

# %% [markdown] tags=["hint"]
# I get a message that the weak view gets a gradient
#
# The weak view is the teacher. Cut it off: `logits_u_w.detach()`.

# %%
checks.fixmatch_loss(fixmatch_loss)

# %% [markdown]
# ### Your loss trains a network
#
# A method of the library asks for views and yields its loss. Yours asks for a
# weak and a strong view, like every `FixMatch`, and yields your loss.

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
# with the same images in the same order. **Before**: how alike will the two
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
# **After**: one line on top of the other. What you wrote *is* FixMatch.

# %%
quiz.ask("04-mean")

# %% tags=["quiz"]
quiz.answer("04-mean", "...")

# %% [markdown]
# ## The ladder
#
# 9 minutes, of which the machine takes about six. All models see the same
# labelled images, for the same number of steps. First what labels alone can
# do, with weak and with strong augmentation.
#
# `class_run` shows a bar with the time left and a curve that grows. A run
# that is finished is loaded: the line says so.

# %% tags=["slow"] seconds=25
from workshop_lib.course.runs import class_run

runs = {"Supervised, weak": class_run("supervised", scenes, split, config)}

# %% tags=["slow"] seconds=25
runs["Supervised, strong"] = class_run(
    "supervised_strong", scenes, split, config
)

# %% [markdown]
# ### What would a threshold let through?
#
# Here is a network that has learnt from labels alone. Let it look at the
# unlabelled images. Which of its answers would you dare to learn from?
#
# Move the slider. **Before**: where do you expect most of the used labels to
# be right, at 0.5 or at 0.95? Without a live kernel you see the picture
# at 0.95.

# %%
from workshop_lib.course import widgets
from workshop_lib.evaluation.inference import predict_run

pool = split.unlabeled
probs = predict_run(runs["Supervised, strong"], scenes, pool)  # (n, K)
widgets.threshold_slider(probs, scenes.labels[pool])

# %% [markdown]
# **After**: the blue line falls, the orange one rises. It ends where fewer
# than 20 images are left: a share of so few says nothing. A high threshold
# takes few labels and good ones; a low one many and worse ones. There is no
# threshold that has both. (After 60 steps, in the preset `ci`, the network
# is sure of next to nothing.)

# %% tags=["figure:04_threshold"]
widgets.threshold_picture(probs, scenes.labels[pool], 0.8)

# %%
quiz.ask("04-threshold")

# %% tags=["quiz"]
quiz.answer("04-threshold", "...")

# %% [markdown]
# ### FixMatch, to the end
#
# Three lines grow in the next picture: how many unlabelled images are used,
# how many of their pseudo-labels are right, and how many validation images.
# The truth of the second line is known to the picture only; the method never
# sees it.
#
# The threshold here is 0.8, and *distribution alignment* is on: pseudo-labels
# are shifted so that no class swallows the others. The paper has 0.95 and no
# alignment, for 500 times as many steps. You will see below why we differ.

# %% tags=["slow"] seconds=80
runs["FixMatch"] = class_run("fixmatch", scenes, split, config)

# %%
quiz.ask("04-zero")

# %% tags=["quiz"]
quiz.answer("04-zero", "...")

# %% [markdown]
# ### CoMatch and CCSSL
#
# Both add a contrast of *embeddings* to FixMatch: vectors of images that
# belong together are pulled together, others pushed apart.
#
# - **CoMatch** builds a graph: images whose predictions agree are
#   neighbours. A memory of earlier images makes pseudo-labels smoother.
# - **CCSSL** contrasts classes: images of one pseudo-label are alike, and
#   the less sure a label, the less it counts.

# %% tags=["slow"] seconds=120
runs["CoMatch"] = class_run("comatch", scenes, split, config)

# %% tags=["slow"] seconds=120
runs["CCSSL"] = class_run("ccssl", scenes, split, config)

# %% [markdown]
# ### The picture to remember
#
# Now the test images are opened, once, for all five. **Before**: where is
# the largest step, between which two bars?

# %%
from workshop_lib.evaluation.scoring import evaluate

accuracy = {name: evaluate(run, scenes, split).scores.accuracy
            for name, run in runs.items()}  # fmt: skip
worth = ["", "what augmentation was worth",
         "what the unlabelled images were worth",
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
# **After**: each gain counts from the best bar before it. Strong augmentation
# is worth the most, the unlabelled images come next. What CoMatch and
# CCSSL add is small here, or nothing. And each bar is one training from one
# draw of the labels. A step of two points may be luck; one of twelve is not.
# How to tell is the subject of notebook 05. (After 60 steps, in the preset
# `ci`, nothing of this can be seen yet.)
#
# Behind the picture stands the config `preset("class")`, or yours, and the
# folders printed above. `make bench` in the repository trains the ladder
# from five draws of the labels.

# %% [markdown]
# ## Reading the log
#
# 4 minutes. Each row is one look at the validation images. `loss` is the
# mean since the row before; `supervised` is its labelled part,
# `unsupervised` its unlabelled part.

# %%
log = runs["FixMatch"].log
columns = ["step", "supervised", "unsupervised", "mask_rate",
           "pseudo_accuracy", "val_accuracy", "val_accuracy_online",
           "seconds"]  # fmt: skip
assert log["step"].iloc[-1] == config.optim.steps
log[columns].round(2)

# %% [markdown]
# Read it from left to right.
#
# - `supervised` falls to nearly nothing: forty images are soon memorised. It
#   says nothing about other images.
# - `mask_rate` rises from 0. At 0 nothing is learnt from unlabelled images;
#   that is right in the first steps and a fault at the end.
# - `pseudo_accuracy` should stay high while the mask rate rises. If it falls,
#   the network learns its own mistakes.

# %%
plots.learning_curves({name: run.log for name, run in runs.items()})

# %% [markdown]
# ### Averaged against online weights
#
# The optimiser moves the **online** weights, and they jitter. The training
# also keeps an average of them that follows slowly, the **EMA**:
# `average = 0.99 * average + 0.01 * weights`. Every figure of this workshop
# is the average's. Which line is calmer?

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
# those of the last step and all that a resumed training needs. To choose the
# best row by the test images would be cheating: the test is then a second
# validation, and nothing is left to test on.

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
# 0.95 without alignment is what the paper trains with, for a million steps.
# We have 2,000. The next training is optional; it is left out where there
# are only a few steps to be had. **Before**: will its mask rate be higher or
# lower?

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
# **After** (with the optional run): the line of 0.95 starts lower and stays
# lower. The network is seldom that sure in so short a time, and what is not
# used cannot teach. From the accuracy alone one would say "FixMatch does
# not work"; the mask rate tells where to look next.

# %% [markdown]
# ## Stop, and go on
#
# 2 minutes. A session ends, a laptop is closed. Here a training of 60 steps
# is interrupted at step 20, as by Ctrl-C or the stop button, and called once
# more. Next to it one that was never interrupted.

# %%
short = preset(data=DATA, method="supervised", steps=60, eval_every=20,
               precision="fp32")  # fmt: skip


def stop_early(row):
    raise KeyboardInterrupt


# resume=False: whatever an earlier try has left in the folder is replaced
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
                        title="The same training twice")  # fmt: skip

# %% [markdown]
# **After**: one line covers the other. A checkpoint holds more than weights:
# the optimiser's memory, the averages, the place in the random numbers. If
# one of them were forgotten, the lines would part.

# %% [markdown]
# ## Key points
#
# - Memory is arithmetic: numbers kept per image, times images and views,
#   times bytes. Do it before the run.
# - FixMatch: be sure on the weak view, then agree on the strong one. Ten
#   lines.
# - The threshold trades the number of pseudo-labels for their quality. Read
#   the mask rate before you judge a method.
# - Compare methods on the same labels and the same number of steps.
# - Choose by validation; the checkpoint says which weights it holds.
# - A training that cannot be resumed is one that you will repeat.
#
# ## What to try next
#
# - `config.replace(threshold=0.5)`: how far does the mask rate rise, and what
#   becomes of `pseudo_accuracy`?
# - `config.replace(mu=1)` and `mu=8`: what do more unlabelled images per step
#   buy, and what do they cost?
# - `class_run("flexmatch", scenes, split, config)`: a threshold per class.
# - Notebook 05 asks whether these differences are real.

# %%
from workshop_lib.course import progress

progress.show()
