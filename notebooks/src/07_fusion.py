# %% [markdown]
# # 07 Fusion: is a second sensor worth it?
#
# One satellite measures light, another sends microwaves, a third file holds
# heights, a fourth the weather. All of them describe the same ground. This
# notebook combines them in four ways, and then asks the question that is
# often left out: does the network get better?
#
# **After this notebook you can**
#
# - turn a date and a climate into numbers that a network can read;
# - normalise channels of different units, even if some are missing;
# - read the code of a late fusion, and predict the size of each fusion;
# - measure which modalities are complementary, redundant or harmful;
# - show an input that helps at home and misleads far away;
# - make a network survive the loss of a sensor;
# - say which augmentation is right for which sensor.
#
# **You need** notebook 04. 05 helps: a gain needs more than one seed. New
# words are explained at the end: [Vocabulary](#Vocabulary).
#
# **Time**: 40 minutes. The training runs take about eight of them on two
# cores, one less after notebook 04; each is saved, and loaded when you come
# back.

# %% [markdown]
# ## The modalities
#
# 5 minutes. **The data setting** first. Fusion needs several sensors of one
# place, and a folder of photographs has one. So `"ucm"` and `"eurosat"`,
# which earlier notebooks could read, have nothing to fuse here.
#
# - `DATA` is used in all training runs. `"mini_eo:7"` is another world, made
#   by the same rules: your conclusions should hold there too.
# - `REAL` takes real pairs of Sentinel-2 and Sentinel-1, if you have some of
#   BigEarthNet. You look at them and measure them with your functions. They
#   are not trained on: each has several labels, and the methods here choose
#   one class per image.

# %%
DATA = "mini_eo"  # or "mini_eo:7": another world, by the same rules
REAL = ()  # or two folders: ("BigEarthNet-v1.0", "BigEarthNet-S1-v1.0")

# %%
from workshop_lib.data.load import make_split, open_data
from workshop_lib.presets import preset, preset_time

config = preset(data=DATA)
scenes, split = open_data(config)
print(f"s2   {tuple(scenes.images.shape)}  {', '.join(scenes.bands)}")
for name, images in scenes.modalities.items():
    print(f"{name:4} {tuple(images.shape)}")
print("facts:", ", ".join(scenes.metadata))

# %% [markdown]
# Every patch has 4 bands of light (here; MiniEO has 12), 2 channels of radar,
# a height for each pixel, and some numbers that describe the patch as a
# whole. Below is one patch of each class: in true colour, with near infrared
# as red, as radar, as height, and its land-cover map.
#
# **Before**: find two classes that you could confuse in true colour. Which
# column would help you most?

# %%
from workshop_lib import plots

plots.modality_samples(scenes)

# %% [markdown]
# **After** (on `mini_eo`): in the radar column (VV in red, VH in green, their
# difference in blue) buildings and trees are bright, in any haze and light.
# (MiniEO's radar ignores the season, too. Real radar does not: crops and wet
# soil change it.) The river is dark; the lake is not, because a wind of 11
# m/s had roughened it that day. Fields look similar. The height says little:
# water is level, and that is all.
#
# The last column is not an input. It is nearly the answer itself: with the
# map you need no network.
#
# Now the facts. `season` is 1 on 21 June and 0 on 22 December; rain is the
# sum of three days in millimetres; wind is in metres per second.

# %%
import pandas as pd
from workshop_lib.data.mini_eo import CLIMATE_ZONES

facts = ["lat", "lon", "season", "temperature", "rain", "wind"]
table = pd.DataFrame({name: scenes.metadata[name][:6] for name in facts})
zones = [CLIMATE_ZONES[int(k)] for k in scenes.metadata["region"][:6]]
table.insert(0, "climate", zones)
classes = [scenes.class_names[k] for k in scenes.labels[:6]]
table.insert(0, "class", classes)
assert not table.isna().any().any()
table.round(1)

# %% [markdown]
# **Your guess, before anything is measured.** Write a word into each line:
#
# - `complementary`: it holds information that the others do not;
# - `redundant`: the others hold the same information;
# - `harmful`: the network gets worse with it;
# - `unsure`.

# %%
GUESS = {
    "S1 to S2": "unsure",
    "climate to S2": "unsure",
    "climate to S2 + S1": "unsure",
    "longitude, far away": "unsure",
}
words = {"complementary", "redundant", "harmful", "unsure"}
assert set(GUESS.values()) <= words, "one of the four words in each line"

# %% [markdown]
# ## Early fusion
#
# 5 minutes. The simplest place to combine sensors is the pixel: stack the
# channels of all sensors, and give them to a network with more input
# channels. But a fact has no pixels. It becomes a few numbers in a
# **vector**:
#
# - a **quantity**, such as rain, is used as it is;
# - a **day of the year** is cyclic: 31 December is next to 1 January. So it
#   becomes a point on a circle: sine and cosine of $2\pi \cdot$ day / 365;
# - a **climate zone** has a number, but zone 4 is not twice zone 2. So there
#   is a number for each zone: 1 for the patch's own, 0 for the others. This
#   is called **one-hot** encoding.
#
# **Exercise 1** (easy, important, 4 minutes). Encode days (N,) and zones
# (N,), which are counted from 0: sine, cosine, then a number for each zone.


