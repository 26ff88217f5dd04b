# %% [markdown]
# # 01 Introduction: few labels, many images
#
# Images from above are plentiful; labels are not. This workshop teaches a
# network to learn from both.
#
# **After this notebook you can**
#
# - tell supervised, unsupervised, semi-supervised and self-supervised
#   learning apart, two of which are written SSL;
# - say whether a task is about pixels, objects or whole scenes;
# - measure the baseline, a plain guess, and compare every result with it;
# - say what a loss, a gradient, a step and overfitting are;
# - read from a curve what 2,400 images without labels gained;
# - slide a filter over an image by hand, and read feature maps;
# - name the five families of deep semi-supervised learning.
#
# **You need** a little Python: functions and loops. No deep learning and no
# remote sensing: [Words](#Words), at the end, explains both vocabularies.
#
# **Time**: 19 minutes. Two training runs take two minutes of it, on two
# cores; you can read on while they run.
#
# | section | minutes |
# |---|---|
# | Three polls | 1 |
# | Your machine | 1 |
# | What learns from what | 2 |
# | Pixels, objects, scenes | 1 |
# | The baseline: how good is guessing? | 2 |
# | What training is | 4 |
# | What unlabelled images can add | 3 |
# | What a CNN computes | 4 |
# | Five families | 1 |

# %% [markdown]
# ## Three polls
#
# 1 minute. Show of hands, or a letter in the chat. No answer is wrong.
#
# 1. You have worked with: (a) images from satellites or aircraft, (b) neural
#    networks, (c) both, (d) neither.
# 2. What is in short supply in your work: (a) images, (b) labels, (c) time to
#    label what you have, (d) computing power.
# 3. A network is trained on 40 labelled images, four of each of ten classes.
#    What percentage of 1,000 new images does it classify correctly? And with
#    2,400 additional images that have no label?
#
# Write your answer to poll 3 here. We will come back to it.

# %%
guess_without = 50  # per cent correct, from 40 labelled images
guess_with = 60  # per cent correct, with 2,400 unlabelled images too

assert 0 <= guess_without <= 100 and 0 <= guess_with <= 100

# %% [markdown] tags=["instructor"]
# Write the guesses for poll 3 where everyone can see them, and come back to
# them when the bars appear.

# %% [markdown]
# ## Your machine
#
# 1 minute. The set-up cell above says what machine this is. Will this
# workshop's training runs fit in its memory? And in that of the **T4**, the
# GPU that Colab offers free of charge, with 15 GB? You can predict memory use
# without training: the tensor shapes are enough. For comparison, here is the
# setup of an earlier workshop: a larger network and images of 224 x 224
# pixels, 8 labelled and 56 unlabelled in each step.

# %%
from workshop_lib.presets import preset

config = preset()
large = preset("home", size=224, batch_size=8)
plans = {
    "this workshop": (config, "fp32"),
    "224 px, 32-bit numbers": (large, "fp32"),
    "224 px, 16-bit numbers": (large, "fp16"),
}

# %%
from workshop_lib.training.memory import estimate_memory

ten = {"scene": {"kind": "categorical", "num_classes": 10}}
facts = {"sensors": {"s2": 4}, "metadata": 0, "heads": ten}
for what, (c, precision) in plans.items():
    need = estimate_memory(
        c, facts, image_bytes=16 * c.data.size**2, precision=precision
    ).total
    print(f"{what:24}{need / 1e9:5.1f} GB, fits a T4: {need < 15e9}")

# %% [markdown]
# Look at the first row: our runs fit anywhere, because images and network are
# small. The larger rows need a GPU such as the T4. Notebook 04 shows where
# the memory goes, and what 16-bit numbers cost.
#
# Now compare that with the memory that is free here.

# %%
free, total = session.memory(device)
print(f"{device.type}: {free:.1f} of {total:.1f} GiB free")
assert free > 1, "close other notebooks: training needs about 1 GiB"

