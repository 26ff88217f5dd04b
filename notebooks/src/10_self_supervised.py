# %% [markdown]
# # 10 Self-supervised: learning before the first label
#
# Two pictures of one place belong together. No label is needed for that. This
# notebook trains a network on nothing else, and then measures what a few
# labels are worth to it.
#
# **After this notebook you can**
#
# - keep self-supervised and semi-supervised learning apart;
# - say which pairs a contrastive loss pulls together, and which apart;
# - write NT-Xent, the loss of SimCLR, and predict its first value;
# - recognise a collapsed network in a training log;
# - use two sensors as the two views of a place;
# - measure what pretraining is worth, in a fair comparison.
#
# **You need** notebook 04 (a loss, a training log) and 06 (vectors, cosine,
# kNN accuracy). New words are explained at the end:
# [Vocabulary](#Vocabulary).
#
# **Time**: 40 minutes. The trainings take about four of them on two cores.

# %% [markdown]
# ## Two names, one abbreviation
#
# 3 minutes. Both are written SSL, and papers rarely say which one they mean.
#
# | | **semi**-supervised (04) | **self**-supervised (here) |
# |---|---|---|
# | labels | a few, from the first step | none |
# | learns | the classes | vectors that keep images apart |
# | result | a classifier | an encoder, without any class |
# | example | FixMatch | SimCLR |
# | then | done | probe or fine-tune with a few labels |
#
# A semi-supervised method guesses labels. A self-supervised one does not
# know that there are classes. They do not compete: you can run one after the
# other, as the last section does.

# %%
from workshop_lib.course import quiz

quiz.ask("10-ssl")

# %% tags=["quiz"]
quiz.answer("10-ssl", "...")

# %% [markdown]
# ## Two views of one image
#
# 6 minutes. **The data setting**, as in the notebooks before.

# %%
DATA = "mini_eo"  # or "ucm", "eurosat", or the path of a folder per class

# %%
from workshop_lib.augment import augmentations_for, to_float
from workshop_lib.data.load import open_data
from workshop_lib.presets import preset

config = preset(data=DATA)
scenes, split = open_data(config)
print(f"{len(split.unlabeled):,} images, whose labels nothing will read")

# %% [markdown]
# Take five images. Crop, turn and mirror each at random, and change its
# light and colours: the **first view**. Do it again: the **second view**. The
# network gets all ten and has to find the pairs.
#
# **You first.** Write down which letter belongs to 1, to 2, to 3, to 4 and
# to 5. By guessing you find one of them.

# %% tags=["figure:10_views"]
import torch
from workshop_lib import plots

generator = torch.Generator().manual_seed(5)
some = torch.randperm(len(split.unlabeled), generator=generator)[:5]
five = to_float(scenes.images[split.unlabeled[some]])  # (5, C, H, W)
views = augmentations_for(scenes.is_rgb)["contrastive"]
first, second = views(five, generator), views(five, generator)
mixed = torch.randperm(5, generator=generator)
pictures = plots.to_display(torch.cat([first, second[mixed]]), scenes.bands)
shown = dict(zip("12345ABCDE", pictures, strict=True))
plots.panels(shown, title="Five images, two views of each", columns=5)

# %%
print("It is", *("ABCDE"[k] for k in mixed.argsort()))
rows = {"image": five, "first view": first, "second view": second}
plots.view_rows(rows, scenes.bands, title="Which views belong together")

# %% [markdown]
# **After**: what did you use? Shapes, mostly. Colour alone will not do: it
# was changed on purpose, and one view may be grey. So the views decide what
# is learnt. What both keep is worth knowing; what they change at random, the
# network learns to ignore.

# %%
quiz.ask("10-views")

# %% tags=["quiz"]
quiz.answer("10-views", "...")

# %% [markdown]
# A batch of $N$ images gives $2N$ views: rows $0$ to $N-1$ are the first
# views, rows $N$ to $2N-1$ the second ones, in the same order. For each row
# there is one partner, itself, and $2N-2$ **negatives**.
#
# **Exercise 1** (easy, important, 1 minute). At which row is the partner of
# each row? For $N=3$: rows 3, 4, 5, 0, 1, 2.