# %%
import torch
import torch.nn.functional as F


def encode_facts(day, zone, num_zones):
    """Return a vector for each patch, (N, 2 + num_zones)."""
    ### BEGIN SOLUTION a circle for the day, a column for each zone
    ### STUB angle = ...  # (N,)
    ### STUB onehot = ...  # (N, num_zones)
    angle = 2 * torch.pi * day / 365  # (N,)
    circle = torch.stack([angle.sin(), angle.cos()], dim=1)  # (N, 2)
    onehot = F.one_hot(zone, num_zones)  # (N, num_zones)
    numbers = torch.cat([circle, onehot], dim=1)
    ### END SOLUTION
    return numbers


# %% [markdown] tags=["hint"]
# I get `Tensors must have same number of dimensions`
#
# Sine and cosine are (N,), one-hot is (N, zones). Give them a second axis:
# `torch.stack([...], dim=1)` makes (N, 2) of two (N,).

# %% [markdown] tags=["hint"]
# I get `Sizes of tensors must match except in dimension 0`
#
# You stacked patches on patches. The numbers are axis 1: `dim=1`.

# %%
from workshop_lib.course import checks

checks.encode_facts(encode_facts)

# %% [markdown]
# The library keeps the parts of a sample separate, in a dictionary: the
# images of each sensor, and the vector as `"metadata"`. Here are the shapes,
# and one patch channel by channel.

# %%
from workshop_lib.data.metadata import metadata_names
from workshop_lib.data.samples import sample_of

facts = ("date", "climate")
sample = sample_of(scenes, ("s2", "s1"), facts)
day = scenes.metadata["day_of_year"]
zone = scenes.metadata["region"].long()
mine = encode_facts(day, zone, len(CLIMATE_ZONES))
assert torch.allclose(mine, sample["metadata"], atol=1e-6)
for name, values in sample.items():
    print(f"{name:9}{tuple(values.shape)}")
for name, value in zip(metadata_names(scenes, facts), mine[4], strict=True):
    print(f"{name:12}{value:5.2f}")

# %%
stacked = torch.cat([sample["s2"], sample["s1"]], dim=1)  # (N, 6, H, W)
bands = [*scenes.bands, "VV", "VH"]
channels = dict(zip(bands, stacked[4].numpy(), strict=True))
name = scenes.class_names[scenes.labels[4]]
plots.panels(channels, title=f"The same patch ({name}), six channels",
               columns=3)  # fmt: skip

# %% [markdown]
# **After**: look at the two numbers below each map, the ends of its scale.
# The units differ widely. The next section deals with that.

# %% [markdown]
# ## Normalise each modality
#
# 5 minutes. Reflectance is between 0 and about 0.5, backscatter mostly
# between -25 and 0 dB. On one axis they look like this.

# %%
near_infrared = scenes.images[split.labeled, 3]
vv = scenes.modalities["s1"][split.labeled, 0]
plots.histograms(
    {"S2, B08 (reflectance)": near_infrared, "S1, VV (dB)": vv},
    title="Two channels as they come",
    x_label="value (each in its own unit)",
    y_label="pixels",
)

# %%
from workshop_lib.course import quiz

quiz.ask("07-units")

# %% tags=["quiz"]
quiz.answer("07-units", "...")

# %% [markdown]
# So each channel is normalised separately: subtract its mean, divide by its
# standard deviation. Two traps:
#
# - **Use the training patches only.** The test patches stand for images not
#   seen before, so their statistics are unknown, too.
# - **A sensor may be missing.** The pixels are then NaN ("not a number").
#   One NaN in a sum makes the sum NaN. A 0 in its place would mean 0 dB, an
#   echo that is brighter than most buildings.
#
# **Exercise 2** (medium, important, 4 minutes). Compute mean and standard
# deviation of each channel over the training patches, ignoring missing
# values.


# %%
def channel_statistics(images, train):
    """Return mean and deviation of each channel, (C,) and (C,)."""
    ### BEGIN SOLUTION nanmean over patches, rows and columns; then the spread
    ### STUB some = images[train]  # (n, C, H, W)
    ### STUB mean = ...
    ### STUB std = ...
    some = images[train]  # (n, C, H, W)
    mean = some.nanmean(dim=(0, 2, 3))  # (C,)
    centred = some - mean[:, None, None]
    std = centred.square().nanmean(dim=(0, 2, 3)).sqrt()  # (C,)
    ### END SOLUTION
    return mean, std


# %% [markdown] tags=["hint"]
# I do not know how to begin
#
# In: images (N, C, H, W) and positions. Out: two tensors, (C,) each.
# `some.nanmean(dim=(0, 2, 3))` averages all but the channels. By hand, for
# one channel with the pixels 1, 3 and NaN: the mean is 2, the squared
# distances are 1 and 1, so the deviation is 1.