# %% [markdown]
# ## What learns from what
#
# 2 minutes.
#
# | learning | learns from | result |
# |---|---|---|
# | **supervised** | images, each with a label | a classifier |
# | **unsupervised** | images only | groups without names |
# | **semi-supervised** | few labels, many images | a classifier |
# | **self-supervised** | images only | features, for a later task |
#
# **Careful: the last two are both written SSL.** Semi-supervised learning
# needs some labels *during training*, and its result is a classifier.
# Self-supervised learning makes up a task from the images alone ("are these
# two crops from the same image?"), and its result is a network that still has
# to be taught your classes. We always spell the words out.

# %% tags=["quiz"]
from workshop_lib.course import quiz

quiz.ask("01-two-ssl")

# %% tags=["quiz"]
quiz.answer("01-two-ssl", "...")  # replace the dots with a letter

# %% [markdown]
# ## Pixels, objects, scenes
#
# 1 minute. Ten classes of scene, 32 x 32 pixels of 20 m, as a Sentinel-2
# satellite might see them (its own finest pixels have 10 m). A program
# generates them, so there is nothing to download and the true class of every
# pixel is known. Read the class names on the left, then try to tell Pasture
# from AnnualCrop without them.

# %%
from workshop_lib import plots
from workshop_lib.data.load import load_dataset

scenes = load_dataset()
names = scenes.class_names
plots.class_samples(scenes)

# %% [markdown] tags=["instructor"]
# Let people name the classes aloud before they read the names on the left.

# %% [markdown]
# You can ask three questions about one image. Compare the answers: one label,
# a few boxes, 1,024 pixel labels. Which would you rather pay for?

# %% tags=["figure:01_levels"]
halls = (scenes.labels == names.index("Industrial")).nonzero().flatten()
plots.task_levels(scenes, int(halls[3]), object_cover="building")

# %% [markdown]
# Units 01 to 07 work at **scene level**: one class per image. Unit 08 works
# at pixel level.

# %% tags=["quiz"]
quiz.ask("01-levels")

# %% tags=["quiz"]
quiz.answer("01-levels", "...")

# %% [markdown]
# ## The baseline: how good is guessing?
#
# 2 minutes, with an exercise. `labels` is a **tensor**, torch's array of
# numbers; here it holds the class number of each image. Its methods count and
# compare: `.bincount()` counts how often 0, 1, 2, ... occur, `.max()` returns
# the largest value and `.argmax()` its position, `.item()` turns a single
# value into a plain Python number, and `len(labels)` is the number of images.
#
# **Exercise 1** (easy, important, 2 minutes). A lazy model always predicts
# the most frequent class and never looks at an image. What fraction of the
# images does it get right?


# %%
def majority_accuracy(labels):
    """Return the fraction of the most frequent label, between 0 and 1."""
    ### BEGIN SOLUTION count each label, and divide the largest count by all
    ### STUB counts = ...
    counts = labels.bincount()
    share = counts.max().item() / len(labels)
    ### END SOLUTION
    return share


# %% [markdown] tags=["hint"]
# I get `AttributeError: 'Tensor' object has no attribute 'value_counts'`
#
# `labels` is a torch tensor, not a pandas table: count with
# `labels.bincount()`, which gives one number per class.

# %% [markdown] tags=["hint"]
# I get a class number instead of a fraction
#
# `argmax` says which class is the most frequent, `max` how often it occurs.

# %%
from workshop_lib.course import checks

checks.majority_accuracy(majority_accuracy)

# %% [markdown]
# Expected: the check passes, and the next cell prints 10 %, because the ten
# classes are equally frequent here. On your own data it may print 70 %, and
# then a network that reaches 75 % has learnt little.

# %%
chance = majority_accuracy(scenes.labels)
print(f"guessing on these {len(scenes):,} scenes: {chance:.0%} correct")

# %% tags=["quiz"]
quiz.ask("01-baseline")

