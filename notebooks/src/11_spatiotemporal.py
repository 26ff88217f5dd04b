# %% [markdown]
# # 11 Place and date: what the image does not show
#
# A green field in April is wheat in one country and grass in another. Every
# satellite image comes with its place and its date, at no cost. This notebook
# gives both to a network, and finds out that it becomes better here and worse
# there. Then it lets a teacher see them, and not the student.
#
# **After this notebook you can**
#
# - write place and date as numbers that keep neighbours together;
# - add them to a network as one more token;
# - predict when metadata help and when they mislead, and test it with a
#   region that was never seen;
# - say what teacher and student see, and write the student's loss;
# - decide which labels to trust when an image has several.
#
# **You need** notebook 04 (FixMatch) and 07 (metadata as a vector).
#
# Cells that only draw or print are folded; a click on the three dots opens
# them. Sections and exercises are the core path; what is marked *more* can
# wait.
#
# **Time**: 40 minutes. The training runs take about three of them on two
# cores; a finished run is kept, and loaded when you come back.
#
# | section | minutes |
# |---|---|
# | Where and when | 4 |
# | A year is a circle | 6 |
# | One more token | 9 |
# | Better here, worse there | 8 |
# | The teacher alone | 9 |
# | Several labels, two thresholds (more) | 4 |

# %% [markdown]
# ## Where and when
#
# 4 minutes. **The data setting**: this notebook needs a place and a date for
# each image. It uses a MiniEO in which places matter more than in the other
# notebooks, and whose sensor is poorer, so that classes look alike.

# %%
DATA = "mini_eo_places"  # or "mini_eo_places:7": made by the same rules

# %%
from workshop_lib import plots
from workshop_lib.data.load import load_dataset
from workshop_lib.data.mini_eo import REGIONS

scenes = load_dataset(DATA)
for name in ("lat", "lon", "day_of_year", "region"):
    print(f"{name:12}", scenes.metadata[name][:6].tolist())

# %% tags=["hide-input", "figure:11_places"]
# @title Draw where the first thousand images are
import torch

plots.location_map(scenes.subset(torch.arange(1000)), "region", REGIONS)

# %% [markdown]
# MiniEO is made up, and so are its places: its generator knows boxes of
# latitude and longitude, and no coast, so some images lie in the sea. But
# each region has its own climate, soils and plants, as real ones have. So a
# place is a hint before you have seen a pixel. A date is one, too: it says
# which colours to expect.
#
# **You first.** Which would help a network with 100 labelled images, and
# where could it go wrong: latitude, longitude, the day of the year?

# %% tags=["hide-input", "figure:11_seasons"]
# @title Draw two classes through the year, without the poor sensor's noise
plots.seasons(load_dataset("mini_eo"), ("AnnualCrop", "Forest"))

# %% [markdown]
# ## A year is a circle
#
# 6 minutes, with one exercise. 31 December is day 365, and the next day is
# day 1: as numbers they are as far apart as can be. So the day becomes an
# angle, a full turn in 365 days, and the network reads its sine and cosine, a
# point on a circle (as in notebook 07). Latitude and longitude are divided by
# their largest values. This is the vector of Bernhard et al. (2024):
#
# $$m = \left(\frac{\mathrm{lat}}{90},\ \frac{\mathrm{lon}}{180},\
# \sin\frac{2\pi d}{365},\ \cos\frac{2\pi d}{365}\right)$$
#
# **Exercise 1** (easy, important, 2 minutes). Write it, for $N$ images at
# once.


# %%
def place_and_date(lat, lon, day):
    """Return the vector of each image, (N, 4); all arguments are (N,)."""
    ### BEGIN SOLUTION four columns: lat / 90, lon / 180, sine, cosine
    ### STUB angle = ...  # (N,)
    angle = 2 * torch.pi * day / 365  # (N,)
    columns = [lat / 90, lon / 180, angle.sin(), angle.cos()]
    vector = torch.stack(columns, dim=1)  # (N, 4)
    ### END SOLUTION
    return vector


