# %% [markdown]
# # 03 Augmentation: many pictures out of few
#
# A network soon memorises forty labelled images. Change each of them a little
# every time it is shown, and memorising becomes much harder. But what may you
# change? That depends on the sensor.
#
# **After this notebook you can**
#
# - tell oversampling from data warping;
# - implement the weak view and cutout, for a whole batch at once;
# - name the pipelines of semi-supervised learning: none, weak, strong-1
#   (RandAugment and cutout), strong-2 (contrastive), and what each is for;
# - say which changes are exact for images from straight above, and which are
#   unphysical for reflectance and for radar;
# - explain why normalisation comes last, and in one place;
# - measure the cost of processing images one by one.
#
# **You need** notebook 02: the scenes and their bands. New words are
# explained at the end: [Vocabulary](#Vocabulary).
#
# **Time**: 20 minutes.

# %% [markdown]
# ## Getting more out of a few images
#
# 2 minutes. **The data setting** first, as in the earlier notebooks.

# %%
DATA = "mini_eo"  # or "ucm", "eurosat", or the path of a folder per class

# %%
from workshop_lib.data.load import load_dataset, open_data
from workshop_lib.presets import preset

config = preset(data=DATA)
scenes, split = open_data(config)
print(f"{len(split.labeled)} of {len(scenes):,} images are labelled;"
      f" bands: {', '.join(scenes.bands)}")  # fmt: skip

# %% [markdown]
# We work with six labelled images, one from each of six classes (fewer if
# your data have fewer). `to_float` converts them to floating-point numbers,
# however they were stored.

# %% tags=["figure:03_six"]
from workshop_lib import plots
from workshop_lib.augment import augmentations_for, to_float

first = {int(scenes.labels[i]): int(i) for i in split.labeled}
six = to_float(scenes.images[[first[k] for k in sorted(first)[:6]]])
names = [scenes.class_names[k] for k in sorted(first)[:6]]
policies = augmentations_for(scenes.is_rgb)
plots.view_rows({"as it is": six}, scenes.bands,
                  title="Six labelled images", captions=names)  # fmt: skip

# %% [markdown]
# Two ways to get more out of one image:
#
# - **oversampling** shows it more often, unchanged (some authors also use the
#   word for adding synthetic images: Shorten and Khoshgoftaar 2019);
# - **data warping** shows something new each time, with the same label.
#
# **Before**: which of the two rows below holds more information?

# %%
import torch

generator = torch.Generator().manual_seed(0)
again = six[:1].repeat(6, 1, 1, 1)  # (6, C, H, W), six times the first
plots.view_rows(
    {"oversampled": again, "warped": policies["strong"](again, generator)},
    scenes.bands,
    title="Two ways to make six of one",
)

# %% [markdown]
# **After**: the upper row is one image that counts six times as much. That
# may help a rare class, but teaches nothing new. The lower row is six
# different inputs with the same label.

# %%
from workshop_lib.course import quiz

quiz.ask("03-oversampling")

# %% tags=["quiz"]
quiz.answer("03-oversampling", "...")

# %% [markdown]
# ## Weak: what a person would not notice
#
# 5 minutes, with an exercise. Seen from straight above, a scene has no top
# and no left. A square can be rotated and flipped in eight ways, and each of
# them only **moves** pixels: nothing is blurred, nothing is invented.

# %%
from workshop_lib.augment.geometry import dihedral

eight = dihedral(six[:1].repeat(8, 1, 1, 1), torch.arange(8))
ways = ["as it is", "up-down", "left-right", "half turn",
        "diagonal", "quarter turn", "quarter turn", "diagonal"]  # fmt: skip
plots.view_rows({"one image": eight}, scenes.bands, captions=ways,
                  title="The eight symmetries of the square")  # fmt: skip

# %% [markdown]
# A check: all eight contain the same values, and all eight are different.

# %%
values = eight.flatten(2).sort(dim=2).values  # (8, C, H*W)
assert all(torch.equal(view, values[0]) for view in values)
assert len(eight.flatten(1).unique(dim=0)) == 8
print("eight different images of the same pixels")

# %% [markdown]
# Four of them are enough to begin with: flips left-right and top-bottom.
#
# **Exercise 1** (medium, important, 4 minutes). Flip each image horizontally
# with probability 1/2 and, independently, vertically with probability 1/2. Do
# not loop over images: `torch.where` chooses image by image. Your function
# should give images like these:

# %%
from workshop_lib.augment import Weak

mirrored = Weak(shift=0, symmetries="mirror")
plots.view_rows(
    {"as it is": six, "flipped?": mirrored(six, generator)},
    scenes.bands, title="Some are flipped, some are not",
)  # fmt: skip