# %% tags=["quiz"]
quiz.answer("01-baseline", "...")

# %% [markdown]
# ## What training is
#
# 4 minutes. A network is a function with many numbers in it, the **weights**.
# Training changes them, by four moves that are repeated again and again:
#
# 1. **Forward**: the network turns images into scores, one per class.
# 2. **Loss**: one number says how wrong the scores are. For classes it is the
#    *cross-entropy*, which is 0 if the true class gets all the probability.
#    Guessing among ten classes gives ln 10, about 2.3.
# 3. **Backward**: for each weight, the **gradient** says how the loss changes
#    if the weight changes. Computing it is called *backpropagation*.
# 4. **Step**: the **optimiser** moves every weight a little in the direction
#    that makes the loss smaller. How far is set by the **learning rate**.
#
# One pass over all training images is an **epoch**. We take all 40 labelled
# images at once, so here each step is an epoch. Another 200 images, for
# validation, are never learnt from. We only measure the loss on them.

# %%
from workshop_lib.data.load import make_split

split = make_split(scenes, config.data)
held_back = split.val[:200]
mean = scenes.images[split.labeled].mean((0, 2, 3), keepdim=True)
spread = scenes.images[split.labeled].std((0, 2, 3), keepdim=True)
x = (scenes.images[split.labeled] - mean) / spread  # (40, 4, 32, 32)
y = scenes.labels[split.labeled]  # (40,)
x_val = (scenes.images[held_back] - mean) / spread  # (200, 4, 32, 32)
y_val = scenes.labels[held_back]  # (200,)
assert len(x) == len(y) == 40 and len(x_val) == len(y_val)

# %% [markdown]
# A small network: two layers of filters and one that turns their results into
# ten scores. What `Conv2d`, `ReLU` and `MaxPool2d` do is explained further
# down, in "What a CNN computes".

# %%
import torch
import torch.nn.functional as F
from torch import nn


def small_network():
    return nn.Sequential(
        nn.Conv2d(x.shape[1], 16, 3, padding=1), nn.ReLU(),
        nn.MaxPool2d(2),  # 32 x 32 -> 16 x 16
        nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(),
        nn.MaxPool2d(2),  # 16 x 16 -> 8 x 8
        nn.Flatten(), nn.Linear(32 * 8 * 8, len(names)),
    )  # fmt: skip


# %% [markdown]
# And here is the loop. Find the four moves.


# %%
def fit(rate, steps=30):
    torch.manual_seed(0)  # the same first weights every time
    network, losses = small_network(), []
    optimiser = torch.optim.Adam(network.parameters(), lr=rate)
    for _ in range(steps):
        loss = F.cross_entropy(network(x), y)
        with torch.no_grad():  # only measured
            val_loss = F.cross_entropy(network(x_val), y_val)
        losses.append((loss.item(), val_loss.item()))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return zip(*losses, strict=True)  # training, validation


# %% [markdown]
# **Before** you run it: both losses start at about 2.3, the loss of a guess.
# Where will each of them be after 30 steps?

# %%
train_loss, val_loss = fit(rate=0.002)
steps = range(len(train_loss))
plots.lines(
    {"training": (steps, train_loss), "validation": (steps, val_loss)},
    title="The loss on images learnt from, and on others",
    x_label="step", y_label="loss (cross-entropy)",
)  # fmt: skip

# %% [markdown]
# **After**: the two curves part. The training loss falls to almost 0: the
# network has memorised 40 images. The validation loss falls for a few steps
# and then climbs above the loss of a guess. That is **overfitting**, and it
# is the problem of this workshop: few labels are quickly memorised. The
# remedies are changing the images (notebook 03), stopping at the best
# validation result (05), and learning from unlabelled images (04).
#
# **The learning rate.** The same loop with three rates, the second 20 times
# and the third 5,000 times the first. **Before**: which one fits the 40
# images best?