# %% [markdown] tags=["hint"]
# I do not know how to begin
#
# In: three tensors (N,). Out: (N, 4). First the angle, `2 * torch.pi * day /
# 365`. Then four tensors (N,) side by side: `torch.stack([a, b, c, d],
# dim=1)`. By hand for 90 degrees north, 180 degrees east and day 365: 1, 1,
# 0, 1.

# %% [markdown] tags=["hint"]
# I get `shape (4, 3)` where (3, 4) is expected
#
# `torch.stack` puts its new axis first. A row is for an image, so the four
# numbers go along axis 1: `dim=1`.

# %%
from workshop_lib.course import checks

checks.place_and_date(place_and_date)

# %% [markdown]
# **Before you run the next cell**: how far apart are 31 December and
# 1 January as numbers, and how far on your circle? And 1 January and 1 July?

# %%
days = torch.tensor([365.0, 1.0, 182.0])  # 31 December, 1 January, 1 July
nowhere = torch.zeros(3)
around = place_and_date(nowhere, nowhere, days)[:, 2:]  # (3, 2)
for a, b, name in ((0, 1, "31 December"), (2, 1, "1 July")):
    number, circle = abs(days[a] - days[b]), (around[a] - around[b]).norm()
    print(f"{name:11} to 1 January: {number:3.0f} as numbers,"
          f" {circle:.2f} on the circle")  # fmt: skip

# %% tags=["hide-input", "figure:11_circle"]
# @title Draw the year
from calendar import month_abbr

firsts = torch.tensor([1, 32, 60, 91, 121, 152, 182, 213, 244, 274, 305, 335])
sine, cosine = place_and_date(firsts, firsts, firsts)[:, 2:].T
figure = plots.AccessibleFigure(figsize=(5.6, 5.2))
axes = figure.add_subplot(aspect="equal", xlim=(-1.6, 1.6), ylim=(-1.4, 1.4))
axes.plot(sine, cosine, "o", color="#0072b2", markersize=9)
for k, (x, y) in enumerate(zip(sine, cosine, strict=True), 1):
    axes.text(1.27 * x, 1.17 * y, f"1 {month_abbr[k]}", ha="center")
axes.plot(*around[0], "s", color="#d55e00", markersize=9)
axes.text(*0.75 * around[0], "31 Dec", color="#d55e00", ha="center")
axes.set(title="The year, a circle", xlabel="sine", ylabel="cosine")
figure.alt = "Twelve months on a circle; 31 December is at 1 January."
figure

# %%
from workshop_lib.course import quiz

quiz.ask("11-circle")

# %% tags=["quiz"]
quiz.answer("11-circle", "...")

# %% [markdown]
# In the library this vector is `metadata=("place", "date")`.

# %% [markdown]
# ## One more token
#
# 9 minutes, with one exercise. How do four numbers get into a network that
# reads images? In notebook 07 they **shifted** the channels of a CNN. A
# **vision transformer** (ViT) has a simpler way.
#
# It cuts the image into patches. Each becomes a **token**, a vector of $D$
# numbers, and a *class token* is put before them. In every layer each token
# looks at all the others (**attention**) and takes over what it needs; at the
# end the head reads the class token. Nothing in this cares where a token
# comes from. So make one of the metadata:
#
# ```text
#                    class token ─┐
# image ── 64 patches ── linear ──┼── layers ──┬── class token ── head
# lat, lon, date ── MLP ── token ─┘            └── metadata token: context
# ```
#
# The MLP has two linear layers with a GELU between them, a smooth ReLU: $4
# \to D \to D$. Attention does not know the order of tokens, so each gets an
# **embedding of its position** added, and the new one has its own.
#
# **Exercise 2** (medium, important, 3 minutes). Make the token, and put it
# behind the others.


# %%
import torch.nn.functional as F


def metadata_token(tokens, metadata, first, second, position):
    """Return (B, T + 1, D).

    tokens (B, T, D), metadata (B, 4), position (D,); `first` and `second`
    are linear layers, 4 to D and D to D: call them like functions.
    """
    ### BEGIN SOLUTION first, GELU, second, plus position; behind the tokens
    ### STUB token = ...  # (B, D)
    ### STUB # then torch.cat of tokens and token, which needs an axis more
    token = second(F.gelu(first(metadata))) + position  # (B, D)
    longer = torch.cat([tokens, token[:, None]], dim=1)
    ### END SOLUTION
    return longer