# %%
def weak_view(images, generator):
    """Flip each image at random. Shape: (B, C, H, W) -> the same."""
    B = len(images)
    ### BEGIN SOLUTION two draws per image, then flip along dim 3 and dim 2
    ### STUB sideways = torch.rand(B, 1, 1, 1, generator=generator) < 0.5
    sideways = torch.rand(B, 1, 1, 1, generator=generator) < 0.5
    upright = torch.rand(B, 1, 1, 1, generator=generator) < 0.5
    images = torch.where(sideways, images.flip(3), images)
    images = torch.where(upright, images.flip(2), images)
    ### END SOLUTION
    return images


# %% [markdown] tags=["hint"]
# I do not know how to begin
#
# In and out: (B, C, H, W). `torch.rand(B, 1, 1, 1, generator=generator) <
# 0.5` is True or False for each image. `images.flip(3)` mirrors all of them
# left-right, `images.flip(2)` top-bottom, and `torch.where(sideways, a, b)`
# takes `a` where True. By hand: the row 1, 2, 3 becomes 3, 2, 1.

# %% [markdown] tags=["hint"]
# I get the same flip for all images
#
# One random number decides for the whole batch. Draw `B` numbers. The shape
# `(B, 1, 1, 1)` broadcasts to `(B, C, H, W)`.

# %% [markdown] tags=["hint"]
# I get `Boolean value of Tensor with more than one value is ambiguous`
#
# `if` makes one decision, and you need `B` of them. Use
# `torch.where(condition, if_true, if_false)`.

# %%
from workshop_lib.course import checks

checks.weak_view(weak_view)
rows = {f"draw {k}": weak_view(six, generator) for k in (1, 2, 3)}
plots.view_rows(rows, scenes.bands, title="Your weak view, three times")

# %% [markdown]
# FixMatch takes its pseudo-labels from the weak view. The library's `Weak`
# uses all eight symmetries, and shifts by up to an eighth of the side.

# %%
quiz.ask("03-weak")

# %% tags=["quiz"]
quiz.answer("03-weak", "...")

# %%
quiz.ask("03-nadir")

# %% tags=["quiz"]
quiz.answer("03-nadir", "...")

# %% [markdown]
# ## Cutout: a hole in each image
#
# 5 minutes, with an exercise. A square is hidden, so that the decision cannot
# depend on a single spot. How large should it be? A course once used a hole
# of 16 pixels, designed for images of 32 pixels, on images of 224. There was
# no error message.

# %%
from workshop_lib.augment.occlusion import cutout as library_cutout


def enlarged(side):
    """The first image with `side` x `side` pixels."""
    return torch.nn.functional.interpolate(six[:1], (side, side))


middle = torch.tensor([[0.5, 0.5]])
rows = {}
for side in (32, 64, 224):
    share = (16 / side) ** 2
    hole = library_cutout(enlarged(side), middle, torch.tensor([16 / side]))
    rows[f"{side} pixels: {share:.1%} hidden"] = hole
plots.view_rows(rows, scenes.bands, title="A hole of 16 pixels")

# %% [markdown]
# So a size is a **fraction** of the side, never a number of pixels.
#
# **Exercise 2** (medium, important, 4 minutes). `place` (B, 2) holds a row
# and a column for each image, in fractions of the side. Hide a square around
# it, of `size` times the side. Fill it with the image's own mean, band by
# band. The square may extend beyond the border. A loop over the images is
# allowed, but slower. Do not change `images` in place: the caller still needs
# them. Expected result:

# %%
places = torch.rand(len(six), 2, generator=generator)
expected = library_cutout(six, places, torch.full((len(six),), 0.5))
plots.view_rows({"as it is": six, "cutout, 0.5": expected}, scenes.bands,
                  title="A hole of half the side")  # fmt: skip


# %%
def cutout(images, place, size):
    """Hide a square of each image. Shape: (B, C, H, W) -> the same."""
    B, C, H, W = images.shape
    ### BEGIN SOLUTION the rows and columns near each place, and the mean
    ### STUB rows = (torch.arange(H) + 0.5) / H - place[:, :1]  # (B, H)
    rows = (torch.arange(H) + 0.5) / H - place[:, :1]  # (B, H)
    columns = (torch.arange(W) + 0.5) / W - place[:, 1:]  # (B, W)
    in_row, in_column = rows.abs() < size / 2, columns.abs() < size / 2
    hole = in_row[:, None, :, None] & in_column[:, None, None, :]
    mean = images.mean((2, 3), keepdim=True)  # (B, C, 1, 1)
    images = torch.where(hole, mean, images)
    ### END SOLUTION
    return images