# %%
def partners(N):
    """Return for each of 2N rows the row of its other view, (2N,)."""
    ### BEGIN SOLUTION N rows further down, and from the end back to the top
    rows = torch.arange(2 * N)
    found = (rows + N) % (2 * N)
    ### END SOLUTION
    return found


# %% [markdown] tags=["hint"]
# I get stuck before the first line
#
# In: a number, 3. Out: six whole numbers, `tensor([3, 4, 5, 0, 1, 2])`.
# `torch.arange(6)` gives the rows 0 to 5; add N to all of them.

# %% [markdown] tags=["hint"]
# I get numbers that are larger than 2N - 1
#
# The second half has to come back to the top: the rest of a division,
# `% (2 * N)`, does that.

# %%
from workshop_lib.course import checks

checks.partners(partners)

# %% [markdown]
# Here is what the loss does with each pair of rows, for $N=4$: **1** pulls
# together, **0** pushes apart, **-1** is the row itself and is left out.

# %% tags=["figure:10_pairs"]
N = 4
pairs = torch.zeros(2 * N, 2 * N)
pairs[torch.arange(2 * N), partners(N)] = 1
pairs.fill_diagonal_(-1)
assert (pairs == 0).sum(dim=1).tolist() == [2 * N - 2] * (2 * N)
shown = {"8 views, 8 views": pairs.numpy()}
plots.panels(shown, title="Who pulls whom?", numbers=True)

# %% [markdown]
# Two images of one class are pushed apart all the same: **false negatives**.
# In a batch of 64 images of ten classes they are about 12 of the 126
# negatives. It works nevertheless, because all the others are right.

# %% [markdown]
# ## NT-Xent, by you
#
# 11 minutes. The network turns each view into a vector $z$. The loss asks
# each row $i$ a question with $2N-1$ possible answers: *which of the others
# is your partner?* The scores are cosines, divided by a **temperature** $T$:
#
# $$\ell_i = -\log \frac{e^{\,s_{i,\text{partner}}/T}}
# {\sum_{k \ne i} e^{\,s_{ik}/T}} \qquad
# s_{ik} = \cos(z_i, z_k)$$
#
# That is a cross-entropy, as in every classifier, with rows in place of
# classes. The loss is the mean over the $2N$ rows.
#
# **Exercise 2** (medium, important, 3 minutes). Write it. Three of the lines
# are there, and `partners` gives the right answers.


# %%
import torch.nn.functional as F


def nt_xent(z0, z1, temperature):
    """Return the loss of N pairs; z0, z1 are (N, D), the result is ()."""
    ### BEGIN SOLUTION the cosine of all rows, without itself, cross-entropy
    ### STUB N = len(z0)
    ### STUB z = torch.cat([z0, z1])  # (2N, D): still of any length
    ### STUB itself = torch.eye(2 * N, dtype=torch.bool)  # (2N, 2N)
    N = len(z0)
    z = torch.cat([z0, z1])  # (2N, D): still of any length
    itself = torch.eye(2 * N, dtype=torch.bool)  # (2N, 2N)
    z = F.normalize(z, dim=1)
    scores = z @ z.T / temperature  # (2N, 2N)
    scores = scores.masked_fill(itself, -torch.inf)
    loss = F.cross_entropy(scores, partners(N))
    ### END SOLUTION
    return loss


# %% [markdown] tags=["hint"]
# I get stuck before the first line
#
# Four steps: scale the rows of `z` to length 1; compare each row with each,
# `z @ z.T`, and divide by the temperature; hide the diagonal; compare with
# `partners(N)`. By hand for N = 1: there are two rows, each has its partner
# and no negatives, so the loss is 0.

# %% [markdown] tags=["hint"]
# I get NaN or infinity
#
# The diagonal must be minus infinity *before* the cross-entropy, and only
# the diagonal: `scores.masked_fill(itself, -torch.inf)`.

