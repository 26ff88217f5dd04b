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
# - measure what a guess is worth, and hold every result against it;
# - read off a curve what 2,400 images without labels bought;
# - slide a filter over an image by hand, and read feature maps;
# - name the five families of deep semi-supervised learning.
#
# **You need** a little Python: functions and loops. No deep learning and no
# remote sensing: [Words](#Words), at the end, explains both vocabularies.
#
# **Time**: 15 minutes. Two trainings run meanwhile: two minutes on two cores.
#
# | section | minutes |
# |---|---|
# | Three polls | 1 |
# | Your machine | 1 |
# | What learns from what | 2 |
# | Pixels, objects, scenes | 1 |
# | What a guess is worth | 2 |
# | What unlabelled images can buy | 3 |
# | What a CNN computes | 4 |
# | Five families | 1 |

# %% [markdown]
# ## Three polls
#
# 1 minute. Show of hands, or a letter in the chat. No answer is wrong.
#
# 1. You have worked with: (a) images from satellites or aircraft, (b) neural
#    networks, (c) both, (d) neither.
# 2. In your work, what is missing: (a) images, (b) labels, (c) time to label
#    what is there, (d) a computer.
# 3. A network is trained on 40 labelled images, four of each of ten classes.
#    What per cent of 1,000 new images does it name right? And with 2,400
#    more images that have no label?
#
# Write your answer to poll 3 here. You will meet it again.

# %%
guess_without = 50  # per cent right, from 40 labelled images
guess_with = 60  # per cent right, with 2,400 unlabelled images as well

assert 0 <= guess_without <= 100 and 0 <= guess_with <= 100

# %% [markdown] tags=["instructor"]
# Write the guesses for poll 3 where all can see them, and come back to them
# when the bars are there.

# %% [markdown]
# ## Your machine
#
# 1 minute. The set-up cell above has said what this machine is. Does the
# training of this workshop fit into it? And into the **T4**, the GPU that
# Colab lends for free, with 15 GB of memory? Memory can be foreseen without
# training anything: shapes are enough. Beside ours stands the setting of an
# earlier workshop: a larger network, images of 224 x 224 pixels, 8 of them
# labelled and 56 not in each step.

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
# Look at the first row: our trainings fit anywhere, because images and
# network are small. The T4 is there for the larger rows. Notebook 04 tells
# where the memory goes, and what 16-bit numbers cost.
#
# Now compare with what is free here.

# %%
free, total = session.memory(device)
print(f"{device.type}: {free:.1f} of {total:.1f} GiB free")
assert free > 1, "close other notebooks: a training needs about 1 GiB"

# %% [markdown]
# ## What learns from what
#
# 2 minutes.
#
# | learning is | it sees | it gives |
# |---|---|---|
# | **supervised** | images, a label for each | classes |
# | **unsupervised** | images only | groups without names |
# | **semi-supervised** | few labels, many images | classes |
# | **self-supervised** | images only | features, for a later task |
#
# **Careful: the last two are both written SSL.** Semi-supervised learning
# needs some labels *while it trains*, and its result is a classifier.
# Self-supervised learning invents a task from the images alone ("are these
# two crops of one image?"), and its result is a network that still has to be
# taught your classes. We write the words out.

# %% tags=["quiz"]
from workshop_lib.course import quiz

quiz.ask("01-two-ssl")

# %% tags=["quiz"]
quiz.answer("01-two-ssl", "...")  # a letter in place of the dots

# %% [markdown]
# ## Pixels, objects, scenes
#
# 1 minute. Ten kinds of scene, 32 x 32 pixels of 20 m, as a Sentinel-2
# satellite might see them. They are made by a program, so that nothing has
# to be downloaded and the truth is known of every pixel. Read the class
# names on the left, then try to tell Pasture from AnnualCrop without them.

# %%
from workshop_lib import plots
from workshop_lib.data.load import load_dataset

scenes = load_dataset()
names = scenes.class_names
plots.class_samples(scenes)

# %% [markdown] tags=["instructor"]
# Let people name the classes aloud before they read the words on the left.

# %% [markdown]
# One such image can be asked three questions. Look at the three answers: one
# word, a few boxes, 1,024 covers. Which labels would you rather pay for?

# %% tags=["figure:01_levels"]
halls = (scenes.labels == names.index("Industrial")).nonzero().flatten()
plots.task_levels(scenes, int(halls[3]), object_cover="building")

# %% [markdown]
# Units 01 to 07 work at **scene level**: one class per image. Unit 08 goes
# down to the pixel.

# %% tags=["quiz"]
quiz.ask("01-levels")

# %% tags=["quiz"]
quiz.answer("01-levels", "...")