# %%
rates = {}
for rate in (0.0001, 0.002, 0.5):
    loss, _ = fit(rate)
    rates[f"learning rate {rate}"] = (steps, loss)
plots.lines(
    rates, title="Too small, about right, too large",
    x_label="step", y_label="training loss", y_limits=(0, 6),
)  # fmt: skip

# %%
slow, good, wild = (loss for _, loss in rates.values())
print(f"after 30 steps: {slow[-1]:.2f}, {good[-1]:.2f}, {wild[-1]:.2f};"
      f" the largest of all: {max(wild):,.0f}")  # fmt: skip
assert good[-1] < slow[-1] < 2.3 and max(wild) > 10
assert train_loss[-1] < 0.2 and val_loss[-1] > 2.3 > min(val_loss)

# %% [markdown]
# **After**: 0.0001 moves in the right direction, but slowly. 0.5 overshoots:
# the loss leaves the figure, and what comes back is no better than a guess.
# If a loss of yours jumps or turns into `nan`, try a tenth of the rate first.

# %% [markdown]
# ## What unlabelled images can add
#
# 3 minutes, mostly computing time. This is the split in full: a few images to
# learn from with their label, many to learn from without it, and two parts
# for measuring. All of notebook 02 is about this.

# %% tags=["figure:01_split"]
print(split)
plots.split_bars(scenes, split)

# %% [markdown]
# Now two training runs, with the **same 40 labels** and the same number of
# steps. Both use the loop above, with a larger network and random changes to
# the images, which make memorising harder.
#
# - **Supervised** sees the 40 labelled images, randomly altered each time.
# - **FixMatch** sees these too, and the 2,400 images without labels. When it
#   is confident about an image, it treats its own prediction as the label and
#   learns to predict the same for an altered copy.
#
# Both draw a curve while they run. If a run has already finished, in this or
# another notebook, it is loaded and a message tells you.

# %% tags=["slow"] seconds=25
from workshop_lib.course.runs import class_run

supervised = class_run("supervised_strong", scenes, split)

# %% tags=["slow"] seconds=80
fixmatch = class_run("fixmatch", scenes, split)

# %% [markdown]
# Read on while it trains: "What a CNN computes", below, needs the trained
# network only at the end.
#
# Then both in one figure. Before you look: at which step do the curves
# separate? The accuracy here is measured on validation images, which neither
# run learns from.

# %% tags=["figure:01_curves"]
labels = len(split.labeled)
plots.learning_curves(
    {"supervised": supervised.log, "FixMatch": fixmatch.log},
    title=f"{labels} labels, with and without unlabelled images",
)

# %% [markdown]
# The lower line flattens: that is all the network can learn from 40 images.
# The other one keeps rising. FixMatch's own curve, further up, shows why: it
# is confident about more and more images, and mostly right about them. (With
# the preset `ci`, which stops after 60 steps, none of this is visible yet.)
#
# Now the test images, kept for the end. The dotted line is the baseline from
# exercise 1.

# %% tags=["figure:01_bars"]
from workshop_lib.evaluation.scoring import evaluate

reached = {
    "supervised": evaluate(supervised, scenes, split).scores.accuracy,
    "FixMatch": evaluate(fixmatch, scenes, split).scores.accuracy,
}
worth = ("", f"gained with {len(split.unlabeled):,} unlabelled images")
bars = [
    plots.Bar(name, reached[name], f"{labels} labels", w)
    for name, w in zip(reached, worth, strict=True)
]
plots.baselines(bars, title="The same labels, twice", chance=chance)

# %% [markdown]
# And your poll?

# %%
for name, guess in (("supervised", guess_without), ("FixMatch", guess_with)):
    off = 100 * reached[name] - guess
    print(f"{name}: guessed {guess} %, off by {off:+.0f} points")
