# %% [markdown]
# # 02 Data and splits: who may see what
#
# The most expensive mistakes in machine learning are made before any
# training: in the split. They raise no error. They produce good results.
#
# **After this notebook you can**
#
# - describe a data set: classes, bands, spectra, places, seasons;
# - explain what training, validation and test images are for;
# - count the labels that were really used, not those that were requested;
# - make a split that any machine can reproduce, and save it;
# - find six faulty splits and recognise the one that is clean;
# - bring images of different sizes to one size without distorting them.
#
# **You need** notebook 01, and a little torch: `labels[index]`, `bincount`.
# New words are explained at the end: [Words](#Words).
#
# **Time**: 20 minutes. Nothing is trained.
#
# | section | minutes |
# |---|---|
# | The data | 2 |
# | Bands, places, seasons | 3 |
# | Three parts, and why | 3 |
# | A split that any machine can reproduce | 5 |
# | The detective | 5 |
# | Images of unequal size | 2 |

# %% [markdown]
# ## The data
#
# 2 minutes. **The data setting.** The notebook works on MiniEO, which needs
# no download. If you have UC Merced or EuroSAT (`workshop data ucm get`),
# change one word.

# %%
DATA = "mini_eo"  # or "ucm", "eurosat", or the path of a folder per class

# %%
from workshop_lib import plots
from workshop_lib.data.load import open_data
from workshop_lib.presets import preset

config = preset(data=DATA)
scenes, split = open_data(config)
names = scenes.class_names
print(scenes)
plots.class_samples(scenes)

# %% [markdown]
# One row per class. Colour varies within a row, while structure stays the
# same. That makes the task hard for a classifier that sees only colour, and a
# good one for a network.
#
# How many images are in each class, and how are they named? A split needs
# nothing but the names.

# %%
for name, count in zip(names, scenes.class_counts().tolist(), strict=True):
    print(f"{name:20}{count:6,}")
print(f"the first names: {', '.join(scenes.names[:3])}")
assert len(set(scenes.names)) == len(scenes), "names tell images apart"

# %% [markdown]
# ## Bands, places, seasons
#
# 3 minutes. Photographs record red, green and blue. Satellites record more
# bands, and also where and when. This section uses MiniEO whatever `DATA` is:
# 1,000 of its patches with all twelve bands.

# %%
from workshop_lib.data.mini_eo import BANDS, REGIONS, mini_eo

patches = mini_eo(1000, bands=BANDS)
plots.modality_samples(patches.subset(range(100)), which=4)

# %% [markdown]
# Read a row from left to right. **False colour** shows near infrared as red:
# plants reflect far more of it than of red light, so they look red. **Radar**
# (VV in red, VH in green) provides its own illumination: smooth water
# reflects it away from the sensor and looks dark; buildings reflect it back.
# **Land cover** is the true class of every pixel.
#
# A **spectrum** shows how much light is reflected in each band. Before you
# look: which cover is darkest in the near infrared, near 850 nm?

# %% tags=["figure:02_spectra"]
pixels = 100 * patches.images.permute(0, 2, 3, 1)  # (N, H, W, 12), per cent
nanometres = [plots.WAVELENGTHS[band] for band in patches.bands]
curves = {}
for cover in ("water", "building", "trees", "bare", "cropland",
              "grassland", "sealed"):  # fmt: skip
    own = pixels[patches.masks == patches.mask_names.index(cover)]  # (n, 12)
    curves[cover] = (nanometres, own.median(dim=0).values)
plots.lines(
    curves, title="Spectra of land covers: the median of their pixels",
    x_label="wavelength (nm)", y_label="reflectance (% of the light)",
)  # fmt: skip

# %% [markdown]
# Water absorbs infrared: beyond 700 nm it is the darkest cover. Trees absorb
# red and reflect near infrared: this step, the *red edge*, is what vegetation
# indices measure. Near 2,200 nm they are dark again, because leaves hold
# water. Bare soil and sealed ground have no such step.
#
# Now the mean spectra of whole images, class by class. Is Lake as dark?

# %%
plots.spectra(patches)

# %% [markdown]
# It is not: only a third of a Lake image is water, and **a patch mixes
# covers**. The blue band holds the middle 80 % of images, the line is their
# median, and grey lines are the other classes. Each blue band covers most of
# the grey lines. How far can you get with mean colour alone?

# %%
from sklearn.linear_model import LogisticRegression