# %% [markdown] tags=["hint"]
# I get `module 'torch' has no attribute 'nanstd'`
#
# It does not exist. The deviation is the root of the mean of the squared
# distances from the mean, and `nanmean` exists.

# %% [markdown] tags=["hint"]
# I get `The size of tensor a must match the size of tensor b`
#
# (n, C, H, W) minus (C,) lines up C with W. Give the mean two more axes:
# `mean[:, None, None]`.

# %%
checks.channel_statistics(channel_statistics)

# %% [markdown]
# Now remove the radar from every fifth patch, and compare what each treatment
# does to the mean of VV.

# %%
train = torch.cat([split.labeled, split.unlabeled])
gappy = stacked.clone()
gappy[::5, 4:] = torch.nan  # channels 4 and 5 are the radar's
whole = channel_statistics(stacked, train)[0][4]
left_out = channel_statistics(gappy, train)[0][4]
as_zero = channel_statistics(gappy.nan_to_num(0.0), train)[0][4]
print(f"all patches have radar:     {whole:6.1f} dB")
print(f"a fifth lacks it, left out: {left_out:6.1f} dB")
print(f"a fifth lacks it, set to 0: {as_zero:6.1f} dB")
assert abs(whole - left_out) < 1 < abs(whole - as_zero)

# %%
mean, std = channel_statistics(stacked, train)
normal = (stacked - mean[:, None, None]) / std[:, None, None]
plots.histograms(
    {"S2, B08": normal[split.labeled, 3], "S1, VV": normal[split.labeled, 4]},
    title="The same two channels, normalised",
    x_label="deviations from the channel's mean",
    y_label="pixels",
)

# %% [markdown]
# **After**: both have mean 0 and spread 1, so neither can drown the other.
# Missing values become 0 *after* normalising: the mean of the channel.
#
# ### Real pairs, if you have some
#
# With `REAL` set above, your function measures real patches. Look at the mean
# of each channel: is the radar's similar to MiniEO's?

# %%
if REAL:
    from workshop_lib.data.read.bigearthnet_patches import bigearthnet

    real = bigearthnet(*REAL, bands=scenes.bands, size=60)
    both = torch.cat([real.images, real.modalities["s1"]], dim=1)
    means, _ = channel_statistics(both, torch.arange(len(both)))
    numbers = ", ".join(f"{mean:.2f}" for mean in means)
    print(f"{len(both)} real patches; mean of each channel: {numbers}")
    assert both.isfinite().all() and len(means) == both.shape[1] == 6
else:
    print("REAL is empty: no real pairs to look at")

# %%
if REAL:
    shown = {}
    for k in range(min(4, len(real))):
        pair = real.images[[k]], real.modalities["s1"][[k]]
        shown[f"patch {k}, S2"] = plots.to_display(pair[0], real.bands)[0]
        shown[f"patch {k}, S1"] = plots.sar_to_display(pair[1])[0]
    real_pairs = plots.panels(shown, title="Real pairs", columns=4)
real_pairs if REAL else None

# %% [markdown]
# ## Late and middle fusion
#
# 7 minutes. Stacking assumes that the pixels of both sensors show the same
# ground, and that one network suits both. There are other places to combine
# them:
#
# ```text
# early    S2 + S1 stacked ───── backbone ───── head
#
# middle   S2 ── stem ─┐
#          S1 ── stem ─┴──────── backbone ───── head
#
# late     S2 ── backbone ─┐
#          S1 ── backbone ─┴─────────────────── head
#
# shared   S2 ── stem ── the same backbone ─┐
#          S1 ── stem ── the same backbone ─┴── head
# ```
#
# A *stem* is one convolution that turns any number of channels into 24 maps,
# so that one backbone can follow any sensor.
#
# Facts enter all four in the same way: two small layers turn the vector into
# one number for each map of the backbone, which is **added** to that map. So
# the network can learn to interpret the same pixels differently in winter.
#
# Below is a complete late fusion: two backbones, `(B, C, H, W)` to `(B, 96)`,
# and a head that gets the features of both, side by side. **Predict**
# (1 minute): if the features were added instead, what could the head no
# longer distinguish?
#
# Does it learn, in 60 steps on 250 labelled patches?

# %%
from torch import nn
from workshop_lib.models.encoders import pool, small_cnn