steps = fixmatch.config.optim.steps
print(f"{steps:,} steps, runs {supervised.folder.as_posix()}")
print(f"and {fixmatch.folder.as_posix()}")
if config.optim.steps >= 2000:  # the preset `ci` stops long before
    assert reached["FixMatch"] > reached["supervised"] > chance

# %% [markdown]
# This is **one** random choice of 40 labelled images. Another choice gives
# other numbers; over five of them FixMatch gained about 17 points (`make
# bench`), of which about 5 come from the method itself and not from the
# unlabelled images. And these images are generated: on real ones, trained
# from scratch for as few steps, FixMatch gained 3 to 4 points on EuroSAT and
# lost 7 on UC Merced. Notebook 05 shows what helps there.

# %% [markdown]
# ## What a CNN computes
#
# 4 minutes. A convolutional network (CNN) looks at an image through small
# **filters**. Place a 3 x 3 filter over 3 x 3 pixels, multiply element by
# element, add up, and store the sum. Then move the filter by one pixel.
#
# $$ r_{ij} = \sum_{a=0}^{2} \sum_{b=0}^{2} k_{ab} \, x_{i+a,\,j+b} $$
#
# **Exercise 2** (medium, important, 3 minutes). Slide a filter over an image
# by hand, with two loops. Skip positions where the filter would overlap the
# border: the result is two rows and two columns smaller.


# %%
def convolve(image, kernel):
    """Slide a (3, 3) kernel over an (H, W) image: (H - 2, W - 2) sums."""
    H, W = image.shape
    result = torch.zeros(H - 2, W - 2)
    ### BEGIN SOLUTION for each place: multiply 3 x 3 pixels by kernel, sum
    for i in range(H - 2):
        for j in range(W - 2):
            result[i, j] = (image[i : i + 3, j : j + 3] * kernel).sum()
    ### END SOLUTION
    return result


# %% [markdown] tags=["hint"]
# I do not know how to begin
#
# In: an image (H, W) and a filter (3, 3). Out: (H - 2, W - 2). Two loops,
# over rows `i` and columns `j` of the result; in them `image[i : i + 3, j :
# j + 3]` is the window, (3, 3). By hand, for an image of ones and a filter
# of ones: each sum is 9.

# %% [markdown] tags=["hint"]
# I get `RuntimeError: The size of tensor a (2) must match`
#
# One of your windows has only two rows or columns. Two possible reasons:
#
# - it is too small: `image[i : i + 2, ...]` holds two rows, because Python
#   excludes the end. Three rows are `image[i : i + 3, ...]`;
# - it runs over the border: `range(H)` continues where fewer than three rows
#   are left. `range(H - 2)` stops in time, as does `range(W - 2)` for
#   columns.

# %% [markdown] tags=["hint"]
# I get a result full of zeros
#
# Do you store the sum, `result[i, j] = ...`, and is that line inside both
# loops?

# %%
checks.convolve(convolve)

# %% [markdown]
# What does a filter detect? This one subtracts the pixels on the left from
# those on the right. Where both are equal the result is 0, shown in white.
# Look for vertical edges: purple where the image gets brighter from left to
# right, orange where it gets darker.

# %%
infrared = scenes.images[halls[3], scenes.bands.index("B08")]  # (H, W)
upright = torch.tensor([[-1.0, 0.0, 1.0]] * 3)
shown = {
    "near infrared": infrared.numpy(),
    "vertical edges": upright.numpy(),
    "result": convolve(infrared, upright).numpy(),
    "filter, turned": upright.T.numpy(),
    "its result": convolve(infrared, upright.T).numpy(),
}
plots.panels(shown, title="A filter slid over one band", numbers=True)