mean_colour = 100 * patches.images.mean(dim=(2, 3)).numpy()  # (N, 12)
labels = patches.labels.numpy()
by_colour = LogisticRegression(max_iter=5000)
by_colour.fit(mean_colour[:700], labels[:700])
share = by_colour.score(mean_colour[700:], labels[700:])
print(f"by mean colour, 700 labels: {share:.0%} of 300 new images right")
assert 0.1 < share < 0.7

# %% [markdown]
# That is far above guessing (10 %) and far from good, even with 700 labels.
# This is classical machine learning: a person chooses the features, here mean
# colours, and a classifier learns from them. The networks of notebook 01 had
# 40 labels, and learnt their features, too: structure.
#
# **Places.** Each patch has a latitude and a longitude, in one of five
# regions. In real data, images taken close to each other look alike, so test
# images next to training images make an easy test. (MiniEO generates
# neighbours independently, and its regions are boxes, partly at sea.)

# %%
regions = [name.replace("_", "-") for name in REGIONS]
plots.location_map(patches, "region", regions)

# %% [markdown]
# **Seasons.** The same class through the year. Look at AnnualCrop: bare soil
# in winter, green stripes around day 150, pale after the harvest. Forty
# labelled images cannot show all of this; unlabelled images can.

# %%
plots.seasons(patches, ["Forest", "AnnualCrop", "Pasture"])

# %% [markdown]
# ## Three parts, and why
#
# 3 minutes.
#
# - **Training** images are for learning: a few with their label, the others
#   (the *unlabelled pool*) without.
# - **Validation** images are for choosing: which step, which threshold, which
#   method.
# - **Test** images are for reporting: once, after all choices are made.

# %%
print(split)
plots.split_bars(scenes, split)

# %% [markdown]
# Why not choose on the test images? Because the best of many is lucky as well
# as good. Take 20 networks that are all correct in 80 % of cases. Test each
# on 300 images and report the best; then repeat that 1,000 times.

# %%
import numpy as np

rng = np.random.default_rng(0)
right = rng.binomial(300, 0.8, size=(1000, 20)) / 300  # 20 equal networks
reported = right.max(axis=1).mean()
print(f"all networks: {right.mean():.1%}; the best of 20: {reported:.1%}")
assert reported > 0.83

# %% [markdown]
# That is four points gained by luck alone. Reporting them is not lying; it is
# selection.

# %% tags=["quiz"]
from workshop_lib.course import checks, quiz

quiz.ask("02-choice")

# %% tags=["quiz"]
quiz.answer("02-choice", "...")  # a letter in place of the dots

# %% [markdown]
# ### How many labels
#
# Papers say "40 labels" or "4 labels per class"; with ten classes that is the
# same. UC Merced has 21 classes. Typical values are 4, 25 or 40 labels per
# class.

# %%
for per_class in (4, 25, 40):
    print(f"{per_class:2} of each of 21 classes: {21 * per_class:3} labels")

# %% [markdown]
# An earlier workshop asked for 84 labels. Its log printed 84. Its training
# used 1,050. So: count what is *used*.
#
# **Exercise 1** (easy, very important, 2 minutes). `labels` holds the class
# of every image, `index` the positions of some. How many of the chosen images
# belong to each class? A class without any gets 0.

# %%
import torch


def count_labels(labels, index, num_classes):
    """Count the chosen images of each class: (N,), (n,), K -> (K,)."""
    ### BEGIN SOLUTION the labels of the chosen images, counted per class
    ### STUB chosen = ...  # (n,)
    chosen = labels[index]  # (n,)
    counts = chosen.bincount(minlength=num_classes)  # (K,)
    ### END SOLUTION
    return counts


# %% [markdown] tags=["hint"]
# I get fewer numbers than there are classes
#
# `bincount` stops at the highest class that occurs. `minlength=num_classes`
# pads the result with zeros.

# %% [markdown] tags=["hint"]
# I get numbers that are far too large
#
# Did you count all labels, or only those of `index`?

# %%
checks.count_labels(count_labels)
used = count_labels(scenes.labels, split.labeled, len(names))
used = torch.as_tensor(used)  # a plain list is fine, too
print(f"{used.tolist()}: {used.sum()} labels are used")
assert (used == config.data.labels_per_class).all()

# %% tags=["quiz"]
quiz.ask("02-labels")

# %% tags=["quiz"]
quiz.answer("02-labels", "...")

# %% [markdown]
# In each step a network sees a **batch**: a few labelled images and `mu`
# times as many unlabelled ones. The paper's ratio is 1:7; the earlier
# workshop's batch was 8 labelled and 56 unlabelled images. The two kinds run
# out at different times, so an *epoch* ("all images once") means nothing
# here. We count steps.