# %% [markdown] tags=["hint"]
# I do not know how to begin
#
# Images (B, C, H, W), place (B, 2), size a number. By hand: H = 32, size
# 0.5, place 0.5: the hole is rows 8 to 23. `rows`, (B, H), is the distance
# of each row from the place; a row is in the hole if `rows.abs() < size /
# 2`. The same for columns; both by `&`. The mean of each band is
# `images.mean((2, 3), keepdim=True)`, (B, C, 1, 1), and `torch.where(hole,
# mean, images)` fills it in.

# %% [markdown] tags=["hint"]
# I get `The size of tensor a (32) must match the size of tensor b (6)`
#
# Rows are `(B, H)`, columns `(B, W)`. To combine them give each the missing
# dimensions: `in_row[:, None, :, None]` is `(B, 1, H, 1)`.

# %% [markdown] tags=["hint"]
# I get holes that are twice as wide as expected
#
# Half of the square is on each side of its centre: compare with `size / 2`.

# %%
checks.cutout(cutout)
rows = {}
for size in (0.25, 0.5, 0.75):
    places = torch.rand(len(six), 2, generator=generator)
    rows[f"size {size}"] = cutout(six, places, size)
plots.view_rows(rows, scenes.bands, title="Your cutout at three sizes")

# %%
quiz.ask("03-cutout")

# %% tags=["quiz"]
quiz.answer("03-cutout", "...")

# %% [markdown]
# ## The pipelines
#
# 3 minutes. Four ways of changing images, all applied to the same six:
#
# | name | what it does | what it is for |
# |---|---|---|
# | none | nothing | testing |
# | weak | symmetries, a small shift | provides the pseudo-label |
# | strong-1 | random changes, then cutout | has to agree with it |
# | strong-2 | random crop, colours, sometimes grey | contrastive loss |
#
# For photographs strong-1 is **RandAugment**: two changes out of fourteen, at
# random strength. MiniEO's images are reflectances. For these, both strong
# views are **spectral**: different sunlight, haze, season or sensor.

# %%
titles = {"none": "none", "weak": "weak", "strong": "strong-1",
          "contrastive": "strong-2"}  # fmt: skip
rows = {title: policies[name](six, generator)
        for name, title in titles.items()}  # fmt: skip
assert torch.equal(rows["none"], six)
assert all(view.min() >= 0 for view in rows.values())
plots.view_rows(rows, scenes.bands, captions=names,
                  title="The same six images, four pipelines")  # fmt: skip

# %% [markdown]
# **Look** down one column. Can you still recognise the class in the third
# row? That is how strong it should be: hard, but fair.
#
# Now the same with photographs. For reflectance data, we use the RGB
# rendering as a stand-in for a photograph.

# %%
RGB = ("red", "green", "blue")
screen = torch.from_numpy(plots.to_display(six, scenes.bands))
photos = screen.permute(0, 3, 1, 2).contiguous()  # (6, 3, H, W) bytes
if scenes.is_rgb:
    photos = (255 * six).round().to(torch.uint8)
for_photos = augmentations_for(is_rgb=True)
rows = {title: for_photos[name](to_float(photos), generator)
        for name, title in titles.items()}  # fmt: skip
plots.view_rows(rows, RGB, captions=names,
                  title="The pipelines for photographs")  # fmt: skip

# %% [markdown]
# ### The same in torchvision
#
# (*More*: can wait.) Most code writes a pipeline as a `Compose`, and a data
# set as a class that returns **one** image at a time. A `DataLoader` puts
# them together to batches. You will meet it again, so here it is once.

# %%
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

weak = v2.Compose([
    v2.RandomHorizontalFlip(p=0.5),
    v2.RandomVerticalFlip(p=0.5),
    v2.RandomAffine(degrees=0, translate=(1 / 8, 1 / 8)),
    v2.ToDtype(torch.float32, scale=True),  # bytes to 0..1
    v2.Normalize(mean=[0.4] * 3, std=[0.2] * 3),  # last
])  # fmt: skip


# %%
class Photographs(Dataset):
    def __init__(self, images, labels, transform):
        self.images, self.labels = images, labels
        self.transform = transform

    def __len__(self):
        return len(self.images)

    def __getitem__(self, i):
        return self.transform(self.images[i]), self.labels[i]


loader = DataLoader(Photographs(photos, range(len(photos)), weak), 3)
views, labels = next(iter(loader))
assert views.shape[1:] == photos.shape[1:] and labels[0] == 0