# %% [markdown]
# ## What a guess is worth
#
# 2 minutes, with an exercise. `labels` is a **tensor**: torch's array of
# numbers, here the number of each image's class. Its methods count and
# compare: `.bincount()` tells how often 0, 1, 2, ... occur, `.max()` is the
# largest value and `.argmax()` its place, `.item()` makes a plain number of
# Python out of one value, and `len(labels)` is how many there are.
#
# **Exercise 1** (easy, important, 2 minutes). A lazy model always answers
# with the most frequent class and never looks at an image. What share of the
# images does it get right?


# %%
def majority_accuracy(labels):
    """Return the share of the most frequent label, between 0 and 1."""
    ### BEGIN SOLUTION count each label, and divide the largest count by all
    ### STUB counts = ...
    counts = labels.bincount()
    share = counts.max().item() / len(labels)
    ### END SOLUTION
    return share


# %% [markdown] tags=["hint"]
# I get `AttributeError: 'Tensor' object has no attribute 'value_counts'`
#
# `labels` is a tensor of torch, not a table of pandas: it counts with
# `labels.bincount()`, which gives one number per class.

# %% [markdown] tags=["hint"]
# I get the number of a class instead of a share
#
# `argmax` says which class is the largest, `max` how large it is.

# %%
from workshop_lib.course import checks

checks.majority_accuracy(majority_accuracy)

# %% [markdown]
# Expected: the check passes, and the next cell prints 10 %, as ten classes
# are equally frequent here. On your own data it may print 70 %, and then a
# network with 75 % has learnt little.

# %%
chance = majority_accuracy(scenes.labels)
print(f"a guess on these {len(scenes):,} scenes: {chance:.0%}")

# %% tags=["quiz"]
quiz.ask("01-baseline")

# %% tags=["quiz"]
quiz.answer("01-baseline", "...")

# %% [markdown]
# ## What unlabelled images can buy
#
# 3 minutes, most of them the machine's. First the images are divided:
# a few for learning with their label, many for learning without it, and two
# parts for measuring. Notebook 02 is about nothing else.

# %% tags=["figure:01_split"]
from workshop_lib.data.load import make_split

split = make_split(scenes, config.data)
print(split)
plots.split_bars(scenes, split)

# %% [markdown]
# Now two trainings, with the **same 40 labels** and the same number of
# steps.
#
# - **Supervised** sees the 40 labelled images, altered at random every time.
# - **FixMatch** sees these too, and the 2,400 images without labels. Where
#   it is sure of such an image it takes its own answer for the truth, and
#   learns to give it again for an altered copy of the image.
#
# Both draw a curve while they run. A training that is finished already, in
# this notebook or another one, is loaded and says so.

# %% tags=["slow"] seconds=25
from workshop_lib.course.runs import class_run

supervised = class_run("supervised_strong", scenes, split)

# %% tags=["slow"] seconds=80
fixmatch = class_run("fixmatch", scenes, split)

# %% [markdown]
# Read on while it trains: "What a CNN computes", below, needs its network
# only at the end.
#
# Then both in one picture. Before you look: at which step do they part? The
# accuracy here is that on validation images, which no training has seen.

# %% tags=["figure:01_curves"]
labels = len(split.labeled)
plots.learning_curves(
    {"supervised": supervised.log, "FixMatch": fixmatch.log},
    title=f"{labels} labels, with and without unlabelled images",
)

# %% [markdown]
# The lower line flattens: 40 images have told what they can. The other one
# goes on rising. FixMatch's own curve, further up, says why: it is sure of
# more and more images, and mostly right about those. (After 60 steps, in the
# preset `ci`, nothing of this can be seen yet.)
#
# Now the images kept for the end, the test. The dotted line is the guess of
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
# This is **one** draw of 40 labels. Another draw gives other numbers; over
# five draws FixMatch gained about 17 points (`make bench`), of which about
# 5 come from the method itself and not from unlabelled images. Notebook 05
# shows how to find out whether a difference is real.

# %% [markdown]
# ## What a CNN computes
#
# 4 minutes. A convolutional network (CNN) looks at an image through small
# **filters**. A filter of 3 x 3 numbers is laid on 3 x 3 pixels, the nine
# products are summed, and the sum is written down. Then it moves on by one
# pixel.
#
# $$ r_{ij} = \sum_{a=0}^{2} \sum_{b=0}^{2} k_{ab} \, x_{i+a,\,j+b} $$
#
# **Exercise 2** (medium, important, 3 minutes). Slide a filter over an image
# by hand, with two loops. Where the filter would stick out it is not laid:
# the result is two rows and two columns smaller.

# %%
import torch


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
# I get `RuntimeError: The size of tensor a (2) must match`
#
# A window of two rows or columns, for one of two reasons:
#
# - it is too small: `image[i : i + 2, ...]` holds two rows, as Python leaves
#   out the end. Three rows are `image[i : i + 3, ...]`;
# - it sticks out at the end: `range(H)` goes on where fewer than three rows
#   are left. `range(H - 2)` stops in time, `range(W - 2)` for the columns.

# %% [markdown] tags=["hint"]
# I get a result full of zeros
#
# Is the sum written to its place, `result[i, j] = ...`, and is that line
# inside both loops?