# %%
B, mu = 8, 7
pool = len(split.unlabeled)
print(f"{B} labelled : {mu * B} unlabelled images in a step")
few = len(split.labeled)
print(f"all {few} labelled: {few / B:.1f} steps")
print(f"all {pool:,} unlabelled: {pool / (mu * B):.1f} steps")
assert mu * B == 56

# %% tags=["quiz"]
quiz.ask("02-ratio")

# %% tags=["quiz"]
quiz.answer("02-ratio", "...")

# %% [markdown]
# ## A split that any machine can reproduce
#
# 5 minutes. "The split is random, with seed 42." Can you reproduce it? Only
# if your files are listed in the same order, and if nothing else uses the
# same random numbers.
#
# **Exercise 2** (hard, important, 4 minutes). Write the split yourself. For
# each class separately:
#
# 1. sort its images **by name**, so that the order of the files no longer
#    matters;
# 2. shuffle them with **your own** generator, made from the seed:
#    `torch.randperm(n, generator=generator)` gives 0 to n - 1, shuffled;
# 3. the first 25 % are test, the next 15 % validation, the rest is the pool;
# 4. the first `labels_per_class` of the pool are labelled, and stay in it.
#
# The loop over classes is there. Write what happens within one class.


# %%
def shares_of(members, labels_per_class):
    """Cut one class, in shuffled order, into its four parts."""
    ### BEGIN SOLUTION 25 % test, 15 % val, the rest unlabeled, some labeled
    ### STUB test, val, rest = ..., ..., ...
    n = len(members)
    first, second = round(0.25 * n), round(0.25 * n) + round(0.15 * n)
    test, val, rest = members[:first], members[first:second], members[second:]
    ### END SOLUTION
    labeled = rest[:labels_per_class]
    return {"labeled": labeled, "unlabeled": rest, "val": val, "test": test}


# %%
def draw_split(labels, names, labels_per_class, seed):
    """Draw positions for the four parts, each class by itself."""
    parts = {"labeled": [], "unlabeled": [], "val": [], "test": []}
    generator = torch.Generator().manual_seed(seed)
    for k in range(int(labels.max()) + 1):
        members = (labels == k).nonzero().flatten().tolist()
        ### BEGIN SOLUTION sort `members` by name, then shuffle by `generator`
        members.sort(key=lambda i: names[i])
        order = torch.randperm(len(members), generator=generator).tolist()
        members = [members[i] for i in order]
        ### END SOLUTION
        for part, some in shares_of(members, labels_per_class).items():
            parts[part] += some
    return {part: torch.tensor(some) for part, some in parts.items()}


# %% [markdown] tags=["hint"]
# I do not know how to begin
#
# First the shares. In: a list, say `members = [5, 8, 1, ...]` of 20
# positions. 25 % are 5, 15 % are 3: test is `members[:5]`, val
# `members[5:8]`, the rest `members[8:]`. Then, within a class:
# `members.sort(key=lambda i: names[i])`; `torch.randperm(n,
# generator=generator).tolist()` is a new order, and `[members[i] for i in
# order]` follows it.

# %% [markdown] tags=["hint"]
# I get "the split depends on the order of the files"
#
# `members` are positions, and positions depend on the order. Sort them by
# `names[i]` *before* shuffling.

# %% [markdown] tags=["hint"]
# I get "called twice with the same seed, the function gave two splits"
#
# `torch.randperm(n)` uses the random numbers of the whole program. Pass your
# own generator: `torch.randperm(n, generator=generator)`.

# %% [markdown] tags=["hint"]
# I get images in two parts, or an empty part
#
# The pieces must not overlap: `members[:a]`, `members[a:b]`, `members[b:]`.
# Both `a` and `b` count from the start: 25 %, and 25 % and 15 % together.

# %%
checks.draw_split(draw_split)

# %% [markdown]
# Now test that claim: the same files listed in reverse order, as another
# machine might list them. Expected: the same names.

# %%
turned = torch.arange(len(scenes) - 1, -1, -1)
here = draw_split(scenes.labels, scenes.names, 4, seed=0)
other = scenes.subset(turned)  # another machine
there = draw_split(other.labels, other.names, 4, seed=0)
for part in here:
    one = {scenes.names[i] for i in here[part].tolist()}
    assert one == {other.names[i] for i in there[part].tolist()}, part
    print(f"{part}: {len(one):,} images, the same on both machines")

