# %% [markdown]
# # 07 Fusion: is a second sensor worth it?
#
# One satellite measures light, another one sends microwaves, a third file
# holds heights, a fourth the weather. All of them tell of the same ground.
# This notebook puts them together, in four ways, and then asks the question
# that is often left out: does the network get better by it?
#
# **After this notebook you can**
#
# - turn a date and a climate into numbers that a network can read;
# - normalise channels of different units, where some are missing too;
# - read a late fusion of two backbones, and predict what each fusion weighs;
# - measure which modalities are complementary, redundant or harmful;
# - show an input that helps at home and misleads far away;
# - make a network survive the loss of a sensor;
# - say which augmentation is right for which sensor.
#
# **You need** notebook 04. 05 helps: a gain needs more than one seed.
#
# **Time**: 40 minutes. The trainings take about eight of them on two cores,
# one less after notebook 04; each is kept, and loaded when you come back.

# %% [markdown]
# ## The modalities
#
# 5 minutes. **The data setting** first. Fusion needs several sensors of one
# place, and a folder of photographs has one. So `"ucm"` and `"eurosat"`,
# which the notebooks before could read, have nothing to fuse here.
#
# - `DATA` goes into all trainings. `"mini_eo:7"` is another world, made by
#   the same rules: whatever you conclude below should hold there too.
# - `REAL` takes real pairs of Sentinel-2 and Sentinel-1, if you have some of
#   BigEarthNet. They are looked at, and measured by your functions.
#   They are not trained on: each has several labels, and the methods here
#   choose one class per image.

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
# So every patch has 4 bands of light (here; MiniEO has 12), 2 channels of
# radar, a height for each pixel, and some numbers that hold for the patch as
# a whole. Below is one patch of each class, in true colour, with near
# infrared as red, as radar, as height, and as the land-cover map behind it.
#
# **Before**: find two classes that you could confuse in true colour. Which
# column would help you most?

# %%
from workshop_lib import plots

plots.modality_samples(scenes)

# %% [markdown]
# **After**: in the radar column (VV in red, VH in green, their difference in
# blue) buildings and trees shine, whatever the season, the haze and the
# light. The river is dark; the lake is not: on that day a wind of 11 m/s had
# roughened it. Fields look alike. The height says little: water is level,
# and that is all.
#
# The last column is not an input. It *is* the answer, near enough: if
# you can look at the map, you need no network.
#
# Now the facts. `season` is 1 on 21 June and 0 on 22 December; rain is that
# of three days, in millimetres; wind in metres per second.

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
# - `complementary`: it tells what the others do not know;
# - `redundant`: what it tells, the others tell already;
# - `harmful`: with it the network gets worse;
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
# 5 minutes. The simplest meeting place is the pixel: stack the channels of
# all sensors, and give them to a network with more input channels. But a fact
# has no pixels. It becomes a few numbers in a **vector**, by what it is:
#
# - a **quantity**, such as rain, is taken as it is;
# - a **day of the year** goes round, 31 December is next to 1 January. So it
#   is a point on a circle: sine and cosine of $2\pi \cdot$ day / 365;
# - a **climate zone** has a number, but zone 4 is not twice zone 2. So there
#   is a number for each zone: 1 for the patch's own, 0 for the others. That
#   is called **one-hot**.
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
# You stack patches on patches. The numbers are axis 1: `dim=1`.

# %%
from workshop_lib.course import checks

checks.encode_facts(encode_facts)

# %% [markdown]
# The library keeps the parts of a sample apart, in a dictionary: the images
# of each sensor, and the vector as `"metadata"`. Here are its shapes, and one
# patch channel by channel.

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
# **After**: look at the two numbers below each map, the ends of its scale:
# the channels hardly share a unit. That is the next section.

# %% [markdown]
# ## Normalise each modality
#
# 5 minutes. Reflectance lies between 0 and about 0.5, backscatter between
# -25 and 0 dB. On one axis it looks like this.

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
# So each channel is normalised by itself: subtract its mean, divide by its
# deviation. Two traps:
#
# - **From the training patches only.** What the test patches are like is
#   part of the question.
# - **Some patches lack a sensor.** Their pixels are NaN ("not a number")
#   here. One NaN in a sum makes the sum NaN; a 0 in its place would be a
#   radar echo brighter than any city.
#
# **Exercise 2** (medium, important, 4 minutes). Mean and deviation of each
# channel, over the training patches, without what is missing.


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
# I get `module 'torch' has no attribute 'nanstd'`
#
# There is none. The deviation is the root of the mean of the squared
# distances from the mean, and `nanmean` there is.