# %%
checks.convolve(convolve)

# %% [markdown]
# What does a filter find? This one subtracts the pixels on the left from
# those on the right. Where both are alike the answer is 0, white. Look for
# upright edges: purple where it gets brighter from left to right, orange
# where it gets darker.

# %%
infrared = scenes.images[halls[3], scenes.bands.index("B08")]  # (H, W)
upright = torch.tensor([[-1.0, 0.0, 1.0]] * 3)
shown = {
    "near infrared": infrared.numpy(),
    "upright edges": upright.numpy(),
    "answer": convolve(infrared, upright).numpy(),
    "filter, turned": upright.T.numpy(),
    "its answer": convolve(infrared, upright.T).numpy(),
}
plots.panels(shown, title="A filter slid over one band", numbers=True)

# %% [markdown]
# In a network these nine numbers are not written by hand. They start at
# random and the training finds them, for thousands of filters at once. What
# comes out, one answer at every place, is a **feature map**, and the next
# layer slides its filters over the maps of this one. Here are maps of the
# network that FixMatch has trained: six of the first layer, the third and the
# last.

# %%
model, normalize = fixmatch.load_model()
x = normalize({"s2": scenes.images[halls[3]][None]})["s2"]  # (1, C, H, W)
layers = [one for stage in model.encoder.backbone.stages for one in stage]
maps = {}
with torch.no_grad():
    for number, layer in enumerate(layers):
        x = layer(x)
        if number in (2, 8, 17):  # after the 1st, 3rd and 6th convolution
            for channel in range(6):
                name = f"layer {number // 3 + 1}, map {channel + 1}"
                maps[name] = x[0, channel].numpy()
weights = [p for p in model.encoder.parameters() if p.ndim == 4]
print(f"{sum(p.numel() // 9 for p in weights):,} filters of 3 x 3 numbers")
plots.panels(maps, title="Feature maps of the FixMatch network")

# %% [markdown]
# Look at the sizes below the maps. The first layer still shows the halls,
# bright or dark or by their edges. The last one has 4 x 4 places: it no
# longer says *where*, but *what*. The mean of each of its 96 maps is a
# number, and from these 96 numbers the last step reads ten scores. Here they
# are for six test images: the class with the highest score, and how sure.

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
# 1 minute. How can an image without a label teach anything? Five ideas, and
# where the methods of this library belong.
#
# | family | the idea | for instance |
# |---|---|---|
# | generative | learn what images look like | autoencoders; none here |
# | consistency | two altered copies, one answer | Mean Teacher, UDA |
# | pseudo-label | take a sure answer for the truth | Pseudo-Label |
# | graph-based | labels flow between alike images | label propagation |
# | hybrid | several of these at once | FixMatch, CoMatch, CCSSL |
#
# The next cell sorts every method that can be trained here. Label
# propagation is no training of its own but a start for one (the setting
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
# - The task decides what a label costs: scene, object or pixel.
# - A result means nothing without the guess beside it.
# - With the same labels and the same steps, unlabelled images bought the gap
#   between two curves. It is one draw: notebook 05 asks whether it is real.
# - A CNN slides learnt filters; deeper maps are smaller and say more.
#
# ## What to try next
#
# - Slide a filter of nine times 1/9. What does it do to the image, and to
#   the speckle of a radar image?
# - Choose another scene in place of `halls[3]`, and find a feature map that
#   answers to water.
# - Train a third method, `class_run("pseudo_label", scenes, split)`, and add
#   its log to the curves.
# - Notebook 02 looks at the data, and at six ways to fool oneself with them.

# %% [markdown]
# ## Words
#
# New to **remote sensing**?
#
# - **Band**: one channel, the light of one range of wavelengths. B02, B03
#   and B04 are blue, green and red; B08 is near infrared, which eyes do not
#   see and plants send back.
# - **Reflectance**: the share of the light that the ground sends back, 0 to
#   1 (a bright slope can exceed it).
# - **Scene, patch**: a small image cut from a large one; here 640 m wide.
# - **Land cover**: what lies on the ground at a pixel: trees, water, ...
# - **Sentinel-1, Sentinel-2**: satellites of the Copernicus programme; radar,
#   and thirteen bands of light.
# - **Speckle**: the grain of radar images.
#
# New to **deep learning**?
#
# - **Tensor**: torch's array of numbers, of one dimension or more.
# - **Network, model**: a function with many numbers in it, the **weights**.
# - **Training**: changing the weights, step by step, for better answers.
# - **Step, batch**: one such change, and the images it is made from.
# - **Filter, feature map**: 3 x 3 weights, and their answers everywhere.
# - **CNN**: convolutional neural network; filters, layer upon layer.
# - **Augmentation**: altering an image at random so that its class stays.
# - **Pseudo-label**: the network's own answer, taken for the truth.
# - **Validation, test**: images held back, to choose by and to report on.

# %%
from workshop_lib.course import progress

progress.show()