# %% [markdown] tags=["hint"]
# I get a loss that is too small
#
# Is each row still compared with itself? Its cosine with itself is 1, and
# nothing can beat it. Is the temperature a divisor?

# %% [markdown] tags=["hint"]
# I get `expected scalar type Long`
#
# `F.cross_entropy(scores, target)` wants scores (2N, 2N) first, then the
# numbers of the right rows (2N,), which are whole numbers.

# %%
checks.nt_xent(nt_xent)

# %% [markdown]
# ### A network that knows nothing
#
# **Before you run the next cell**: all vectors are the same, so no row can
# tell its partner from the rest. There are 64 images, hence 127 possible
# answers. How large is the loss? Does the temperature matter?

# %%
import math

same = torch.ones(64, 96)
for temperature in (0.05, 0.5, 10):
    loss = nt_xent(same, same, temperature)
    print(f"temperature {temperature:>5}: loss {loss:.3f}")
    assert abs(loss - math.log(2 * 64 - 1)) < 1e-3

# %% [markdown]
# **After**: guessing among $2N-1$ gives $\log(2N-1)$, here $\log 127 = 4.84$,
# at every temperature. Training starts near this number, and a network that
# has collapsed is back at it. So a loss means nothing without its batch size.

# %% [markdown]
# ### What the temperature does
#
# One row, its partner (blue) and seven negatives (orange), by their cosines.
# The bars are the softmax; each negative is pushed in proportion to its bar.
# Move the slider. (Where no kernel listens, you see three temperatures.)

# %%
cosines = torch.tensor([0.8, 0.7, 0.5, 0.3, 0.2, 0.1, 0.0, -0.5])
names = [f"{c:.1f}" for c in cosines]


def shares(*temperatures):
    picture = plots.AccessibleFigure(figsize=(9, 3.2))
    for place, T in enumerate(temperatures, 1):
        axes = picture.add_subplot(1, len(temperatures), place)
        bars = (cosines / T).softmax(dim=0)
        axes.bar(names, bars, color=["#0072b2"] + ["#e69f00"] * 7)
        axes.set(title=f"temperature {T}", xlabel="cosine", ylim=(0, 1))
        axes.tick_params(axis="x", labelsize=9)
        picture.alt += f"Temperature {T}: partner {bars[0]:.0%}, "
        picture.alt += f"nearest negative {bars[1]:.0%}. "
    return picture


# %% tags=["figure:10_temperature"]
from workshop_lib.course.widgets.live import picture_with, slider

picture_with(
    lambda T: shares(T),
    {"T": slider("SelectionSlider", "T", 0.5, options=[0.05, 0.5, 10])},
    still=lambda: shares(0.05, 0.5, 10),
)

# %% [markdown]
# **After**:
#
# - **0.05**: the most similar negative gets all of the push. Good if it is a
#   hard case; bad if it is a false negative, and it often is.
# - **0.5**: all are pushed, similar ones more.
# - **10**: all bars are equal. No one in particular is pushed, and the
#   gradient, also divided by the temperature, nearly vanishes.

# %%
quiz.ask("10-temperature")

# %% tags=["quiz"]
quiz.answer("10-temperature", "...")

# %% [markdown]
# ## Pretraining
#
# 8 minutes. Start it now and read on.

# %% tags=["slow"] seconds=80
from workshop_lib.course.runs import class_run

start = preset(task="pretrain", data=DATA)
start = start.replace(steps=min(1000, start.optim.steps))
pretrained = class_run("simclr", scenes, split, start)

# %% [markdown]
# **Meanwhile**: what is running?
#
# - An **encoder**, the small CNN of notebook 04, makes 96 features of each
#   view. A **projection head** makes 64 numbers of those for NT-Xent, and is
#   thrown away afterwards: it drops what the loss does not need, and your
#   classes may need it.
# - Each step takes 64 images, so 128 views, at temperature 0.1. **No label
#   is in the loss.** The views are the *strong* ones of notebook 03: of 32
#   pixels the crops above leave too little.
# - To watch it, ask from outside: do the ten nearest neighbours of a
#   validation image have its class? This **kNN accuracy** (06) reads labels
#   of validation images every 250 steps, and changes no weight.
# - The second number to watch is the **spread** of the vectors.
#   Scale them to length 1, take the standard deviation of each of the $D$
#   numbers over the images, average, and multiply by $\sqrt{D}$.
#
# **Before** you run the cell: what is it if all vectors point the same way,
# and what if they point everywhere?