# %% [markdown]
# In a network these nine numbers are not set by hand. They start out random,
# and training finds them, for thousands of filters at once. The output, one
# value per position, is a **feature map**, and the next layer slides its
# filters over the maps of this one. In between, **ReLU** sets negative values
# to 0 (ours, a leaky one, divides them by ten): without it, two layers of
# filters could do no more than one.
#
# Maps also shrink on the way, here from 16 x 16 to 8 x 8 to 4 x 4. Either the
# filter moves by two pixels at a time (a **stride** of 2, as in our network),
# or **pooling** keeps one value of each 2 x 2, the largest or the mean. So a
# position of a deeper map depends on more of the image. That part of the
# image is its **receptive field**: 3 x 3 pixels after our first layer, 15 x
# 15 after the third, the whole image after the sixth.
#
# Here are maps of the network that FixMatch trained: six each of the first,
# third and sixth layer.

# %%
model, normalize = fixmatch.load_model()
out = normalize({"s2": scenes.images[halls[3]][None]})["s2"]  # (1, C, H, W)
layers = [one for stage in model.encoder.backbone.stages for one in stage]
maps = {}
with torch.no_grad():
    for number, layer in enumerate(layers):
        out = layer(out)
        if number in (2, 8, 17):  # after the 1st, 3rd and 6th convolution
            for channel in range(6):
                name = f"layer {number // 3 + 1}, map {channel + 1}"
                maps[name] = out[0, channel].numpy()
weights = [p for p in model.encoder.parameters() if p.ndim == 4]
print(f"{sum(p.numel() // 9 for p in weights):,} filters of 3 x 3 numbers")
plots.panels(maps, title="Feature maps of the FixMatch network")

# %% [markdown]
# Look at the sizes below the maps. The first layer still shows the halls,
# bright or dark or by their edges. The last one has 4 x 4 positions: it no
# longer shows *where*, but *what*. The mean of each of its 96 maps is one
# number (pooling once more), and a last layer turns these 96 numbers into ten
# scores. Here is the result for six test images: the class with the highest
# score, and the confidence.

# %%
from workshop_lib.evaluation.inference import predict_run

some = split.test[:6]
probs = predict_run(fixmatch, scenes, some)  # (6, K)
assert torch.allclose(probs.sum(1), torch.ones(len(some)), atol=1e-4)
plots.gallery(scenes, some, probs)

# %% tags=["quiz"]
quiz.ask("01-filter")

# %% tags=["quiz"]
quiz.answer("01-filter", "...")

# %% [markdown]
# ## Five families
#
# 1 minute. How can a network learn anything from an image without a label?
# Here are five ideas, and the methods of this library that use them.
#
# | family | the idea | examples |
# |---|---|---|
# | generative | learn what images look like | autoencoders; none here |
# | consistency | two altered copies, one prediction | Mean Teacher, UDA |
# | pseudo-label | a confident prediction is a label | Pseudo-Label |
# | graph-based | similar images share labels | label propagation |
# | hybrid | several of these at once | FixMatch, CoMatch, CCSSL |
#
# The next cell sorts all methods that you can train here. Label propagation
# is not a training method of its own but a warm start for one (the setting
# `propagation_steps`).

# %%
from workshop_lib.methods import METHODS

families = {
    "no unlabelled images": ["supervised"],
    "consistency": ["mean_teacher", "uda"],
    "pseudo-label": ["pseudo_label"],
    "pseudo-label + consistency": ["fixmatch", "flexmatch", "adamatch",
                                   "freematch", "softmatch", "defixmatch"],
    "and graph or contrast": ["comatch", "ccssl", "ccssl_comatch"],
    "told place and date (11)": ["spatiotemporal"],
    "no labels at all (10)": ["simclr"],
}  # fmt: skip
assert sorted(sum(families.values(), [])) == sorted(METHODS)
for family, methods in families.items():
    print(f"{family:28}{', '.join(methods)}")

# %% tags=["quiz"]
quiz.ask("01-taxonomy")

# %% tags=["quiz"]
quiz.answer("01-taxonomy", "...")