class Backbone(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.layers = small_cnn(channels)  # gives maps of several sizes

    def forward(self, images):
        return pool(self.layers(images)[-1])  # the mean of the last: (B, 96)


# %%
class LateFusion(nn.Module):
    def __init__(self, channels, num_classes):
        super().__init__()
        self.s2, self.s1 = (Backbone(c) for c in channels)
        self.head = nn.Linear(96 + 96, num_classes)

    def forward(self, s2, s1):
        features = [self.s2(s2), self.s1(s1)]  # (B, 96) each
        return self.head(torch.cat(features, dim=1))  # (B, K)


# %%
more = config.replace(labels_per_class=25)
few = make_split(scenes, more.data).labeled
torch.manual_seed(0)
model = LateFusion(channels=(4, 2), num_classes=scenes.num_classes)
optimizer = torch.optim.Adam(model.parameters(), lr=0.002)
losses = []
for batch in torch.randint(len(few), (60, 32)):
    x, y = normal[few[batch]], scenes.labels[few[batch]]  # (32, 6, H, W)
    loss = F.cross_entropy(model(x[:, :4], x[:, 4:]), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())

# %%
assert sum(losses[-10:]) < 0.8 * sum(losses[:10])
drawn = {"training loss": (range(1, 61), losses)}
plots.lines(drawn, x_label="step", y_label="cross-entropy",
              title="Your late fusion learns")  # fmt: skip

# %% [markdown]
# ### How many parameters?
#
# Which of the four has the most parameters, and which the fewest? All are
# built from three kinds of parts. A backbone gives 96 features.


# %%
def backbone(channels):
    """Parameters of a backbone that reads so many channels."""
    return sum(weight.numel() for weight in small_cnn(channels).parameters())


def stem(channels):
    return 9 * channels * 24 + 2 * 24  # 3 x 3 filters; a norm has 2 per map


def head(features, classes):
    return features * classes + classes


# %% [markdown]
# **Predict** (1 minute) from the drawing above: write down the four in order,
# the smallest first. `c2` and `c1` are the channels of the two sensors.


# %%
def predict_parameters(c2, c1, classes):
    """Return the parameters of early, middle, late and shared fusion."""
    stems = stem(c2) + stem(c1)
    early = backbone(c2 + c1) + head(96, classes)
    middle = stems + backbone(24 + 24) + head(96, classes)
    late = backbone(c2) + backbone(c1) + head(96 + 96, classes)
    shared = stems + backbone(24) + head(96 + 96, classes)
    return early, middle, late, shared


# %%
from workshop_lib.models import HeadSpec, build_model
from workshop_lib.models.model import parameter_counts

sums = predict_parameters(4, 2, scenes.num_classes)
counts = {}
kinds = ("early", "middle", "late", "shared")
heads = {"scene": HeadSpec("categorical", scenes.num_classes)}
for kind, mine in zip(kinds, sums, strict=True):
    network = build_model("small_cnn", {"s2": 4, "s1": 2}, heads, fusion=kind)
    counts[kind] = parameter_counts(network)["total"]
    assert abs(mine - counts[kind]) < 1e-4 * counts[kind]
plots.bars(counts, title="Parameters for S2 + S1", unit="parameters")

# %% [markdown]
# **After**: early fusion costs next to nothing: a second sensor adds channels
# to one layer. Late fusion doubles the network. Shared fusion works like late
# fusion, and is about as small as early fusion. (The library counts six more:
# a number for each channel that replaces missing values.)
#
# ### Which one is best?
#
# The repository's benchmark trained all four on S2, S1 and climate, five
# seeds each (version 0.1, with 25 labels per class). **Before**: does the
# network with the most parameters win?

# %% tags=["figure:07_best"]
# From docs/fusion.md, "Where they meet": F1 of scenes
meet = {"early": 73.0, "middle": 63.9, "late": 61.3, "shared": 68.7}
plots.bars(meet, title="Where the sensors meet", unit="F1 of scenes (%)")

# %% [markdown]
# **After**: early fusion, the simplest and smallest, is best for scenes with
# so few labels. For **maps** it hardly matters: early, middle and late reach
# 68 to 70 % mIoU, shared 64. This is a result for images that lie exactly on
# top of each other. If they do not, early fusion compares wrong pixels.

# %%
quiz.ask("07-early-late")

# %% tags=["quiz"]
quiz.answer("07-early-late", "...")

# %% [markdown]
# ## The table
#
# 8 minutes, about five of them computing time. Which sets are worth
# combining? One run proves nothing, so each set is trained with three seeds.
# A seed fixes the labelled patches, the initial weights and the order, the
# same for all sets. Everything else is equal: early fusion, 25 labels per
# class, supervised, strong views.
#
# You can stop it at any time: finished runs are loaded the next time, and
# interrupted ones resume.
#
# The climate alone needs no training: predict the most common class of its
# zone.

# %%
counts = pd.crosstab(zone.numpy(), scenes.labels.numpy())  # (zones, classes)
alone, chance = counts.max(axis=1).sum() / len(scenes), 1 / scenes.num_classes
print(f"the most common class of each zone: {alone:.0%} correct, {chance:.0%}"
      " is chance")  # fmt: skip
assert chance < alone < 3 * chance

# %%
from workshop_lib.experiments.sweeps import sweep

IN_CLASS = config.optim.steps >= 2000  # else a test, in seconds
STEPS, LOOK, SEEDS = (500, 250, 3) if IN_CLASS else (4, 4, 1)
FOLDER = f"runs/{preset_time()}/fusion"
base = config.replace(method="supervised", labeled_view="strong",
                      labels_per_class=25, steps=STEPS, eval_every=LOOK,
                      precision="fp32")  # fmt: skip

# %%
one, two = ("s2",), ("s2", "s1")
SETS = {
    "S2": base.replace(sensors=one),
    "S1": base.replace(sensors=("s1",)),
    "S2 + S1": base.replace(sensors=two),
    "S2 + climate": base.replace(sensors=one, metadata=("climate",)),
    "S2 + S1 + climate": base.replace(sensors=two, metadata=("climate",)),
}

# %% tags=["slow"] seconds=150
scores = sweep(SETS, seeds=SEEDS, folder=f"{FOLDER}/scenes", verbose=False)
scores = scores.rename(columns={"macro_f1": "f1"})
print(len(scores), "training runs, saved in", f"{FOLDER}/scenes")
assert len(scores) == len(SETS) * SEEDS and scores["f1"].between(0, 1).all()

# %% [markdown]
# The same for maps: which land cover does each *pixel* have? We use 20
# labelled tiles, a U-Net (notebook 08), S2, S1 and both, and two seeds,
# because a U-Net takes three times as long.

# %% tags=["slow"] seconds=130
unet = "unet-16" if IN_CLASS else "unet-4"
maps = sweep(
    {name: SETS[name].replace(heads=("cover",), encoder=unet,
                              labels_per_class=2)
     for name in ("S2", "S1", "S2 + S1")},
    seeds=min(2, SEEDS), folder=f"{FOLDER}/maps", verbose=False)  # fmt: skip
maps = maps.rename(columns={"mean_iou": "iou"})
print(len(maps), "training runs, saved in", f"{FOLDER}/maps")
assert len(maps) == 3 * min(2, SEEDS) and maps["iou"].max() <= 1

# %% [markdown]
# A small mark is one seed, the bar their mean: blue circles where the mean
# reaches that of S2 (the grey line), orange squares where it does not. Rows
# without marks on the right were not measured. **Before**: which row will be
# furthest to the right of the grey line?

# %%
plots.modality_gains(scores, maps)

# %% tags=["hide-input"]
# @title The same as a table
table = scores.groupby("name", sort=False)[["parameters"]].first()
for title, rows, column in (("scenes: F1, %", scores, "f1"),
                            ("maps: mIoU, %", maps, "iou")):  # fmt: skip
    seeds = 100 * rows.pivot(index="name", columns="seed", values=column)
    pairs = zip(seeds.mean(axis=1), seeds.std(axis=1), strict=True)
    text = [f"{m:.1f} ± {s:.1f}".removesuffix(" ± nan") for m, s in pairs]
    table[title] = pd.Series(text, seeds.index)
assert list(table.index) == list(SETS)
table.fillna("")

# %% [markdown]
# ### From numbers to a verdict
#
# A mean may hide seeds that disagree. So look at the **gain seed by seed**:
# what a modality adds with the same labels, weights and order. As in notebook
# 05, the 95 % interval of the mean gain decides.
#
# The verdict is one word: complementary, harmful, redundant or unsure.
# **Before** you read the code: which would you give for gains of 7.5, 5.0 and
# 9.0 points, for 12 and -11, and for 7.5 with one seed alone?


# %%
from scipy import stats


def verdict(gains):
    """Say in a word what a modality adds, from its gains seed by seed."""
    n = len(gains)
    if n < 2:  # one seed alone proves nothing
        return "unsure"
    mean, spread = pd.Series(gains).mean(), pd.Series(gains).std()
    half = stats.t.ppf(0.975, n - 1) * spread / n**0.5
    if abs(mean) > half:  # the interval does not contain 0
        return "complementary" if mean > 0 else "harmful"
    return "redundant" if abs(mean) + half < 1 else "unsure"


# %%
for seeds in ([7.5, 5.0, 9.0], [12.0, -11.0], [7.5]):
    print(seeds, verdict(seeds))
assert verdict([7.5, 5.0, 9.0]) == "complementary"
assert verdict([12.0, -11.0]) == verdict([7.5]) == "unsure"


# %%
def gains(rows, column, more, less):
    """Points that the larger set is better by, one number per seed."""
    wide = 100 * rows.pivot(index="seed", columns="name", values=column)
    return (wide[more] - wide[less]).tolist()


PAIRS = {"S1 to S2": ("S2 + S1", "S2"),
         "climate to S2": ("S2 + climate", "S2"),
         "climate to S2 + S1": ("S2 + S1 + climate", "S2 + S1")}  # fmt: skip
for name, pair in PAIRS.items():
    found = gains(scores, "f1", *pair)
    told = ", ".join(f"{gain:+.1f}" for gain in found)
    print(f"{name:20}{told:22}{verdict(found):15}you: {GUESS[name]}")

# %%
found = gains(maps, "iou", "S2 + S1", "S2")
told = ", ".join(f"{gain:+.1f}" for gain in found)
print(f"{'maps: S1 to S2':20}{told:22}{verdict(found)}")
if IN_CLASS and DATA == "mini_eo":  # on average: single seeds may differ
    assert sum(gains(scores, "f1", "S2 + S1", "S2")) > 0 < sum(found)

# %% [markdown]
# **After** (with the preset of the class, on `mini_eo`):
#
# - **S1 is complementary to S2**: each seed gains 4 to 8 points. Each sensor
#   holds information that the other does not. For maps the gain is larger, 15
#   and 21 points; but two seeds are too few for a verdict, so: `unsure`.
# - **The climate** alone predicts the class twice as often as chance. Added
#   to S2 it costs each seed 3 points: `harmful`. Added to S2 and S1 it gains
#   1 point on average, but not with every seed: `unsure`. Without the rule
#   you might have explained a gain that may be chance.
#
# (docs/fusion.md has five seeds, and writes *adds*, *harms* and *not clear*.)
#
# Does the climate hold no information, or did the network not find it? A
# random forest that reads mean and spread of each channel gains 0.1 points
# from the climate and 12 from S1 (docs/mini_eo.md). So the climate is
# **redundant** in the data. A network with few labels and steps may still
# come to rely on it, and memorise its 250 patches by it. That is why the
# library drops half of the metadata's effect at random in training. It keeps
# the harm small, but does not remove it.

# %%
quiz.ask("07-redundant")

# %% tags=["quiz"]
quiz.answer("07-redundant", "...")

# %% [markdown]
# ## When more is less
#
# 2 minutes. Some inputs are correct, useful, and dangerous. Longitude is one.
# In four regions of MiniEO man-made scenes are more in the west, and natural
# ones in the east. In the fifth region it is the other way round. (Such
# things happen: a coast, a border, the time of an overflight.)

# %% tags=["hide-input"]
# @title Where man-made scenes are
import numpy as np

people = ("AnnualCrop", "Highway", "Industrial", "Residential", "Orchard",
          "Quarry")  # fmt: skip
made = np.isin(np.array(scenes.class_names)[scenes.labels], people)
region = scenes.metadata["region"].numpy().astype(int)
lon = scenes.metadata["lon"].numpy()
for k in range(5):
    inside = region == k
    east = lon[inside & made].mean() - lon[inside & ~made].mean()
    print(f"region {k}: man-made scenes are {east:+.1f} degrees east")
assert east > 0  # in the fifth; below 0 in the others

# %% tags=["hide-input"]
# @title Longitude in two regions
picture = plots.AccessibleFigure(figsize=(9, 3.2))
where = {"continental, one of the four": 2, "semi-arid, the fifth": 4}
for place, (name, k) in enumerate(where.items(), 1):
    axes = picture.add_subplot(1, 2, place)
    two = [lon[(region == k) & one] for one in (made, ~made)]
    axes.hist(two, bins=12, label=["made by people", "nature"])
    for bar in axes.containers[1]:
        bar.set_hatch("//")  # not by colour alone
    axes.set(title=name, xlabel="degrees east", ylabel="patches")
    axes.legend()
    means = [f"{one.mean():.1f}" for one in two]
    picture.alt += f"{name}, mean longitude: {' and '.join(means)}. "
picture

# %% [markdown]
# A random forest learns in four regions. It is tested there, on patches that
# it has not seen, and then in the fifth. First it reads the radar alone, then
# radar and longitude. **Before**: where does longitude help?

# %%
from sklearn.ensemble import ExtraTreesClassifier

s1 = scenes.modalities["s1"]
s1 = torch.cat([s1.mean((2, 3)), s1.std((2, 3))], dim=1).numpy()  # (N, 4)
y, far = scenes.labels.numpy(), region == 4
near = ~far & (np.arange(len(y)) // 10 % 3 == 0)
right = {}
for name, x in (("S1", s1), ("S1 + longitude", np.c_[s1, lon])):
    forest = ExtraTreesClassifier(200, min_samples_leaf=2, random_state=0)
    forest.fit(x[~far & ~near], y[~far & ~near])
    right[f"{name}, at home"] = 100 * forest.score(x[near], y[near])
    right[f"{name}, far away"] = 100 * forest.score(x[far], y[far])

# %%
title = "Learnt in four regions, tested at home and in the fifth"
lost = right["S1 + longitude, far away"] - right["S1, far away"]
won = right["S1 + longitude, at home"] - right["S1, at home"]
print(f"longitude at home: {won:+.1f} points, far away: {lost:+.1f}")
print("you:", GUESS["longitude, far away"])
if DATA == "mini_eo":
    assert lost < -2 and won > -1
plots.bars(right, title=title, unit="correct (%)")

# %% [markdown]
# **After**: at home it looks harmless, even helpful. Far away it costs
# several points. No result at home could have shown it: not validation, not
# the test, not five seeds. Only a region that was held back shows it.
#
# Is a network misled as well? A small one was not: away from home it reached
# 53.7 % with S1, and 55.0 % with S1 and longitude (docs/fusion.md, five
# seeds, version 0.1). What misleads one model need not mislead another, so
# test yours. Compare with your guess.

# %%
quiz.ask("07-longitude")

# %% tags=["quiz"]
quiz.answer("07-longitude", "...")

# %% [markdown]
# ## A sensor fails
#
# 3 minutes. In December 2021 one of the two Sentinel-1 satellites failed, and
# clouds hide S2 every day. What does a network do that has always had both,
# if one is missing?
#
# **Modality dropout** prepares it: in training each modality of a strong view
# is left out at random (here with probability 0.3, never all of them).
# Missing values are replaced by a learnt number. **Before**: what will that
# cost on a day when both sensors are there?

# %% tags=["slow"] seconds=25
both = SETS["S2 + S1"].replace(modality_dropout=0.3)
trained = sweep({"S2 + S1 dropout": both}, seeds=SEEDS,
                folder=f"{FOLDER}/dropout", verbose=False)  # fmt: skip
assert len(trained) == SEEDS and (trained["parameters"] > 160_000).all()

# %%
from workshop_lib.evaluation.inference import predict
from workshop_lib.training.run import Run

images = {name: sample[name] for name in ("s2", "s1")}


def predictions(folder, lost, index):
    """Predict with a trained network, without one of the sensors: (n, K)."""
    model, normalize = Run.load(folder).load_model()
    left = {name: images[name] for name in images if name != lost}
    return predict(model, left, normalize, index=index)["scene"]


# %%
usual = scores[scores["name"] == "S2 + S1"]
NETWORKS = {"as usual": list(usual["folder"]),
            "with dropout": list(trained["folder"])}  # fmt: skip
tests = [make_split(scenes, base.replace(split_seed=seed).data).test
         for seed in range(SEEDS)]  # fmt: skip
survived = {}
for lost in ("nothing", "s1", "s2"):
    for name, folders in NETWORKS.items():
        hits = []
        for folder, test in zip(folders, tests, strict=True):
            probs = predictions(folder, lost, test)
            hits.append((probs.argmax(1) == scenes.labels[test]).float())
        share = 100 * torch.stack(hits).mean().item()
        survived[f"{lost} missing, {name}"] = share

# %%
fee, help_s1 = (
    survived[f"{lost} missing, with dropout"]
    - survived[f"{lost} missing, as usual"]
    for lost in ("nothing", "s1")
)
print(f"both there: {fee:+.1f} points; without S1: {help_s1:+.1f} points")
if IN_CLASS and DATA == "mini_eo":
    assert help_s1 > 10
plots.bars(survived, title=f"A sensor fails: mean of {SEEDS} seeds",
             unit="correct (%)")  # fmt: skip

# %% [markdown]
# **After** (with the preset of the class): read the bars in pairs. The usual
# network relies on the radar. Without S2 it works nearly as before; without
# S1 it is hardly better than chance, although a network trained on S2 alone
# reaches about 70 %. The network with dropout relies on neither.
#
# Dropout is an insurance, and here it has a price: several points on each
# good day. (With late fusion there was none: docs/fusion.md.) Is it worth it?
# If a fraction $p$ of the patches has no radar, you gain $p \cdot$ help and
# pay $(1 - p) \cdot$ fee. Compute with the two numbers printed above: from
# which $p$ does it pay?
#
# ### Look at single patches
#
# Choose what is missing, and move through the patches. When the usual network
# is wrong, is it confident? (Without a live kernel, you see one patch without
# S1.)

# %%
from workshop_lib.course import widgets

test = tests[0][:24]
answers = {
    lost: {
        name: predictions(folders[0], lost, test)
        for name, folders in NETWORKS.items()
    }
    for lost in ("nothing", "s2", "s1")
}
few = scenes.subset(test)
widgets.sensor_browser(answers, few)

# %% [markdown]
# ## FixMatch with two sensors
#
# 5 minutes, about three of them computing time. FixMatch needs a weak and a
# strong view. With two sensors there are two rules for the strong one:
#
# - **one geometry**: both are rotated, shifted and cropped in the same way,
#   or their pixels no longer show the same ground;
# - **physics for each**: light and haze change reflectance, not radar. Radar
#   gets another incidence angle (an offset in dB) and new speckle. Facts stay
#   as they are: they have no pixels.

# %%
from workshop_lib.augment import SampleAugmentation


def strong_view(sensors, seed):
    """Return a strong view of each sensor, (B, C, H, W), in its own unit."""
    widths = {name: images.shape[1] for name, images in sensors.items()}
    strong = SampleAugmentation("strong", widths)
    B, _, H, W = next(iter(sensors.values())).shape
    generator = torch.Generator().manual_seed(seed)
    drawn = strong.sample_params(B, (H, W), generator)
    copies = {name: images.clone() for name, images in sensors.items()}
    return strong.apply(copies, drawn)


# %%
three = {name: sample[name][[1, 3, 7]] for name in ("s2", "s1")}
views = strong_view(three, seed=4)
shown = {}
for k, name in enumerate(scenes.class_names[c] for c in (1, 3, 7)):
    for what, both in (("stored", three), ("strong", views)):
        s2, s1 = both["s2"][[k]], both["s1"][[k]]
        shown[f"{name}\nS2, {what}"] = plots.to_display(s2, scenes.bands)[0]
        shown[f"{name}\nS1, {what}"] = plots.sar_to_display(s1)[0]
plots.panels(shown, title="Strong views of two sensors", columns=4)

# %% [markdown]
# Compare the two columns on the right. First look at the hole and the edges:
# they are at the same place in S2 and in S1. Then at the colours: the light
# of S2 has changed, and S1 is brighter or darker as a whole, with other
# speckle. (Distorting an image also smooths it a little.)
#
# The first rule can be checked exactly. Two sensors that hold the same
# numbers, and that have no physics of their own, must stay equal.

# %%
ramp = torch.arange(32.0 * 32).view(1, 1, 32, 32).repeat(8, 1, 1, 1) / 1024
view = strong_view({"one": ramp, "two": ramp}, seed=0)
assert torch.equal(view["one"], view["two"])
assert not torch.equal(view["one"], ramp)
print("✓ one geometry for all")

# %%
quiz.ask("07-geometry")

# %% tags=["quiz"]
quiz.answer("07-geometry", "...")

# %% [markdown]
# Now FixMatch with 4 labels per class, on S2 alone (the run of notebook 04,
# if you did it: then it is loaded) and on S2 with S1.

# %% tags=["slow"] seconds=80
from workshop_lib.course.runs import class_run

runs = {"FixMatch, S2": class_run("fixmatch", scenes, split, config)}

# %% tags=["slow"] seconds=90
fused = config.replace(sensors=("s2", "s1"))
runs["FixMatch, S2 + S1"] = class_run("fixmatch", scenes, split, fused)

# %%
from workshop_lib.evaluation.scoring import evaluate

reached = {}
for name, run in runs.items():
    reached[name] = evaluate(run, scenes, split).scores.accuracy
    print(f"{name:20}{reached[name]:6.1%} of the test images are correct")
assert all(0 <= share <= 1 for share in reached.values())
plots.learning_curves({name: run.log for name, run in runs.items()})

# %% [markdown]
# **After**: this is one seed each, so the verdict is `unsure`, whatever the
# two numbers say. But look at the fused line in the first third: a second
# sensor gives better pseudo-labels early, and FixMatch depends on them.
#
# Shorter runs (500 steps, version 0.1) are in docs/fusion.md: over five seeds
# S1 raised the F1 of FixMatch from 65.0 to 76.1 %. (With the preset `ci`,
# none of this is visible.)

# %% [markdown]
# ## Key points
#
# - Early fusion stacks channels; late fusion joins features; shared fusion is
#   late fusion with one backbone. For scenes with few labels, early was best.
# - Facts have no pixels: dates go on a circle, categories are one-hot, and
#   the vector shifts the maps of the network.
# - Normalise each channel by the training patches, and ignore missing values.
# - What a modality adds depends on the other inputs. Measure sets, seed by
#   seed, against the set without it.
# - What is redundant in the data can cost a network points, or seem to help.
# - Metadata that help at home may mislead elsewhere. Hold a region out.
# - Modality dropout is an insurance against a sensor that fails. It may have
#   a price: compute when it pays.
# - One geometry for all sensors, physics for each.
#
# ## What to try next
#
# - `DATA = "mini_eo:7"`: do your verdicts hold in another world?
# - All twelve bands: `config.replace(bands="B01,B02,...")`. Is S1 still
#   complementary?
# - `base.replace(fusion="late")`, `"shared"` or `"middle"` in the table: does
#   early fusion stay the best without the climate?
# - Elevation, season and weather: `sensors=("s2", "dem")`,
#   `metadata=("season",)`, `metadata=("weather",)`. Guess first.
# - `python -m benchmarks.fusion` measures more sets, and four fusions.
# - Notebook 08 draws maps: from one label per patch to one per pixel.

# %% [markdown]
# ## Vocabulary
#
# | from deep learning | what it is |
# |---|---|
# | modality | one kind of input: a sensor, a map, a fact |
# | early fusion, late fusion | combined at the pixels; at the features |
# | backbone | the part of a network that turns an image into features |
# | head | the last layer: turns features into one score per class |
# | metadata | facts about a patch: date, climate, weather |
# | modality dropout | leaving out a modality at random while training |
# | F1 | one number for recall and precision, averaged over the classes |
# | IoU | overlap of two areas divided by their union |
#
# | from remote sensing | what it is |
# |---|---|
# | backscatter | the radar signal that returns, in decibels (dB) |
# | VV, VH | sent vertically, received vertically or horizontally |
# | DEM | digital elevation model: the height of each pixel |
# | climate zone | a letter code, such as Dfc: cold, without a dry season |

# %% [markdown]
# ## Sources
#
# - Baltrušaitis, Ahuja and Morency 2017, *Multimodal Machine Learning: A
#   Survey and Taxonomy*: early and late fusion.
#   [arXiv:1705.09406](https://arxiv.org/abs/1705.09406)
# - Mommert et al. 2023, *ben-ge: Extending BigEarthNet with Geographical and
#   Environmental Data*. [arXiv:2307.01741](https://arxiv.org/abs/2307.01741)
# - Sumbul et al. 2021, *BigEarthNet-MM*.
#   [doi:10.1109/MGRS.2021.3089174](https://doi.org/10.1109/MGRS.2021.3089174)
# - Neverova et al. 2014, *ModDrop: adaptive multi-modal gesture recognition*:
#   modality dropout. [arXiv:1501.00102](https://arxiv.org/abs/1501.00102)

# %%
from workshop_lib.course import progress

progress.show()