# %%
def spread(vectors):
    """Return how far N vectors are spread, 0 to 1; (N, D) -> ()."""
    unit = F.normalize(vectors, dim=1)  # (N, D)
    return unit.std(dim=0).mean() * unit.shape[1] ** 0.5


same, everywhere = torch.ones(1000, 64), torch.randn(1000, 64)
print(f"{spread(same):.2f} and {spread(everywhere):.2f}")

# %% [markdown]
# Now the log. **Before**: which of the three lines does the loss push up
# directly?

# %% tags=["figure:10_log"]
log = pretrained.log
curves = {"kNN accuracy": "val_knn", "partners found": "matched",
          "spread": "spread"}  # fmt: skip
series = {name: (log["step"], 100 * log[key]) for name, key in curves.items()}
plots.lines(series, title="SimCLR: no label in the loss", x_label="step",
            y_label="per cent", y_limits=(0, 100))  # fmt: skip

# %% [markdown]
# **After**: *partners found* is the task itself: is the nearest of the other
# 127 views the partner? *kNN accuracy* is what we want, and the loss never
# asked for it: images of one class are hard to tell apart, so they end up
# close together. The *spread* stays far from 0.
#
# ### How a network collapses
#
# What are the negatives for? Leave them out: then the loss, $-\cos$, only
# asks that two views of an image agree. And what if all negatives count
# alike, at temperature 10? **Before**: which of the two collapses?

# %% tags=["slow"] seconds=25
steps = int(pretrained.log["step"][0])  # of the first validation
changes = {"without negatives": {"negatives": False},
           "temperature 10": {"temperature": 10.0}}  # fmt: skip
logs = {"SimCLR": pretrained.log}
for name, change in changes.items():
    short = start.replace(steps=steps, **change)
    logs[name] = class_run("simclr", scenes, split, short).log

# %% tags=["figure:10_collapse"]
bars = {}
for name, log in logs.items():
    at = log.set_index("step").loc[steps]
    print(f"{name:18} loss {at['loss']:6.3f}")
    bars[f"{name}: kNN accuracy"] = 100 * at["val_knn"]
    bars[f"{name}: spread"] = 100 * at["spread"]
plots.bars(bars, title=f"After {steps} steps", unit="per cent")

# %% [markdown]
# **After**: without negatives the loss is perfect and the network useless.
# At temperature 10 nothing collapses, yet little is learnt: the gradient is
# tiny. So look at both numbers, and never at the loss alone.

# %%
quiz.ask("10-collapse")

# %% tags=["quiz"]
quiz.answer("10-collapse", "...")

# %% [markdown]
# ## Two sensors as two views
#
# 5 minutes. Remote sensing has real second views: another sensor that saw
# the same ground. Sentinel-1 and Sentinel-2 of one place are a positive
# pair, even without augmentation. (Here both are turned and shifted alike.)
# Each sensor gets its own encoder, both share one projection head, and the
# loss is the one that you wrote.
#
# ```text
# Sentinel-1 ── encoder ─┐
#                        ├── projection head ── NT-Xent
# Sentinel-2 ── encoder ─┘
# ```
#
# **MiniEO** again, whatever `DATA` says: a photograph has no second sensor.

# %% tags=["slow"] seconds=55
wish = {"pairs": "sensors", "sensors": ("s1", "s2"), "fusion": "late"}
sensors = start.replace(data="mini_eo", **wish)
places, place_split = open_data(sensors)
two = class_run("simclr", places, place_split, sensors)

# %% [markdown]
# **Exercise 3** (easy, important, 1 minute). Row $i$ of `z0` and row $i$ of
# `z1` are of one place. How often is the row of `z1` that is most similar to
# row $i$ of `z0` the right one?