# %% [markdown]
# ## Key points
#
# - Semi-supervised learning uses few labels *and* many images, together.
#   Self-supervised learning uses no label; both are written SSL.
# - What a label costs depends on the task: scene, object or pixel.
# - A result means nothing without the baseline next to it.
# - Training repeats four moves: forward, loss, gradients, step.
# - With the same labels and the same number of steps, the gap between the two
#   curves is what FixMatch gained. It is a single run: notebook 05 asks
#   whether the gain is real.
# - A CNN slides learnt filters over the image; deeper maps are smaller, and
#   each position depends on more of the image.
#
# ## What to try next
#
# - Slide a filter whose nine numbers are all 1/9. What does it do to the
#   image, and to the speckle of a radar image?
# - Choose another scene instead of `halls[3]`, and find a feature map that
#   responds to water.
# - Call `fit` with 200 steps, or with a learning rate of 0.01.
# - Train a third method, `class_run("pseudo_label", scenes, split)`, and add
#   its log to the curves.
# - Notebook 02 looks at the data, and at six ways to fool yourself with them.

# %% [markdown]
# ## Words
#
# New to **remote sensing**?
#
# - **Band**: one channel of an image, the light of one range of wavelengths.
#   B02, B03 and B04 are blue, green and red; B08 is near infrared, which is
#   invisible to the eye and which plants reflect strongly.
# - **Reflectance**: the fraction of the light that the ground reflects, 0 to
#   1 (a bright slope can exceed 1).
# - **Scene, patch**: a small image cut from a large one; here 640 m wide.
# - **Land cover**: what is on the ground at a pixel: trees, water, ...
# - **Sentinel-1, Sentinel-2**: satellites of the Copernicus programme; radar,
#   and thirteen bands of light.
# - **Speckle**: the grain of radar images.
#
# New to **deep learning**?
#
# - **Tensor**: torch's array of numbers, of one dimension or more.
# - **Network, model**: a function with many numbers in it, the **weights**.
# - **Training**: changing the weights, step by step, so that predictions
#   improve.
# - **Step, batch**: one such change, and the images it is computed from.
# - **Epoch**: one pass over all training images.
# - **Loss**: one number for how wrong the predictions are; training makes it
#   smaller.
# - **Gradient**: how the loss changes when a weight changes, for each weight.
# - **Optimiser, learning rate**: the rule for the step, and how large it is.
# - **Overfitting**: predictions improve on the training images only.
# - **Filter, feature map**: 3 x 3 weights, and their result at every
#   position.
# - **ReLU**: sets negative values to 0.
# - **Pooling**: replaces 2 x 2 values by their largest or their mean.
# - **Receptive field**: the part of the image that a value depends on.
# - **CNN**: convolutional neural network; filters, layer upon layer.
# - **Augmentation**: altering an image at random in a way that keeps its
#   class.
# - **Pseudo-label**: the network's own prediction, used as a label.
# - **Validation, test**: images held back, to make choices and to report
#   results.

# %% [markdown]
# ## Sources
#
# - Yang, Song, King and Xu 2021, *A Survey on Deep Semi-supervised Learning*:
#   the five families. [arXiv:2103.00550](https://arxiv.org/abs/2103.00550)
# - Sohn et al. 2020, *FixMatch: Simplifying Semi-Supervised Learning with
#   Consistency and Confidence*.
#   [arXiv:2001.07685](https://arxiv.org/abs/2001.07685)
# - LeCun, Bengio and Hinton 2015, *Deep learning*.
#   [doi:10.1038/nature14539](https://doi.org/10.1038/nature14539)
# - Kingma and Ba 2014, *Adam: A Method for Stochastic Optimization*: the
#   optimiser of the loop. [arXiv:1412.6980](https://arxiv.org/abs/1412.6980)
# - Drusch et al. 2012, *Sentinel-2: ESA's Optical High-Resolution Mission for
#   GMES Operational Services*.
#   [doi:10.1016/j.rse.2011.11.026](https://doi.org/10.1016/j.rse.2011.11.026)

# %%
from workshop_lib.course import progress

progress.show()