# %% [markdown]
# For a folder per class, `torchvision.datasets.ImageFolder` is such a class.
# (The shift leaves black borders there; the library mirrors the image.)
#
# ### Each change by itself
#
# Choose a change and move the slider. At 1 all of them go too far. At what
# strength does each one begin to hurt? Without a live kernel you see all
# changes at five strengths.

# %%
from workshop_lib.course import widgets

widgets.strength_sliders(scenes.images[split.labeled[:6]], scenes.bands)

# %%
widgets.strength_sliders(photos, RGB)

# %% [markdown]
# ## What is physical?
#
# 2 minutes. A photograph is made to be looked at. Reflectance is a
# measurement, and the relation between bands identifies the class. NDVI is
# such a relation. Which change leaves it unaffected?

# %%
from workshop_lib.augment import photometric, spectral

eo = scenes if not scenes.is_rgb else load_dataset()
red, infrared = eo.bands.index("B04"), eo.bands.index("B08")


def ndvi(images):
    """The mean NDVI of all images."""
    r, n = images[:, red], images[:, infrared]
    return float(((n - r) / (n + r).clamp(min=1e-6)).mean())


# %%
land = eo.images[:200]
each = torch.full((200,), 0.5)
changed = {
    "more sun (gain)": spectral.gain(land, each),
    "thin haze": spectral.haze(land, each),
    "season (tint)": spectral.tint(land, each),
    "posterise, 2 bits left": photometric.posterize(land, 12 * each),
    "solarise": photometric.solarize(land, 1.8 * each),
}
for name, view in changed.items():
    print(f"{name:24s} NDVI {ndvi(land):.2f} -> {ndvi(view):.2f}")
assert abs(ndvi(changed["more sun (gain)"]) - ndvi(land)) < 1e-3
assert abs(ndvi(changed["posterise, 2 bits left"]) - ndvi(land)) > 0.1

# %%
shown = {name: view[:6] for name, view in changed.items()}
plots.view_rows({"as it is": land[:6], **shown}, eo.bands,
                  title="Atmosphere, or not?")  # fmt: skip

# %% [markdown]
# **After**: more sun multiplies both bands, so NDVI does not change. Haze and
# season do change NDVI, as in reality, so the network must cope with that.
# (Both are simplified here: real haze adds mostly blue light.) No atmosphere
# could produce the last two rows: dark areas fall to 0, and bright land turns
# into something else.
#
# | change | photograph | reflectance | radar (dB) |
# |---|---|---|---|
# | eight symmetries | exact | exact | different look direction |
# | rotate by 30 degrees | blurs | blurs | different look direction |
# | brightness: a factor | fair | fair: the sun | a sum, in dB |
# | hue: rotate the colours | a little | mixes the bands | no colours |
# | posterise, solarise | fair | destroys the measurement | the same |
# | noise | rarely needed | rarely needed | speckle is a factor |
#
# *Exact* means: another satellite pass could have recorded exactly that. A
# radar looks sideways. Hills lean towards it, and walls that face it look
# bright; a flipped radar image looks as if taken from the other side. It may
# still help, but it is not an exact symmetry.

# %% [markdown]
# ## Normalisation comes last
#
# 2 minutes. A network wants numbers around 0, so each band is normalised. The
# code of a course once did this inside the views, and forgot one of the two.
# **Before**: would you get an error?

# %%
from workshop_lib.augment import BandNormalize

normalize = BandNormalize.fit(scenes.images, split.unlabeled)
batch = to_float(scenes.images[split.unlabeled[:256]])
one = normalize(policies["strong"](batch, generator))
two = policies["strong"](batch, generator)  # forgotten
print("shapes:", tuple(one.shape), tuple(two.shape))
print(f"spread: {one.std():.2f} and {two.std():.2f}")

# %% tags=["figure:03_forgotten"]
of_one, of_two = one.std((1, 2, 3)), two.std((1, 2, 3))  # (256,) each
between = (of_one.mean() * of_two.mean()).sqrt()
told = torch.cat([of_one > between, of_two < between]).float().mean()
plots.bars(
    {"normalised view": float(of_one.mean()),
     "forgotten view": float(of_two.mean())},
    title=f"One number tells the views apart: {told:.0%} right",
    unit="spread of an image's values",
)  # fmt: skip

# %%
assert told > 0.8
assert abs(float(normalize(batch).mean())) < 0.2
print("normalised last, all views have the same scale")

# %% [markdown]
# **After**: no error. The two views differ in scale, and a network can tell
# them apart without looking at the scene. In this library, views never
# normalise. Normalisation is the last step before the network, in one place.

# %%
quiz.ask("03-normal")