# %%
def matching_accuracy(z0, z1):
    """Return how often the right row is found, 0 to 1; (N, D) and (N, D)."""
    ### BEGIN SOLUTION cosines (N, N), the largest of each row, compared
    scores = F.normalize(z0, dim=1) @ F.normalize(z1, dim=1).T  # (N, N)
    found = scores.argmax(dim=1)  # (N,)
    accuracy = (found == torch.arange(len(z0))).double().mean()
    ### END SOLUTION
    return accuracy


# %% [markdown] tags=["hint"]
# I get stuck before the first line
#
# Three lines: the cosines of all rows with all rows, (N, N); for each row
# the column of the largest; how often that is `torch.arange(N)`.

# %% [markdown] tags=["hint"]
# I get 1.0
#
# Did you compare `z0` with itself? Every row finds itself.

# %%
checks.matching_accuracy(matching_accuracy)

# %% [markdown]
# The network gets the radar image of a test place, which it has never seen,
# and has to find the optical image of that place among 1,000. **Before**: by
# guessing it finds 0.1 %. What is your guess?

# %%
from workshop_lib.evaluation.embeddings import embed, embed_run

for stage in ("initial", "best"):
    part = embed_run(two, places, place_split, "test", "projection", stage)
    both = torch.from_numpy(part.vectors).unflatten(1, (2, -1))
    s1, s2 = both.unbind(dim=1)  # (1000, 64) each
    print(f"{stage:8}finds {matching_accuracy(s1, s2):6.1%} of {len(s1):,}")

# %% [markdown]
# The first place that it finds, and the first that it does not:

# %% tags=["figure:10_search"]
best = (F.normalize(s1) @ F.normalize(s2).T).topk(4).indices  # (1000, 4)
right = (best[:, 0] == torch.arange(len(best))).int()
queries = right.argmax().item(), right.argmin().item()
test, shown = place_split.test, {}
for row, query in enumerate(queries, 1):
    radar = places.modalities["s1"][test[[query]]]
    shown[f"{row}: radar"] = plots.sar_to_display(radar)[0]
    light = plots.to_display(places.images[test[best[query]]], places.bands)
    for k, image in enumerate(light):
        mark = " (right)" if best[query, k] == query else ""
        shown[f"{row}: match {k + 1}{mark}"] = image
plots.panels(shown, title="Ask with radar, find light", columns=5)

# %% [markdown]
# **After**: look at the wrong matches, too. They share with the radar image
# what both sensors see, such as smooth round water: that is what both
# encoders had to describe.

# %% [markdown]
# ## What are a few labels worth now?
#
# 5 minutes. A pretrained encoder knows no class. Two ways to add them:
#
# - **linear probe**: the encoder stays as it is; a linear classifier learns
#   on its features. It says what the features know, and takes a second;
# - **fine-tuning**: training goes on, all weights move, as in notebook 04.
#
# Both need something to compare with: **the same from random weights**, with
# the same labels and as many steps. (With few images of your own, lower the
# 24 labels per class.)

# %%
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def probe(checkpoint, index):
    known = embed(pretrained, scenes, index, checkpoint=checkpoint)
    test = embed(pretrained, scenes, split.test, checkpoint=checkpoint)
    linear = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500))
    linear.fit(known.vectors, known.labels)
    return linear.score(test.vectors, test.labels)


# %% tags=["slow"] seconds=35
from workshop_lib.data.load import make_split
from workshop_lib.evaluation.scoring import evaluate

scores, tuning = {}, min(500, config.optim.steps)
for each in (4, 24):  # labels per class
    wish = config.replace(labels_per_class=each, steps=tuning)
    part = make_split(scenes, wish.data)
    for name, stage in {"random": "initial", "SimCLR": "best"}.items():
        scores[f"{each}, probe, {name}"] = probe(stage, part.labeled)
    for name, folder in {"random": "", "SimCLR": pretrained.folder}.items():
        tune = wish.replace(init_from=str(folder))
        run = class_run("supervised_strong", scenes, part, tune)
        result = evaluate(run, scenes, part).scores.accuracy
        scores[f"{each}, all weights, {name}"] = result