# %% [markdown]
# The library does the same, but with a hash of seed and name, which does not
# depend on the version of a random generator. To be on the safe side, publish
# the names: a **names file** has `path label` on each line.

# %%
from pathlib import Path

from workshop_lib.data.split import Split

folder = Path("runs") / "my-split"
split.save(folder, scenes)
print(*sorted(path.name for path in folder.iterdir()))
print("".join((folder / "labeled.txt").open().readlines()[:5]))
again = Split.load(folder, scenes)
assert again.digest(scenes) == split.digest(scenes)

# %% [markdown]
# What if a line is changed? `split.json` holds a hash of all lines.

# %%
from workshop_lib.errors import WorkshopError

lines = (folder / "test.txt").read_text().splitlines()
(folder / "test.txt").write_text("\n".join(lines[1:]) + "\n")  # one less
try:
    Split.load(folder, scenes)
except WorkshopError as error:
    print(str(error).replace(". ", ".\n"))
else:
    raise AssertionError("a changed split was loaded")
split.save(folder, scenes)  # as it was

# %% tags=["quiz"]
quiz.ask("02-order")

# %% tags=["quiz"]
quiz.answer("02-order", "...")

# %% [markdown]
# ## The detective
#
# 5 minutes. Here are seven splits of MiniEO, whatever `DATA` is, because the
# faults of real data are not all known. Six have a fault that we planted; one
# is clean. Most of these faults were found in earlier workshops or in
# published code. Training raises no error on any of them.

# %%
from workshop_lib.course.checks.splits import make_leaky_splits

mini = mini_eo(1000)
cases = make_leaky_splits(mini, Split.random(mini, labels_per_class=4))
for case in cases:
    print(case.name, case.split.counts())
assert len(cases) == 7

# %% [markdown]
# The sizes give some away, but not all. Write three detectives, one for each
# kind of fault. Each returns a list of what it found; the list is empty if it
# found nothing.
#
# **Exercise 3** (medium, very important, 4 minutes in all). The first looks
# for images that are held back *and* used for training. Labelled images in
# the unlabelled pool are not a fault: FixMatch expects them there.


# %%
def leaks(split):
    """Name the held-out parts of which training sees an image."""
    training = torch.cat([split.labeled, split.unlabeled])
    found = []
    for part, index in {"val": split.val, "test": split.test}.items():
        ### BEGIN SOLUTION note `part` if any of `index` is in `training`
        if torch.isin(index, training).any():
            found.append(f"{part} images in training")
        ### END SOLUTION
    return found


# %% [markdown] tags=["hint"]
# I do not know how to begin
#
# `torch.isin(index, training)` gives True or False for each image of
# `index`, and `.any()` one answer for all. By hand: of 3, 7 in 1, 7, 9 the
# second is, so any is True. Then `found.append(...)`.

# %% [markdown] tags=["hint"]
# I get every case accused
#
# Compare `index` with `training`, not labelled with unlabelled images. And
# report a part only if at least one of its images was found.

# %%
for case in cases:
    print(case.name, leaks(case.split))
caught = sum(bool(leaks(case.split)) for case in cases)
assert caught == 2, f"{caught} accused; two have this fault: see the hint"

# %% [markdown]
# Two were caught. The second detective counts labels: accuse a split in which
# one class has at least twice as many labels as another, or in which a class
# has none. You can use your `count_labels`.


# %%
def uneven(scenes, split):
    """Tell of a class with twice as many labels as another, or without."""
    counts = count_labels(scenes.labels, split.labeled, scenes.num_classes)
    counts = torch.as_tensor(counts)  # (K,)
    ### BEGIN SOLUTION note in a list: largest of `counts` against smallest
    ### STUB found = []
    low, high = int(counts.min()), int(counts.max())
    found = [f"{low} to {high} labels per class"] if high >= 2 * low else []
    ### END SOLUTION
    return found


# %% [markdown] tags=["hint"]
# I do not know how to begin
#
# `counts` is (K,): its largest is `counts.max()`, its smallest
# `counts.min()`. By hand: 4, 4, 8 is a fault, for 8 is twice 4; 4, 4, 5 is
# none. Return a list with a few words in it, or an empty one.

# %% [markdown] tags=["hint"]
# I get only one case, or none
#
# A class may have no label at all: then the smallest of `counts` is 0.
# Exactly twice as many counts, too: compare the largest with 2 times the
# smallest. Look at `counts` of each case: print it inside the function.