# %% [markdown] tags=["hint"]
# I do not know how to begin
#
# From the inside out: `first(metadata)` is (B, D), `F.gelu` keeps the shape,
# `second` takes it to (B, D) again. With D = 2 and a token (3, 2) for three
# images, `token[:, None]` is (3, 1, 2): one token per image. Now it fits
# behind `tokens`, (3, T, 2), along axis 1.

# %% [markdown] tags=["hint"]
# I get `Tensors must have same number of dimensions: got 3 and 2`
#
# The tokens are (B, T, D), yours is (B, D). Give it an axis of length 1:
# `token[:, None]`.

# %% [markdown] tags=["hint"]
# I get `Sizes of tensors must match except in dimension 0`
#
# `torch.cat` without `dim` puts images below images. Tokens are axis 1.

# %%
checks.metadata_token(metadata_token)

# %% [markdown]
# Let an untrained network of $D=64$ look at three images. **Before**: how
# many parameters does the road of the metadata cost: about 500, 5,000 or
# 50,000?

# %%
from torch import nn

D = 64
first, second, position = nn.Linear(4, D), nn.Linear(D, D), torch.zeros(D)
three = [scenes.metadata[name][:3] for name in ("lat", "lon", "day_of_year")]
patches = F.unfold(scenes.images[:3], 4, stride=4).mT  # (3, 64, 4 * 4 * 4)
tokens = nn.Linear(patches.shape[2], D)(patches)  # (3, 64, D)
vector = place_and_date(*three)  # (3, 4)
longer = metadata_token(tokens, vector, first, second, position)
road = sum(p.numel() for layer in (first, second) for p in layer.parameters())
assert longer.shape == (3, 65, D)
print(f"{tuple(tokens.shape)} -> {tuple(longer.shape)}")
print(f"{road + D:,} parameters")

# %% [markdown]
# **After**: $4D + D$ for the first layer, $D^2 + D$ for the second, $D$ for
# the position. That is little, and still enough to memorise 100 places.

# %%
quiz.ask("11-token")

# %% tags=["quiz"]
quiz.answer("11-token", "...")

# %% [markdown]
# ## Better here, worse there
#
# 8 minutes, of which the machine takes one. A network with metadata can learn
# two kinds of things:
#
# - *rules that hold everywhere*: winter images are dark, dry grass is yellow;
# - *rules of one region*: in the north, open water is a lake.
#
# In this MiniEO each class is twenty times likelier in its home region than
# in any other. Lakes are at home in the north, rivers on the Atlantic:

# %% tags=["hide-input", "figure:11_rule"]
# @title Draw where lakes and rivers are
from dataclasses import replace

water = [scenes.class_names.index(name) for name in ("Lake", "River")]
is_lake, is_river = (scenes.labels == k for k in water)
wet = scenes.subset((is_lake | is_river).nonzero().flatten())
kind = {"kind": (wet.labels == water[1]).float()}
wet = replace(wet, metadata={**wet.metadata, **kind})
plots.location_map(wet, "kind", ("Lake", "River"))

# %% [markdown]
# A test in the same regions cannot tell the two kinds of rules apart. So
# **hold out** a region: the semi-arid one, region 4, is for the test alone.
# Quarries and highways are at home there, and rare elsewhere. Half of the
# validation images of the other regions are the test at home.

# %%
from workshop_lib.data.split import Split

split = Split.by_region(scenes, test=(4,), val=0.3, labels_per_class=10)
home, away = split.val[1::2], split.test
split = replace(split, val=split.val[::2])
print(f"{len(split.labeled)} of {len(split.unlabeled):,} images labelled")
print(f"for the test: {len(home)} at home, {len(away)} away")
assert not (scenes.metadata["region"][home] == 4).any()