# %% tags=["figure:10_labels"]
percent = {name: 100 * value for name, value in scores.items()}
plots.bars(percent, title="Labels per class, how, and from which weights",
           unit="test accuracy in per cent")  # fmt: skip

# %%
quiz.ask("10-fair")

# %% tags=["quiz"]
quiz.answer("10-fair", "...")

# %% [markdown]
# ## First self-supervised, then semi-supervised
#
# 2 minutes. FixMatch (04) learns from its own confident guesses. With one
# label per class, its first guesses come from a network that knows next to
# nothing. A pretrained encoder gives it a better start, from the same
# unlabelled images. Test accuracy in per cent after two minutes of
# pretraining, mean and deviation of five seeds (`docs/pretraining.md`):
#
# | FixMatch starts from | 10 labels | 40 labels |
# |---|---|---|
# | random weights | 60.7 ± 8.0 | 90.4 ± 1.9 |
# | SimCLR | 89.3 ± 4.5 | 93.6 ± 0.7 |
# | two sensors | 85.6 ± 7.0 | 94.0 ± 0.6 |
#
# It takes one setting: `init_from`.

# %%
semi = preset(data=DATA, labels_per_class=1)
ready = semi.replace(init_from=pretrained.folder.as_posix())
assert set(ready.difference(semi)) == {"model.init_from"}  # a fair comparison
print(ready.difference(semi))

# %% [markdown]
# ## Key points
#
# - Self-supervised: no labels at all, the result is an encoder.
#   Semi-supervised: a few labels from the start, the result is a classifier.
# - The network learns what two views share, and ignores what they change at
#   random.
# - NT-Xent is a cross-entropy with the other views as classes. It starts
#   near $\log(2N-1)$.
# - At a low temperature only the nearest negatives count, at a high one all
#   alike.
# - The loss does not show a collapse. The spread does.
# - Two sensors of one place are two views, without inventing any.
# - "Pretraining brought x points" needs the same labels, the same steps and
#   several seeds.
#
# ## What to try next
#
# - Train FixMatch with `semi` and with `ready`: two calls of `class_run`.
# - Other views: `start.replace(view="contrastive")`, or that without its
#   crop, `"contrastive-crop"`, or `-jitter`, `-turns`, `-gray`. Which part
#   teaches most?
# - Draw the t-SNE map of notebook 06 for the pretrained network. Which
#   classes lie apart, although it has seen no label?

# %% [markdown]
# ## Vocabulary
#
# | from deep learning | what it is |
# |---|---|
# | self-supervised | the task is made from the images alone, without labels |
# | pretext task | that task; here: which two views are of one image? |
# | positive pair | two views that belong together |
# | negatives | all other views of the batch |
# | NT-Xent | the loss of SimCLR: cross-entropy over similarities |
# | temperature | how strongly the most similar negatives count |
# | collapse | every image gets the same vector |
# | linear probe | a linear classifier on features that stay as they are |
# | fine-tuning | training goes on from pretrained weights, all of them |
#
# | from remote sensing | what it is |
# |---|---|
# | co-registered | two images show the same ground, pixel by pixel |
# | acquisition | an image of one place, by one sensor on one day |

# %% [markdown]
# ## Sources
#
# - van den Oord, Li and Vinyals 2018, *Representation Learning with
#   Contrastive Predictive Coding*: the loss, first used.
#   [arXiv:1807.03748](https://arxiv.org/abs/1807.03748)
# - Chen et al. 2020, *A Simple Framework for Contrastive Learning of Visual
#   Representations*: SimCLR and NT-Xent.
#   [arXiv:2002.05709](https://arxiv.org/abs/2002.05709)
# - Scheibenreif, Mommert and Borth 2022, *Contrastive Self-Supervised Data
#   Fusion for Satellite Imagery*: two sensors as two views.
#   [doi:10.5194/isprs-annals-V-3-2022-705-2022](https://doi.org/10.5194/isprs-annals-V-3-2022-705-2022)

# %%
from workshop_lib.course import progress

progress.show()