# %% tags=["quiz"]
quiz.answer("03-normal", "...")

# %% [markdown]
# ## One by one, or the whole batch?
#
# 1 minute. Most code processes images one after the other. Your `weak_view`
# takes a batch, including a batch of one; so does the library's strong view.
# Measure both on this machine. **Before**: how many times faster is the
# batch?

# %%
from time import perf_counter


def images_per_second(work, count, rounds=5):
    """Return the best rate of a few rounds: other programs may be running."""
    work()  # the first call does not count
    best = float("inf")
    for _ in range(rounds):
        start = perf_counter()
        work()
        best = min(best, perf_counter() - start)
    return count / best


# %%
def both_ways(view):
    """Images per second, one by one and the whole batch of 256."""
    alone = batch.split(1)  # 256 batches of one image
    return (
        images_per_second(lambda: [view(x, generator) for x in alone], 256),
        images_per_second(lambda: view(batch, generator), 256),
    )


# %%
speed, times = {}, {}
for name, view in (("your weak view", weak_view),
                   ("strong-1", policies["strong"])):  # fmt: skip
    alone, together = both_ways(view)
    speed |= {f"{name}, one by one": alone, f"{name}, batch": together}
    times[name] = together / alone
    print(f"{name}: the batch is {times[name]:.1f} times as fast")
plots.bars(speed, title="One by one, or the whole batch",
             unit="images per second")  # fmt: skip

# %%
if times["strong-1"] < 1.5:
    print("Other programs are running: run the last cell again.")
n = len(split.unlabeled)
print(f"a strong view of each of the {n:,} unlabelled images takes")
print(f"{n / speed['strong-1, one by one']:.2f} s one by one,")
print(f"{n / speed['strong-1, batch']:.2f} s in batches")

# %% [markdown]
# **After**: one by one, most of the time goes into function calls, not
# pixels. Every torch call costs some microseconds, whether for one image or
# for 256, and the strong view makes dozens of calls. That is why every view
# of the library takes the whole batch, and why you need no data loader with
# worker processes here.

# %% [markdown]
# ## Key points
#
# - Oversampling repeats images; data warping makes new views with the same
#   label.
# - Seen from nadir, the eight symmetries are exact. Radar looks sideways.
# - The weak view provides the pseudo-label; the strong view has to agree with
#   it.
# - Sizes are fractions of the side.
# - Ask of each change: could a sensor have recorded this? Reflectance is not
#   a photograph.
# - Normalise last, in one place.
#
# ## What to try next
#
# - `augmentations_for(scenes.is_rgb, magnitude=2)`: at which strength can you
#   no longer recognise the class?
# - Apply your own `cutout` after your `weak_view`: your own strong view.
# - Set `DATA = "ucm"`: which of the changes are fair now?
# - Notebook 04 trains with these views. How much does the strong one add?

# %% [markdown]
# ## Vocabulary
#
# | from deep learning | what it is |
# |---|---|
# | view | what an image looks like after a random change |
# | batch | images that are processed together, `(B, C, H, W)` |
# | generator | where random numbers come from; same seed, same numbers |
# | normalise | per band: subtract the mean, divide by the spread |
#
# | from remote sensing | what it is |
# |---|---|
# | nadir | the point straight below the sensor |
# | reflectance | the fraction of light that is reflected, 0 to about 1 |
# | near infrared | light just beyond red; plants reflect much of it |
# | NDVI | (near infrared - red) / (near infrared + red): how green |
# | backscatter | the radar signal that returns, in decibels (dB) |

# %% [markdown]
# ## Sources
#
# - Shorten and Khoshgoftaar 2019, *A survey on Image Data Augmentation for
#   Deep Learning*.
#   [doi:10.1186/s40537-019-0197-0](https://doi.org/10.1186/s40537-019-0197-0)
# - Cubuk et al. 2019, *RandAugment: Practical automated data augmentation
#   with a reduced search space*.
#   [arXiv:1909.13719](https://arxiv.org/abs/1909.13719)
# - DeVries and Taylor 2017, *Improved Regularization of Convolutional Neural
#   Networks with Cutout*.
#   [arXiv:1708.04552](https://arxiv.org/abs/1708.04552)
# - Xie et al. 2020, *Unsupervised Data Augmentation for Consistency
#   Training*. [arXiv:1904.12848](https://arxiv.org/abs/1904.12848)
# - Sohn et al. 2020, *FixMatch: Simplifying Semi-Supervised Learning with
#   Consistency and Confidence*.
#   [arXiv:2001.07685](https://arxiv.org/abs/2001.07685)

# %%
from workshop_lib.course import progress

progress.show()