# %% [markdown]
# **Your prediction**, before anything is measured: FixMatch with the metadata
# as an input, compared with FixMatch on images alone. `"better"`, `"worse"`
# or `"same"`?

# %%
GUESS = {"home": "same", "away": "same"}
assert set(GUESS.values()) <= {"better", "worse", "same"}

# %% tags=["slow"] seconds=60
from workshop_lib.course.runs import class_run
from workshop_lib.presets import preset

same = {"data": DATA, "labels_per_class": 10, "split": "region",
        "test_regions": (4,), "precision": "fp32"}  # fmt: skip
config = preset(method="fixmatch", **same)
STEPS = min(800, config.optim.steps)
config = config.replace(steps=STEPS, eval_every=STEPS // 4)
informed = config.replace(metadata=("place", "date"))
runs = {}
for name, wish in (("no metadata", config), ("as an input", informed)):
    runs[name] = class_run("fixmatch", scenes, split, wish)

# %% [markdown]
# **Read on meanwhile.** What may happen?
#
# - **At home**: the place narrows the choice down. But 100 labelled places
#   are also 100 addresses to memorise, and FixMatch spreads such mistakes to
#   all unlabelled images.
# - **Away**: latitudes and longitudes that no training image had. A network
#   does not notice. It continues its rules into the unknown.

# %%
from workshop_lib.evaluation.inference import predict_run


def score(run):
    """Return the accuracy at home and away, in per cent."""
    found = []
    for index in (home, away):
        classes = predict_run(run, scenes, index).argmax(1)
        right = classes == scenes.labels[index]
        found.append(100 * right.float().mean().item())
    return found


scores = {name: score(run) for name, run in runs.items()}

# %% tags=["hide-input"]
# @title Compare with your prediction
for k, place in enumerate(GUESS):
    plain, told = (scores[name][k] for name in runs)
    print(f"{place}: {plain:.1f} % without, {told:.1f} % with metadata,"
          f" {told - plain:+.1f} points; you: {GUESS[place]}")  # fmt: skip
shown = {f"{name}: {place}": value for name, pair in scores.items()
         for place, value in zip(GUESS, pair, strict=True)}  # fmt: skip
plots.bars(shown, title="Here and there", unit="test images right (%)")

# %%
quiz.ask("11-away")

# %% tags=["quiz"]
quiz.answer("11-away", "...")

# %% [markdown]
# ## The teacher alone
#
# 9 minutes, with one exercise; the machine takes two. As long as the network
# that you use reads the metadata, there is no gain without the risk. So train
# two networks together, each by its own gradient:
#
# - the **teacher** reads image, place and date. It makes the pseudo-labels,
#   its own and the student's;
# - the **student** reads images alone. In the place of the metadata it has a
#   constant, which it learns. It is the one that you keep.
#
# **Before you look at the diagram**: which of the three views, labelled, weak
# and strong, does the student have to see?

# %% tags=["hide-input"]
# @title How to draw boxes and arrows
FILL = {"data": "white", "net": "#cfe5f4", "out": "#fdebd0"}


def box(axes, x, y, text, kind):
    """Write a text into a box of a colour."""
    look = {"boxstyle": "round,pad=0.5", "facecolor": FILL[kind], "lw": 1.5}
    axes.text(x, y, text, bbox=look, ha="center", va="center", fontsize=13)


def arrow(axes, start, end, bend=0.0, dash="-"):
    """Draw an arrow from one point to another."""
    look = {"arrowstyle": "-|>", "lw": 2, "color": "#0072b2", "ls": dash,
            "connectionstyle": f"arc3,rad={bend}"}  # fmt: skip
    axes.annotate("", end, start, arrowprops=look)


# %% tags=["hide-input"]
# @title What teacher and student read
figure = plots.AccessibleFigure(figsize=(10, 5))
axes = figure.add_subplot(xlim=(0, 10), ylim=(0, 5.2))
axes.axis("off")
reads = {"place, date": (4.4, 1), "weak view": (3.4, 1),
         "strong view": (2, 2), "labelled image": (0.9, 2)}  # fmt: skip
for text, (y, networks) in reads.items():
    box(axes, 1, y, text, "data")
    arrow(axes, (1.85, y), (3.45, 4 - (4.4 - y) / 8))
    if networks == 2:
        arrow(axes, (1.85, y), (3.2, 1.4 - (2 - y) / 8))
box(axes, 4, 3.8, "teacher", "net")
box(axes, 4, 1.3, "student\n(a constant for\nplace and date)", "net")
_ = axes.set_title("The teacher alone reads place and date", fontsize=15)

# %% tags=["hide-input", "figure:11_teacher"]
# @title What the student learns from
for x, high, low in ((6.7, "pseudo-labels", "scores of the\nstrong view"),
                     (9.2, "context", "context")):  # fmt: skip
    box(axes, x, 3.8, high, "out")
    box(axes, x, 1.3, low, "out")
arrow(axes, (4.55, 3.8), (5.75, 3.8))
arrow(axes, (4.9, 1.3), (5.8, 1.3))
arrow(axes, (4, 4.2), (9.2, 4.2), bend=-0.17)
arrow(axes, (4, 0.6), (9.2, 0.9), bend=0.17)
arrow(axes, (6.7, 3.45), (6.7, 1.8))
arrow(axes, (9.2, 3.45), (9.2, 1.65), dash="--")
axes.text(6.8, 2.5, "cross-entropy", fontsize=13)
axes.text(9.1, 2.5, "distillation", fontsize=13, ha="right")
figure.alt = "The teacher reads place and date, and teaches the student."
figure

# %% [markdown]
# **After**: the student needs no weak view, because its pseudo-labels come
# from the teacher. The dashed arrow is the **distillation**: the student's
# **context**, its output at the metadata token (of a CNN: its features), is
# pulled towards the teacher's. So it has to guess from the image what the
# teacher was told: yellow grass means a summer in the south.
#
# $$L = L_\mathrm{teacher} + L_\mathrm{student} +
# \lambda_d \,\lVert z_\mathrm{student} - z_\mathrm{teacher} \rVert^2$$
#
# **Exercise 3** (medium, important, 3 minutes). The student's part for
# unlabelled images: the masked cross-entropy of FixMatch, with the teacher's
# scores, and the distillation as a mean squared error. Only the student may
# learn from it.


# %%
def student_loss(
    logits_teacher, logits_student, z_teacher, z_student, threshold, lambda_d
):
    """Return a scalar. Scores are (B, K), contexts z are (B, D)."""
    ### BEGIN SOLUTION the teacher's confident classes; plus the distance of z
    ### STUB probs = ...  # (B, K), of the teacher, without gradient
    ### STUB # then confidence, pseudo = probs.max(dim=1)  # (B,) each
    probs = logits_teacher.detach().softmax(dim=1)  # (B, K)
    confidence, pseudo = probs.max(dim=1)  # (B,) each
    each = F.cross_entropy(logits_student, pseudo, reduction="none")
    loss = (each * (confidence >= threshold)).mean()
    loss = loss + lambda_d * F.mse_loss(z_student, z_teacher.detach())
    ### END SOLUTION
    return loss


# %% [markdown] tags=["hint"]
# I do not know how to begin
#
# It is `fixmatch_loss` of notebook 04 without its labelled part, and the weak
# view's scores are now the teacher's. Four lines: softmax of
# `logits_teacher.detach()`; its largest value and where it is; the
# cross-entropy of each image, `reduction="none"`; the mean of cross-entropy
# times mask. Then add `lambda_d * F.mse_loss(...)`.

# %% [markdown] tags=["hint"]
# I get `the teacher learns from it, too`
#
# `.detach()` cuts a tensor off from what it was made of. Both the teacher's
# scores and its context need it.

# %%
checks.student_loss(student_loss)

# %% [markdown]
# Now train it, once without distillation and once with. **Before**: the
# student gets no metadata, so place and date cannot mislead it. Can they
# still reach it?

# %% tags=["slow"] seconds=120
both = preset(method="spatiotemporal", **same)
both = both.replace(steps=STEPS, eval_every=STEPS // 4,
                    metadata=("place", "date"))  # fmt: skip
for name, kind in (("teacher alone", "none"), ("and distilled", "mse")):
    wish = both.replace(distill=kind)
    run = class_run("spatiotemporal", scenes, split, wish)
    runs[name], scores[name] = run, score(run)

# %% tags=["hide-input"]
# @title The table
import pandas as pd

table = pd.DataFrame(scores, index=["home", "away"]).T
assert table.notna().all().all()
table.round(1)

# %% tags=["hide-input", "figure:11_regions"]
# @title Draw the table
named = {f"{name}: {place}": table.loc[name, place]
         for name in table.index for place in table.columns}  # fmt: skip
plots.bars(named, title="Four known regions, one never seen",
           unit="test images right (%)")  # fmt: skip

# %%
quiz.ask("11-teacher")

# %% tags=["quiz"]
quiz.answer("11-teacher", "...")

# %% [markdown]
# **After**: the first two rows show what metadata as an input did, here and
# there. Is the teacher's student better than the network that reads the
# metadata itself? Better than the one without? This is one seed;
# `docs/spatiotemporal.md` has five.
#
# Place and date do reach the student, through the pseudo-labels and through
# the context that it imitates. But only those of home, where they were true.

# %% [markdown] tags=["instructor"]
# Collect the predictions for all four rows before anyone runs the table. Most
# expect the second row to win at home by a lot. Ask who predicted the sign of
# "away". Usual stops in exercise 3: the teacher is not detached; the mask
# divides by the confident images alone.

# %% [markdown]
# ## Several labels, two thresholds (more)
#
# 4 minutes, with one exercise. Most patches have several land covers:
# BigEarthNet has 43 labels, and a patch any number of them. In MiniEO,
# `heads=("covers",)` is a label for each cover on more than 5 % of the patch.
# The head answers one yes-or-no question per label, each with a probability
# $p$ of its own.
#
# What is a *confident* prediction now? Each **entry**, one label of one
# image, is confidently absent, confidently present, or neither. Most entries
# are absent, so "absent" is the easy answer. Bernhard et al. use two
# thresholds: an entry counts if $p \le 0.05$ or $p \ge 0.7$.
#
# **Exercise 4** (easy, more, 1 minute). Which entries count?


# %%
def count_entries(probs, low, high):
    """Return (B, K), true where an entry counts; probs are (B, K)."""
    ### BEGIN SOLUTION absent at low or less, or present at high or more
    ### STUB absent = ...
    ### STUB present = ...
    absent = probs <= low
    present = probs >= high
    mask = absent | present
    ### END SOLUTION
    return mask


# %% [markdown] tags=["hint"]
# I do not know how to begin
#
# Two comparisons give a table of true and false each, (B, K). `|` is "or",
# for each entry. By hand: 0.03 counts as absent, 0.2 does not count, 0.8
# counts as present.

# %% [markdown] tags=["hint"]
# I get `Boolean value of Tensor with more than one value is ambiguous`
#
# Python's `or` asks for one truth. For a table of them it is `|`, with each
# comparison in brackets: `(a <= b) | (c >= d)`.

# %%
checks.count_entries(count_entries)

# %% [markdown]
# **Before you run the next cells**: why not one threshold, as in FixMatch:
# $\max(p, 1-p) \ge 0.7$? It lets an absent entry count from $p \le 0.3$ on.
# Which of its pseudo-labels will be wrong more often, absent or present?

# %% tags=["slow"] seconds=10
from workshop_lib.data.samples import targets_of

short = preset(method="supervised", labeled_view="strong", **same)
short = short.replace(heads=("covers",), steps=STEPS // 4,
                      eval_every=STEPS // 4)  # fmt: skip
run = class_run("supervised_strong", scenes, split, short)
probs = predict_run(run, scenes, split.unlabeled)[:, 1]  # (N, K): present
truth = targets_of(scenes, ("covers",))["covers"][split.unlabeled] > 0.5
count = truth.float().sum(1).mean()
print(f"{count:.1f} of {truth.shape[1]} labels per image")

# %% tags=["hide-input", "figure:11_entries"]
# @title Count the wrong pseudo-labels of both rules
rules = {"one threshold": torch.maximum(probs, 1 - probs) >= 0.7,
         "two thresholds": count_entries(probs, 0.05, 0.7)}  # fmt: skip
wrong = {}
for name, mask in rules.items():
    for answer, right in {"absent": ~truth, "present": truth}.items():
        mine = mask & ((probs >= 0.5) == (answer == "present"))
        failed = (mine & ~right).sum() / mine.sum().clamp(min=1)
        wrong[f"{name}, {answer}"] = 100 * failed.item()
        print(f"{name}, {answer:8}{mine.float().mean():4.0%} of all entries")
plots.bars(wrong, title="Pseudo-labels that count and are wrong",
           unit="wrong (%)")  # fmt: skip

# %% [markdown]
# **After**: one threshold treats both answers alike. Let "absent" in at
# $p \le 0.3$, and the present labels among them are taught to be absent. With
# two thresholds each answer has a bar of its own. (0.7 is a probability, no
# logit.)

# %%
quiz.ask("11-entries")

# %% tags=["quiz"]
quiz.answer("11-entries", "...")

# %% [markdown]
# ## Key points
#
# - What comes round again is a circle: sine and cosine of an angle.
# - A transformer reads metadata as one more token, a CNN as a shift.
# - Metadata as an input may help where you trained and hurt elsewhere. Only a
#   test in a region that was never seen shows it.
# - With few labels, exact places are easy to memorise.
# - The teacher reads the metadata and makes the pseudo-labels; the student
#   reads images alone, and is the one that you keep.
# - Distillation: the student guesses from the image what the teacher was
#   told.
# - With several labels, each entry counts or not, and absent and present have
#   a threshold each.
#
# ## What to try next
#
# - The ablations: `metadata=("place",)` and `("date",)`. Which does the work?
# - `both.replace(base="freematch")`: another method inside.
# - `encoder="vit-32"` in place of the small CNN: the token that you wrote.
#   From random weights and with few labels, expect less than from the CNN.
# - Another region for the test: is the boreal one further away?
# - `DATA = "mini_eo"` and four labels per class: place says little there, and
#   the network memorises 40 of them. What happens at home?
#
# ## Words
#
# | word | what it means here |
# |---|---|
# | token | a vector of a transformer's sequence: patch, class, metadata |
# | attention | each token looks at all others and takes over what it needs |
# | vision transformer | a network that reads an image as tokens |
# | ablation | the same run without one part, to see what that part does |
# | held-out region | a region whose images are only in the test |
# | distillation | a student imitates what a teacher computes |
# | context | what a network holds where its metadata enter |
# | entry | one label of one image: present or absent |
#
# ## Sources
#
# - Bernhard, Hannan, Strauß and Schubert 2024, *Context Matters: Leveraging
#   Spatiotemporal Metadata for Semi-Supervised Learning on Remote Sensing
#   Images*, [arXiv:2404.18583](https://arxiv.org/abs/2404.18583)
# - Dosovitskiy et al. 2021, *An Image is Worth 16x16 Words: Transformers for
#   Image Recognition at Scale*,
#   [arXiv:2010.11929](https://arxiv.org/abs/2010.11929)
# - Mac Aodha, Cole and Perona 2019, *Presence-Only Geographical Priors for
#   Fine-Grained Image Classification*: place and date on circles.
#   [arXiv:1906.05272](https://arxiv.org/abs/1906.05272)
# - Hinton, Vinyals and Dean 2015, *Distilling the Knowledge in a Neural
#   Network*, [arXiv:1503.02531](https://arxiv.org/abs/1503.02531)
# - Koh et al. 2021, *WILDS: A Benchmark of in-the-Wild Distribution Shifts*:
#   regions never seen. [arXiv:2012.07421](https://arxiv.org/abs/2012.07421)
#
# The coastlines of the map are those of Natural Earth, simplified.

# %%
from workshop_lib.course import progress

progress.show()