# %% [markdown] tags=["hint"]
# I get `The size of tensor a must match the size of tensor b`
#
# (n, C, H, W) minus (C,) lines up C with W. Give the mean two more axes:
# `mean[:, None, None]`.

# %%
checks.channel_statistics(channel_statistics)

# %% [markdown]
# Now take the radar away from every fifth patch, and look at what each
# treatment makes of the mean of VV.

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
# **After**: both have their middle at 0 and a spread of 1. Neither can drown
# the other. What a patch lacks becomes 0 *after* normalising: the mean, "as
# usual".
#
# ### Real pairs, if you have some
#
# With `REAL` set above, your function meets real patches. Look at the mean of
# each channel: is the radar's near that of MiniEO?

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
# 7 minutes. Stacking assumes that the pixels of both sensors belong
# together, and that one network suits both. There are other meeting places:
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
# so that a backbone need not know where they come from.
#
# Facts enter all four alike: two small layers turn the vector into one number
# for each map of the backbone, which is **added** to that map. So the network
# can learn to read the same pixels differently in winter.
#
# A late fusion in full, below: two backbones, `(B, C, H, W)` to `(B, 96)`,
# and a head that reads the features of both, side by side. **Predict**
# (1 minute): if the features were added instead, what could the head no
# longer tell?
#
# 60 steps on 250 labelled patches: does it learn?

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
# ### What does it weigh?
#
# Which of the four has the most numbers to learn, and which the fewest? All
# are built from three kinds of parts. A backbone gives 96 features.


# %%
def backbone(channels):
    """Numbers that a backbone learns, which reads so many channels."""
    return sum(weight.numel() for weight in small_cnn(channels).parameters())


def stem(channels):
    return 9 * channels * 24 + 2 * 24  # 3 x 3 filters; a norm has 2 per map


def head(features, classes):
    return features * classes + classes


# %% [markdown]
# **Predict** (1 minute) from the drawing above: write down the four in order,
# the lightest first. Then compare the sums: `c2` and `c1` are the channels of
# the two sensors.


# %%
def predict_parameters(c2, c1, classes):
    """Return the numbers learnt by early, middle, late and shared fusion."""
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
plots.bars(counts, title="What S2 + S1 weigh, by fusion", unit="numbers")

# %% [markdown]
# **After**: early fusion costs next to nothing: a second sensor adds
# channels to one layer. Late fusion doubles the network, and each sensor
# gets all the room it wants. Shared fusion has the drawing of late fusion at
# about the weight of early fusion.
#
# (The library counts six more: a number for each channel, which stands in
# where a sensor is missing.)

# %%
quiz.ask("07-early-late")

# %% tags=["quiz"]
quiz.answer("07-early-late", "...")

# %% [markdown]
# ## The table
#
# 8 minutes, of which the machine takes about five. Now the question itself:
# which sets are worth combining? One training proves nothing, so each set is
# trained from three seeds, which draw the labelled patches, the first
# weights and the order alike for all sets. Everything else is equal: early
# fusion, 25 labels per class, supervised, strong views.
#
# Stop it whenever you like: what is finished is loaded the next time, what
# was interrupted goes on.
#
# The climate alone needs no training: name the commonest class of its zone.

# %%
counts = pd.crosstab(zone.numpy(), scenes.labels.numpy())  # (zones, classes)
alone, chance = counts.max(axis=1).sum() / len(scenes), 1 / scenes.num_classes
print(f"the commonest class of each zone: {alone:.0%} right, {chance:.0%} is"
      " chance")  # fmt: skip
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
print(len(scores), "trainings, kept in", f"{FOLDER}/scenes")
assert len(scores) == len(SETS) * SEEDS and scores["f1"].between(0, 1).all()

# %% [markdown]
# The same for maps: which land cover has each *pixel*? From 20 labelled
# tiles, with a U-Net (notebook 08), for the two sensors and both, and from
# two seeds: a U-Net takes three times as long.

# %% tags=["slow"] seconds=130
unet = "unet-16" if IN_CLASS else "unet-4"
maps = sweep(
    {name: SETS[name].replace(heads=("cover",), encoder=unet,
                              labels_per_class=2)
     for name in ("S2", "S1", "S2 + S1")},
    seeds=min(2, SEEDS), folder=f"{FOLDER}/maps", verbose=False)  # fmt: skip