# %%
for case in cases:
    found = uneven(case.scenes, case.split)
    assert isinstance(found, list), f"give a list, [] if even, not {found!r}"
    print(case.name, found)
caught = sum(bool(uneven(c.scenes, c.split)) for c in cases)
assert caught == 2, f"{caught} accused; two have this fault: see the hint"

# %% [markdown]
# The third looks at pixels. The same image may be in the folder under two
# names. That is a fault if one copy is held back and the other is not, or if
# their labels differ. Images are compared as bytes: equal bytes, equal
# images.


# %%
def twins(scenes, split):
    """Find a picture under two names, on two sides or with two labels."""
    held = set(torch.cat([split.val, split.test]).tolist())
    first, found = {}, []  # bytes -> position of the first with these
    for i, image in enumerate(scenes.images):
        j = first.setdefault(image.numpy().tobytes(), i)  # i if it is new
        ### BEGIN SOLUTION note i and j if sides or labels of the two differ
        two_sides = (i in held) != (j in held)
        if two_sides or scenes.labels[i] != scenes.labels[j]:
            found.append(f"{scenes.names[j]} is {scenes.names[i]}")
        ### END SOLUTION
    return found


# %% [markdown] tags=["hint"]
# I do not know how to begin
#
# `i in held` is True if image `i` is held back. For two images with the same
# pixels, `i` and `j`, ask two questions: are they on different sides? Are
# `scenes.labels[i]` and `scenes.labels[j]` different? One yes is enough for
# `found.append(...)`.

# %% [markdown] tags=["hint"]
# I get nothing found in case G, or far too many cases
#
# In G both copies are training images. They are on the same side; look at
# their labels. For an image that occurs once, `j == i` and nothing differs.

# %%
for case in cases:
    print(case.name, twins(case.scenes, case.split))
caught = sum(bool(twins(c.scenes, c.split)) for c in cases)
assert caught == 2, f"{caught} accused; two have this fault: see the hint"

# %% [markdown]
# Now all three together, on splits that you have not seen. Expected: six
# faults found, and the clean splits cleared.


# %%
def find_faults(scenes, split):
    """Everything that the three detectives find."""
    return leaks(split) + uneven(scenes, split) + twins(scenes, split)


checks.detective(find_faults)

# %% [markdown]
# The stories behind the cases:

# %%
import textwrap

for case in cases:
    found = find_faults(case.scenes, case.split)
    assert bool(found) == bool(case.kind), case.name
    print(f"{case.name}: {'; '.join(map(str, found)) or 'honest'}")
    print(textwrap.indent(textwrap.fill(case.story, 72), "    "))

# %% [markdown]
# The library has such a detective, too, called an **audit**. Compare its
# findings with yours.

# %%
for case in cases:
    audit = case.split.audit(
        case.scenes, near_duplicates=False, neighbour_km=0
    )
    kinds = [finding.kind for finding in audit.findings]
    assert bool(kinds) == bool(case.kind), case.name
    print(f"{case.name}: {', '.join(kinds) or 'nothing found'}")

# %% [markdown]
# It looks beyond bytes: at images of nearly the same ground, and at places
# less than a kilometre apart. Now the full audit of the split that you made
# at the top of this notebook:

# %%
audit = split.audit(scenes)
for finding in audit.findings:
    print(textwrap.fill(f"{finding.severity}: {finding.message}", 76))
if DATA == "mini_eo":
    assert audit.ok, "no error; warnings may be there"
print("usable" if audit.ok else "mend it before you train")

# %% [markdown]
# On MiniEO a handful of test images are close to a training image: only a
# warning, because they are few. If there are many, keep whole places
# together: `Split.by_block`. UC Merced is a case for the detective, too: two
# of its airplane images are identical, and a split may put them on different
# sides.

# %% tags=["quiz"]
quiz.ask("02-pool")

# %% tags=["quiz"]
quiz.answer("02-pool", "...")

# %% [markdown]
# ## Images of unequal size
#
# 2 minutes. A batch is one block of numbers, so all images must have the same
# size. In UC Merced 44 of the 2,100 images are not 256 x 256 pixels; code
# that assumes 256 x 256 crashes on them. Here are three images that we drew
# ourselves, one of them not high enough. Note that the circles are round.

# %%
from PIL import Image


def rings(height, width):
    """Draw round rings on a picture of any size."""
    y, x = np.mgrid[:height, :width]
    r = np.hypot(y - height / 2, x - width / 2)
    grey = (127 + 127 * np.cos(r / 4)).astype(np.uint8)
    return Image.fromarray(grey).convert("RGB")