maps = maps.rename(columns={"mean_iou": "iou"})
print(len(maps), "trainings, kept in", f"{FOLDER}/maps")
assert len(maps) == 3 * min(2, SEEDS) and maps["iou"].max() <= 1

# %% [markdown]
# A small mark is one seed, the bar their mean: blue circles where the mean
# reaches that of S2 (the grey line), orange squares where it does not. Rows
# without marks on the right were not measured. **Before**: which row will
# lie furthest to the right of the grey line?

# %%
plots.modality_gains(scores, maps)

# %%
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
# ### From figures to a verdict
#
# A mean may hide seeds that disagree. So look at the **gain seed by seed**:
# what a modality adds with the same labels, weights and order.
#
# The verdict is one word: complementary, harmful, redundant or unsure.
# **Before** you read the code: which would you give for gains of 7.5, 5.0 and
# 9.0 points, for 12 and -11, and for 7.5 with one seed alone?


# %%
def verdict(gains):
    """Say in a word what a modality adds, from its gains seed by seed."""
    if len(gains) >= 2:  # one seed alone proves nothing
        if all(gain >= 1 for gain in gains):
            return "complementary"
        if all(gain <= -1 for gain in gains):
            return "harmful"
        if all(abs(gain) < 1 for gain in gains):
            return "redundant"
    return "unsure"


for seeds in ([7.5, 5.0, 9.0], [12.0, -11.0], [7.5]):
    print(seeds, verdict(seeds))


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
# **After** (with the trainings of the class):
#
# - **S1 is complementary to S2**: each seed gains 4 to 8 points. Each sensor
#   knows something the other does not. For maps it gains even more: 15 points
#   with one seed, 21 with the other.
# - **The climate** names the class twice as often as chance when it is alone.
#   Beside S2 it costs each seed 3 points: `harmful`. Beside S2 and S1 it
#   gains 1 point on average, but not with every seed: `unsure`. Without the
#   rule you would have told a story about that gain, which may be chance.
#
# Is there nothing in it, or did the network not find it? A random forest,
# which reads mean and spread of each channel, gains 0.1 points from the
# climate and 12 from S1 (`python -m benchmarks.feature_information`, in
# docs/mini_eo.md). So the climate is **redundant** in the data. What a
# network makes of it is another question: with few steps and labels it may
# come to rely on the climate, and recognise its 250 patches by it. So the
# library drops half of what it makes of the facts at random in training. That
# keeps the harm small, and does not undo it.

# %%
quiz.ask("07-redundant")

# %% tags=["quiz"]
quiz.answer("07-redundant", "...")

# %% [markdown]
# ## When more is less
#
# 2 minutes. Some inputs are right, useful, and dangerous. Longitude is one.
# In four regions of MiniEO what people made lies more to the west, and
# nature to the east. In the fifth region it is the other way round. (Such
# things happen: a coast, a border, the time of an overflight.)

# %%
import numpy as np

people = ("AnnualCrop", "Highway", "Industrial", "Residential", "Orchard",
          "Quarry")  # fmt: skip
made = np.isin(np.array(scenes.class_names)[scenes.labels], people)
region = scenes.metadata["region"].numpy().astype(int)
lon = scenes.metadata["lon"].numpy()
for k in range(5):
    inside = region == k
    east = lon[inside & made].mean() - lon[inside & ~made].mean()
    print(f"region {k}: what people made lies {east:+.1f} degrees east")
assert east > 0  # in the fifth; below 0 in the others

# %%
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
# A random forest learns in four regions. It is asked there, about patches
# that it has not seen, and then in the fifth. First it reads the radar
# alone, then radar and longitude. **Before**: where does longitude help?

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
title = "Learnt in four regions, asked at home and in the fifth"
lost = right["S1 + longitude, far away"] - right["S1, far away"]
won = right["S1 + longitude, at home"] - right["S1, at home"]
print(f"longitude at home: {won:+.1f} points, far away: {lost:+.1f}")
print("you:", GUESS["longitude, far away"])
if DATA == "mini_eo":
    assert lost < -2 and won > -1
plots.bars(right, title=title, unit="right (%)")

# %% [markdown]
# **After**: at home it looks harmless, even helpful. Far away it costs
# several points. No figure of the home regions could have told: validation,
# test and five seeds would all have praised it. Only a region that nothing
# was learnt from can tell. Compare with your guess.

# %%
quiz.ask("07-longitude")

# %% tags=["quiz"]
quiz.answer("07-longitude", "...")

# %% [markdown]
# ## A sensor fails
#
# 3 minutes. In December 2021 one of the two Sentinel-1 satellites fell
# silent, and clouds hide S2 every day. A network that has always had both
# meets a patch with one.
#
# **Modality dropout** prepares it: in training each modality of a strong
# view is left out now and then (here with chance 0.3, never all of them).
# What is missing gets a number of its own, which is learnt. **Before**: what
# will it cost on a day when both sensors are there?

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
    """Ask a trained network about images that lack a sensor: (n, K)."""
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
             unit="right (%)")  # fmt: skip

# %% [markdown]
# **After** (with the trainings of the class): read the bars in pairs. The
# usual network leans on the radar. Without S2 it goes on nearly as before,
# without S1 it is hardly better than chance, although S2 alone is worth
# about 70 %. The network with dropout leans on neither.
#
# That is an insurance, and the fee is real: several points on each good day.
# Is it worth it? If a share $p$ of the patches lacks radar, you win
# $p \cdot$ help and pay $(1 - p) \cdot$ fee. Work out with the two figures
# printed above from which $p$ on it pays.
#
# ### Look at single patches
#
# Choose what is missing, and move through the patches. Is the usual network
# unsure when it is wrong, or sure? (Where no kernel listens, you see one
# patch without S1.)

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
# 5 minutes, of which the machine takes about three. FixMatch needs a weak
# and a strong view. With two sensors there are two rules for the strong one:
#
# - **one geometry**: turned, shifted and cut alike, or the pixels of the two
#   no longer show the same ground;
# - **physics for each**: light and haze change reflectance. A radar does not
#   see them: it gets another angle (an offset in dB) and new speckle. Facts
#   get nothing at all: no pixels of theirs could be moved.

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
# Compare the two columns on the right. Look at the hole and at the edges
# first: they lie at one place in S2 and in S1. Then at the colours: the light
# of S2 has changed, and S1 is brighter or darker as a whole, with another
# grain. (Distorting an image also smooths it a little.)
#
# The first rule can be checked to the last digit. Two sensors that hold the
# same numbers, and that no physics belongs to, must stay the same.

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
# if you have done it: then it is loaded) and on S2 with S1.

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
    print(f"{name:20}{reached[name]:6.1%} of the test images are right")
assert all(0 <= share <= 1 for share in reached.values())
plots.learning_curves({name: run.log for name, run in runs.items()})

# %% [markdown]
# **After**: these are one seed each. By the rule that you wrote yourself the
# verdict is `unsure`, whatever the two figures say. But look where the fused
# line stands in the first third: a second sensor gives better pseudo-labels
# early, and FixMatch lives on those.
#
# Shorter trainings (500 steps, version 0.1 of the library) were measured by
# `python -m benchmarks.fusion --studies fixmatch`. There S1 added 15, 8 and
# 11 points of F1 to FixMatch on S2 with three seeds. Put these three into
# your `verdict`. (In the preset `ci` nothing of this can be seen.)

# %% [markdown]
# ## Key points
#
# - Early fusion stacks; late fusion meets at the features; shared fusion is
#   late fusion at the weight of early fusion.
# - Facts have no pixels: dates go on a circle, categories are one-hot, and
#   the vector shifts the maps of the network.
# - Normalise each channel by the training patches; what is missing enters no
#   mean.
# - What a modality is worth depends on what the others know already. Measure
#   sets, seed by seed, against the set without it.
# - What is redundant in the data can cost a network points, or seem to help.
# - Metadata that help at home may mislead elsewhere. Hold a region out.
# - Modality dropout is an insurance against a sensor that fails. It has a
#   fee: work out when it pays.
# - One geometry for all sensors, physics for each.
#
# ## What to try next
#
# - `DATA = "mini_eo:7"`: do your verdicts hold in another world?
# - All twelve bands: `config.replace(bands="B01,B02,...")`. Is S1 still
#   complementary?
# - `base.replace(fusion="late")`, `"shared"` or `"middle"` in the table:
#   which one suits S2 + S1 best?
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
# | early fusion, late fusion | meeting at the pixels; at the features |
# | backbone | the part of a network that turns an image into features |
# | head | the last layer: turns features into one score per class |
# | metadata | facts about a patch: date, climate, weather |
# | modality dropout | leaving out a modality at random while training |
# | F1 | one number for found and right, averaged over the classes |
# | IoU | overlap of two areas divided by their union |
#
# | from remote sensing | what it is |
# |---|---|
# | backscatter | the radar's own signal that comes back, in decibel (dB) |
# | VV, VH | radar sent upright, received upright or level |
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