pictures = {"a": rings(96, 96), "b": rings(96, 96), "c": rings(60, 96)}

# %% [markdown]
# Squeezing turns circles into ellipses: roads and halls would change shape.
# The library's rule is **resize until the image covers the square, then crop
# the centre**: a little is lost at the sides, but shapes are preserved.

# %% tags=["figure:02_sizes"]
from workshop_lib.data.read.images import fit

shown = {
    "as it is": np.asarray(pictures["c"]),
    "squeezed": np.asarray(pictures["c"].resize((96, 96))),
    "covered and cropped": np.asarray(fit(pictures["c"], 96, 96)),
}
assert shown["covered and cropped"].shape == (96, 96, 3)
plots.panels(shown, title="Three ways to treat an image of 60 x 96")

# %% [markdown]
# Now the same from files. We write the three images and a names file, and
# read them as one data set. Expected: a line that says how many images were
# resized. Nothing happens silently.

# %%
from workshop_lib.data.dataset import Dataset

place = Path("runs") / "rings"
place.mkdir(parents=True, exist_ok=True)
lines = []
for (name, picture), label in zip(pictures.items(), "RSS", strict=True):
    picture.save(place / f"{name}.png")
    lines.append(f"{name}.png {label}")
(place / "names.txt").write_text("\n".join(lines) + "\n")
read = Dataset.from_names(place / "names.txt", cache=False)
print(read)
assert read.images.shape == (3, 3, 96, 96)

# %% [markdown]
# ## Key points
#
# - Look at the data first: classes, bands, places, dates.
# - Learn on training images, choose on validation images, report on test
#   images, once.
# - Count the labels that are used, not those that were requested.
# - Sort by name, shuffle with your own generator, publish the names.
# - Leaks raise no error. Run an audit, and read its findings.
# - Resize until the image covers the square, then crop: shapes are preserved.
#
# ## What to try next
#
# - Give the detective a harder case: copy an image, and change one pixel.
#   Does `twins` see it? Does `split.audit(scenes)`?
# - Make a split that keeps places together, `Split.by_block(scenes,
#   block_km=100)`, and show its parts on the map.
# - `workshop data FOLDER` counts your own images and lists files that cannot
#   be read; `workshop split FOLDER --save splits/mine` writes the names
#   files.
# - Notebook 03 alters images at random, so that a few labels go further.

# %% [markdown]
# ## Words
#
# New to **remote sensing**?
#
# - **Band**: one channel, the light of one range of wavelengths.
# - **Spectrum**: reflectance, band by band.
# - **Reflectance**: the fraction of the light that the ground reflects.
# - **False colour**: bands shown in colours that are not theirs, often near
#   infrared as red.
# - **Radar, VV and VH**: microwaves sent and received vertically (V) or
#   horizontally (H); they penetrate clouds, and work at night.
# - **Near duplicate**: the same ground on two images.
#
# New to **deep learning**?
#
# - **Labelled images, unlabelled pool**: training images with and without a
#   class label.
# - **Validation, test**: images held back, to make choices and to report
#   results.
# - **Leak**: test images, or copies of them, were seen in training.
# - **Batch, step**: the images used for one change of the weights, and that
#   change.
# - **mu**: unlabelled images per labelled one in a batch.
# - **Seed, generator**: the number that fixes all random choices, and the
#   object that makes them.
# - **Transductive**: the test images take part in training, without labels;
#   allowed if it is stated.

# %% [markdown]
# ## Sources
#
# - Yang and Newsam 2010, *Bag-of-Visual-Words and Spatial Extensions for
#   Land-Use Classification*: UC Merced.
#   [doi:10.1145/1869790.1869829](https://doi.org/10.1145/1869790.1869829)
# - Helber et al. 2019, *EuroSAT: A Novel Dataset and Deep Learning Benchmark
#   for Land Use and Land Cover Classification*.
#   [doi:10.1109/JSTARS.2019.2918242](https://doi.org/10.1109/JSTARS.2019.2918242)
# - Roberts et al. 2017, *Cross-validation strategies for data with temporal,
#   spatial, hierarchical, or phylogenetic structure*: keep places together.
#   [doi:10.1111/ecog.02881](https://doi.org/10.1111/ecog.02881)
# - Oliver et al. 2018, *Realistic Evaluation of Deep Semi-Supervised Learning
#   Algorithms*. [arXiv:1804.09170](https://arxiv.org/abs/1804.09170)

# %%
from workshop_lib.course import progress

progress.show()
