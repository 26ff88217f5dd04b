# %% [markdown]
# # 05 Evaluation: what is a result worth?
#
# One network reaches 92.7 % accuracy, another 80.5 %. Before you publish
# that, this notebook asks four questions. Was the test set used only once?
# Which images are wrong? Can you trust the confidence? Would you see the same
# difference again with other labels?
#
# **After this notebook you can**
#
# - read a training log: the curve, the best step, the cost;
# - choose a model on validation images, and use the test images once;
# - compute top-k accuracy and Cohen's kappa, and say what each one hides;
# - find the mistakes of a network and look at them, one by one;
# - judge whether a difference is real: seeds, intervals, McNemar's test;
# - find out which classes the pseudo-labels got wrong, and when.
#
# **You need** notebook 04: what FixMatch is, and what a mask rate is. Its
# runs are loaded if you did it; otherwise they are trained here (about five
# minutes on two cores). New words are explained at the end:
# [Vocabulary](#Vocabulary).
#
# **Time**: 20 minutes, and about four more while the seeds train.

# %% [markdown]
# ## The runs
#
# 1 minute. **The data setting.** The notebook works on the embedded data set.
# If you have UC Merced or EuroSAT (`workshop data ucm get`), change one word.

# %%
DATA = "mini_eo"  # or "ucm", "eurosat", or the path of a folder per class

# %%
from workshop_lib.data.load import open_data
from workshop_lib.presets import preset

config = preset(data=DATA)
scenes, split = open_data(config)
names = scenes.class_names
print(f"{len(split.labeled)} labelled, {len(split.unlabeled)} unlabelled,")
print(f"{len(split.val)} validation, {len(split.test)} test images")

# %% [markdown]
# Four methods, all with the same labels and the same number of steps. A run
# that notebook 04 has finished is loaded. The messages say which are loaded
# and which are trained.

# %% tags=["slow"] seconds=50
from workshop_lib.course.runs import class_run

runs = {}
for name in ("supervised", "supervised_strong"):
    runs[name] = class_run(name, scenes, split, config)

# %% tags=["slow"] seconds=80
runs["fixmatch"] = class_run("fixmatch", scenes, split, config)

# %% tags=["slow"] seconds=120
runs["comatch"] = class_run("comatch", scenes, split, config)

# %% [markdown]
# ## Reading the log
#
# 3 minutes. Every run keeps a log, with one row per evaluation on the
# validation images. **Before** you run the cell: which curve will still rise
# at the end?

# %%
from workshop_lib import plots

TITLES = {
    "supervised": "Supervised, weak",
    "supervised_strong": "Supervised, strong",
    "fixmatch": "FixMatch",
    "comatch": "CoMatch",
}
logs = {TITLES[name]: run.log for name, run in runs.items()}
plots.learning_curves(logs)

# %% [markdown]
# **After**: with few labels a curve is ragged. It goes up and down by some
# points from one row to the next, although the network hardly changes. So the
# last row may be a poor choice. The weights of the best row, by validation,
# are saved in `best.pt`.
#
# **Exercise 1** (easy, useful, 2 minutes). Find that step in the log. If two
# rows are equal, the later one was kept: it has trained for longer.
#
# `log` is a pandas table: `log["step"]` is a column of it, and `log[keep]`
# the rows where `keep`, such as `log["step"] > 500`, is true.


# %%
def best_step(log):
    """Return the step with the highest `val_accuracy`, the last of equals."""
    ### BEGIN SOLUTION the step of the row with the highest val_accuracy
    ### STUB highest = ...
    highest = log["val_accuracy"].max()
    rows = log[log["val_accuracy"] == highest]
    step = int(rows["step"].iloc[-1])
    ### END SOLUTION
    return step


# %% [markdown] tags=["hint"]
# I get a small number such as 9
#
# That is the position of the row, as `idxmax()` gives it. Ask for its
# `"step"`: `log.loc[row, "step"]`.

# %% [markdown] tags=["hint"]
# I get a step that is too early
#
# Two rows share the highest value, and `idxmax()` gives the first of them.
# Keep all rows that equal the maximum, and take the last.

# %%
from workshop_lib.training.checkpoint import load_checkpoint

for name, run in runs.items():
    saved = load_checkpoint(run.folder / "best.pt", needs=("step",))["step"]
    mine = best_step(run.log)
    told = f"{name}: you gave {mine}, best.pt has step {saved}"
    assert mine == saved, f"{told}: see the hints"
    print(f"{TITLES[name]}: best at step {saved:,} of {run.facts['steps']:,}")

# %% [markdown]
# ### What did it cost?
#
# An accuracy without its cost is half a result. Each run records all of this
# itself: the config says what was requested, the facts say what was really
# done.
#
# In an earlier workshop a run with 840 labels was shown as the result with
# 84. **Here every table names the folder it was read from.**

# %%
import pandas as pd


def cost(run):
    facts, o = run.facts, run.config.optim
    unlabelled = o.mu * o.batch_size if run.config.method.views else 0
    return {"parameters": facts["parameters"], "labels": facts["labels"],
            "batch": o.batch_size, "unlabelled per step": unlabelled,
            "steps": facts["steps"], "minutes": facts["seconds"] / 60,
            "peak memory, GB": facts["peak_memory"] / 1e9,
            "folder": run.folder.as_posix()}  # fmt: skip


table = pd.DataFrame({TITLES[k]: cost(run) for k, run in runs.items()}).T
table.style.format(precision=2, thousands=",")

# %% [markdown]
# Look at three things. The labels are the same everywhere: the comparison is
# fair. $\mu$ (mu) is the number of unlabelled images per labelled one; with a
# batch of 16 and $\mu = 4$ a step of FixMatch looks at 16 + 64 images, so it
# takes about three times as long. CoMatch has more parameters: its projection
# head, which notebook 06 looks at.
#
# On a CPU the memory is that of the whole program, so a later run never shows
# less than an earlier one. On a GPU it is that of the run alone.

# %% [markdown]
# ## Choose first, then test once
#
# 3 minutes. The test images stand in for the future: images not seen before.
# If you use them to choose a model, the best step or a threshold, they no
# longer do.
#
# How much does it matter? Here is a thought experiment, simulated: twenty
# equally good models, each correct on any image with probability 0.80. We
# test all of them and report the best.

# %%
import numpy as np

N, rng = len(split.test), np.random.default_rng(0)
best_of_20 = rng.binomial(N, 0.80, size=(1000, 20)).max(axis=1) / N
print(f"each of the twenty is right in 80.0 % of {N} test images on average;")
print(f"the best of twenty says {best_of_20.mean():.1%}")
assert best_of_20.mean() > 0.80

# %% [markdown]
# No step was dishonest, and yet the number is too high: it is the luck of the
# draw. An earlier workshop chose its best epoch on the test images.
#
# So we choose **now**, on the validation images, and record the choice before
# we use the test set.

# %%
validation = {
    name: run.log["val_accuracy"].max() for name, run in runs.items()
}
chosen = max(validation, key=validation.get)
for name, value in validation.items():
    print(f"{TITLES[name]:20} validation {value:.1%}")
print("chosen:", TITLES[chosen])

# %% [markdown]
# Guess a number before you run the next cell: what will the chosen model
# reach on the test set? Usually a little less than on validation, because it
# was chosen there.

# %% tags=["slow"] seconds=10
from workshop_lib.evaluation.scoring import evaluate

results = {name: evaluate(run, scenes, split) for name, run in runs.items()}
for name, found in results.items():
    low, high = found.intervals["accuracy"]
    print(f"{TITLES[name]:20} test {found.scores.accuracy:.1%}"
          f"  (95 % interval {low:.1%} to {high:.1%})")  # fmt: skip
assert all(len(found.probs) == len(split.test) for found in results.values())

# %% [markdown]
# The interval shows how much the result could change with other **test
# images**. It does not include how much it could change with other
# **labels**: that comes further down.
#
# From here on we look at two of them: FixMatch, and the best result from
# labels alone, supervised with strong augmentation.

# %% [markdown] tags=["instructor"]
# Ask who would have chosen another model by the test. With the class preset
# FixMatch and CoMatch are often within two points of each other: a good
# moment to leave the question open until the section on seeds.

# %% [markdown]
# ## One number, and what it hides
#
# 5 minutes. `probs` holds a row per test image and a column per class. Top-1
# accuracy asks: is the most likely class the true one? Top-5 asks: is the
# true class among the five most likely? For an archive in which a person
# picks from five suggestions, that is the number that counts.
#
# **Exercise 2** (easy, important, 3 minutes). Write top-k accuracy.


# %%
def top_k_accuracy(probs, labels, k):
    """Share of images whose class is among the k likeliest: (N, K), (N,)."""
    ### BEGIN SOLUTION the share of rows whose label is among the k likeliest
    ### STUB guesses = ...  # (N, k)
    guesses = probs.topk(k, dim=1).indices  # (N, k)
    hits = (guesses == labels[:, None]).any(dim=1)  # (N,)
    share = hits.double().mean().item()
    ### END SOLUTION
    return share


# %% [markdown] tags=["hint"]
# I get `RuntimeError: The size of tensor a ... must match`
#
# `guesses` is (N, k), `labels` is (N,). Make the labels a column,
# `labels[:, None]`, (N, 1): then each is compared with its own k guesses.

# %% [markdown] tags=["hint"]
# I get a number above 1
#
# You counted hits, or did not ask per image: `.any(dim=1)` gives one True or
# False for each image, and their mean is the share.

# %%
from workshop_lib.course import checks

checks.top_k_accuracy(top_k_accuracy)

# %% [markdown]
# Now use it. Expected: each curve rises with k, and reaches 100 % when k is
# the number of classes, whatever the network does.

# %% tags=["figure:05_top_k"]
truth, both = scenes.labels[split.test], ("supervised_strong", "fixmatch")
ks = range(1, len(names) + 1)
curves = {}
for name in both:
    shares = [top_k_accuracy(results[name].probs, truth, k) for k in ks]
    assert abs(shares[0] - results[name].scores.accuracy) < 1e-9
    assert shares == sorted(shares) and shares[-1] == 1
    curves[TITLES[name]] = (ks, [100 * share for share in shares])
plots.lines(
    curves, title=f"Top-k accuracy, {len(truth)} test images",
    x_label="k (guesses)", y_label="right (%)", y_limits=(0, 102),
)  # fmt: skip

# %%
from workshop_lib.course import quiz

quiz.ask("05-top5")

# %%
quiz.answer("05-top5", "...")

# %% [markdown]
# ### Class by class
#
# Nine classes at 100 % and one at 0 % also give 90 %. **Before**: which class
# do you expect to be the worst?

# %% tags=["figure:05_each_class"]
recalls = {TITLES[name]: results[name].scores.recall for name in both}
labels = runs["fixmatch"].facts["labels"]
shown = f"{labels} labels, seed {config.run.seed}"
plots.per_class(recalls, names, title=f"Accuracy of each class, {shown}")

# %% [markdown]
# **After**: look for classes where the two are far apart. Is there one where
# FixMatch is the *worse* one? A method may win by ten points and still lose a
# class.

# %% [markdown]
# ### Which classes are confused?
#
# A confusion matrix counts pairs: the truth in rows, the prediction in
# columns. The diagonal holds the correct predictions. Look for the largest
# number off the diagonal.

# %%
confusion = results["fixmatch"].scores.confusion
assert confusion.sum() == len(split.test)
title = f"FixMatch, {shown}: test images"
plots.confusion_matrix(confusion, names, title=title)

# %%
quiz.ask("05-matrix")

# %%
quiz.answer("05-matrix", "...")

# %% [markdown]
# ### Kappa: agreement beyond chance
#
# If nine of ten scenes are forest, always saying "forest" is 90 % right.
# Kappa corrects for agreement by chance. $p_o$ is the accuracy, and $p_e$ is
# the agreement expected by chance if truth and prediction kept their class
# frequencies but were independent:
#
# $$\kappa = \frac{p_o - p_e}{1 - p_e}, \qquad
#   p_e = \sum_k (\text{share of row } k) \cdot (\text{share of column } k)$$
#
# **Before** you run the cell: a network always says "forest", and nine of ten
# scenes are forest. Its accuracy is 0.9. What is its kappa?


# %%
def cohens_kappa(confusion):
    """Kappa of a (K, K) array of counts; rows are the truth."""
    shares = confusion / confusion.sum()  # (K, K)
    p_o = np.trace(shares)
    p_e = (shares.sum(axis=1) * shares.sum(axis=0)).sum()  # rows, columns
    return float((p_o - p_e) / (1 - p_e))


always_forest = np.array([[9, 0], [1, 0]])
print(f"always forest: kappa {cohens_kappa(always_forest):.3f}")

# %% [markdown]
# **After**: 0, as this network knows nothing. Now two of ours.

# %%
for name in both:
    scores = results[name].scores
    mine = cohens_kappa(scores.confusion)
    assert abs(mine - scores.kappa) < 1e-9
    print(
        f"{TITLES[name]:20} accuracy {scores.accuracy:.3f}  kappa {mine:.3f}"
    )

# %% [markdown]
# If all classes are equally common, as in this data set, kappa is the
# accuracy on a scale whose 0 is guessing. It is more informative if they are
# not. It is still one number: the matrix says more than both.

# %%
quiz.ask("05-kappa")

# %%
quiz.answer("05-kappa", "...")

# %% [markdown]
# ### The gallery of mistakes
#
# Now the images. These are FixMatch's most confident mistakes. Below each you
# see the prediction, its confidence, and the true class. Ask of each: would
# *you* have known? Is the label right?

# %%
from workshop_lib.evaluation.predictions import Predictions

said = {
    name: Predictions.load(run.folder / "predictions.npz")
    for name, run in runs.items()
}
wrong = (~said["fixmatch"].right).nonzero().flatten()
print(f"FixMatch: {len(wrong)} of {len(split.test):,} test images wrong")
assert len(wrong) == confusion.sum() - np.trace(confusion)

# %%
sure = said["fixmatch"].probs[wrong].amax(dim=1)
worst = wrong[sure.argsort(descending=True)][:12]
title = f"FixMatch, {shown}: wrong, and sure of it"
told = (scenes, split.test[worst], said["fixmatch"].probs[worst])
plots.gallery(*told, title=title) if len(wrong) else "no mistake to show"

# %% [markdown]
# ### Click through the matrix
#
# Pick a true and a predicted class: the images of that cell appear, the most
# confident first. Begin with the largest cell off the diagonal, then look at
# the same pair the other way round. (Without a live kernel, the figure shows
# the most common mistake.)

# %%
from workshop_lib.course import widgets

widgets.confusion_browser(said["fixmatch"], scenes)

# %% [markdown]
# Write one sentence for the pair you looked at: what do the images share?
# Typical answers: the same straight lines, the same colour, two classes in
# one image. That sentence is worth more to the people who label the next
# forty images than another digit of the accuracy.

# %% [markdown]
# ## Can you trust the confidence?
#
# 2 minutes. A network says "95 %". Of a hundred such images, are 95 right?
# The figure sorts the test images by confidence into bins. On the diagonal
# the network is right as often as it says; below it, it is overconfident. The
# area of a point shows its share of the images: the position of a small one
# is mostly chance.
#
# It matters here more than elsewhere, because FixMatch *learns* from
# predictions above a threshold. **Before**: on which side of the diagonal
# will a network be that has seen 40 labelled images hundreds of times each?

# %%
tables = {
    TITLES[name]: results[name].calibration.before.bins for name in both
}
plots.reliability(tables)

# %% [markdown]
# One number corrects much of this: divide the logits by a temperature $T$,
# fitted on **validation** images. The order of the classes does not change,
# so no prediction changes; only the confidence does.

# %%
for name in both:
    found = results[name].calibration
    print(f"{TITLES[name]:20} T = {found.temperature:.2f}, calibration error"
          f" {found.before.ece:.3f} -> {found.after.ece:.3f}")  # fmt: skip
mended = results["fixmatch"].calibration
plots.reliability(
    {"as it is": mended.before.bins, "with T": mended.after.bins},
    title="FixMatch before and after",
)

# %%
quiz.ask("05-calibration")

# %%
quiz.answer("05-calibration", "...")

# %% [markdown]
# ## Is the difference real?
#
# 4 minutes. This is really three questions.
#
# 1. Would **other test images** change the order? McNemar's test, bootstrap.
# 2. Would **another draw of the labels** change it? Several seeds.
# 3. Is it large enough to matter to you? No statistical test answers that.
#
# ### Other test images
#
# Both networks were tested on the same images. Images that both get right, or
# both get wrong, say nothing about which is better. McNemar's test counts the
# others: two equally good networks would each win half of them.

# %%
import textwrap

from workshop_lib.evaluation import mcnemar

right_fix = said["fixmatch"].right.numpy()
strong = said["supervised_strong"].in_order_of(said["fixmatch"])
right_sup = strong.right.numpy()
test = mcnemar(right_fix, right_sup)
assert test.total == len(split.test)
for line in test.summary("FixMatch", "Supervised, strong").splitlines():
    print(textwrap.fill(line, 76))

# %% [markdown]
# The bootstrap answers the same question for any quantity. It samples as many
# test images as there are, with replacement, two thousand times, and computes
# the difference each time. Compare its interval with the one above: two
# methods, nearly the same answer.

# %%
from workshop_lib.evaluation import bootstrap_interval


def difference(a, b):
    return a.mean(axis=1) - b.mean(axis=1)


found = bootstrap_interval(difference, right_fix, right_sup, vectorized=True)
print(f"FixMatch less supervised, strong: {found} (shares, 95 % interval)")
assert np.isnan(found.low) or found.low <= found.value <= found.high
assert abs(found.value - test.difference) < 1e-9

# %% [markdown]
# ### Another draw of the labels
#
# With 4 labels per class it matters *which* four. A seed determines them, the
# initial weights, and the order of the images. So every method is trained
# with the same seeds, and compared seed by seed.
#
# Seed 0 is already done. Two more seeds of two methods take about three and a
# half minutes on two cores; finished runs are loaded. Read on meanwhile:
# the prediction below does not need the results.

# %% tags=["slow"] seconds=200
from workshop_lib.experiments.results import summarize
from workshop_lib.experiments.sweeps import sweep
from workshop_lib.presets import preset_time

folder = f"runs/{preset_time()}/seeds"
configs = {name: runs[name].config for name in both}
rows = sweep(configs, seeds=[1, 2], folder=folder)
told = ["name", "labels", "value", "deviation", "seeds", "seconds"]
summarize(rows)[told].style.format(precision=3)

# %% [markdown]
# This table averages two seeds. It shows the standard deviation, which is how
# much single runs scatter. What we want to know is how precise the **mean**
# is.
#
# For n values with mean $m$ and standard deviation $s$ (dividing by n - 1),
# the mean over very many seeds is, in 95 of 100 such experiments, within
#
# $$ m \pm t \cdot \frac{s}{\sqrt{n}} $$
#
# where $t$ is the 0.975 quantile of Student's distribution with n - 1 degrees
# of freedom: `stats.t.ppf(0.975, n - 1)`. For five seeds it is 2.8, for three
# 4.3, for two 12.7: few seeds give wide intervals.
#
# **Predict** (3 minutes, with pencil and paper): five seeds reached 91, 88,
# 93, 90 and 92 %. Their mean is 90.8 and $s$ is 1.9. From where to where is
# the interval? And if only the first two seeds had been trained?

# %%
from scipy import stats


def mean_and_interval(values):
    """Mean over seeds, and the ends of its 95 % interval."""
    n, mean = len(values), float(np.mean(values))
    deviation = float(np.std(values, ddof=1))  # ddof: divide by n - 1
    t = float(stats.t.ppf(0.975, n - 1))
    half = t * deviation / n**0.5
    return mean, mean - half, mean + half


# %%
five = [0.91, 0.88, 0.93, 0.90, 0.92]
for seeds in (five, five[:2]):
    mean, low, high = mean_and_interval(seeds)
    print(f"{len(seeds)} seeds: {mean:.1%}, from {low:.1%} to {high:.1%}")

# %% [markdown]
# **After**: two seeds say nothing yet, however near each other they are. The
# root of n matters, too: without it the interval describes *single* runs.
#
# Now for the three seeds. **Before**: will the two intervals overlap?

# %%
rows = rows.sort_values("seed")
reached = {}
for name in both:
    others = rows[rows["name"] == name]["value"].tolist()
    reached[TITLES[name]] = [results[name].scores.accuracy, *others]
intervals = {k: mean_and_interval(values) for k, values in reached.items()}
title = f"{labels} labels, three draws of them"
plots.seed_plot(reached, intervals, title=title)

# %% [markdown]
# **After**: look at the grey lines first. Each joins the two runs of one
# seed: the same labels, the same first weights. An unlucky choice of labels
# is unlucky for both. So the two intervals may overlap although the
# difference is real: both include the luck of the labels, which cancels out
# in a difference seed by seed. Compute the interval for the **differences**.

# %%
a, b = (np.array(reached[TITLES[name]]) for name in both)
gain = b - a
mean, low, high = mean_and_interval(gain)
print(
    "FixMatch less supervised, seed by seed, in points:", 100 * gain.round(3)
)
verdict = "holds 0" if low <= 0 <= high else "does not hold 0"
ends = f"{100 * low:+.1f} to {100 * high:+.1f}"
print(f"mean {100 * mean:+.1f}, 95 % interval {ends}: {verdict}")
assert len(gain) == 3 and low <= mean <= high

# %% [markdown]
# If the interval contains 0, three seeds are not enough to tell, even if
# every seed points the same way. That is not a failure: it is the honest
# answer, and it says what to do. `make bench` in the repository trains five
# seeds of six methods (about half an hour on two cores) and writes the table
# of `docs/results.md`.

# %%
quiz.ask("05-seeds")

# %%
quiz.answer("05-seeds", "...")

# %% [markdown]
# ## Does it hold on real images?
#
# 1 minute. MiniEO is generated, and easier than the world. The same methods
# were measured on EuroSAT (40 labels) and UC Merced (84 labels): with a
# network trained from scratch for 2,000 steps, and with a small network on
# the **features of a frozen, pretrained one**. **Before**: where will
# FixMatch help, and where not?

# %% tags=["figure:05_real"]
# EuroSAT and UC Merced from scratch, then pretrained: docs/results.md
better = [0.512, 0.490, 0.797, 0.835]  # the better supervised baseline
fixed = [0.550, 0.417, 0.915, 0.892]  # FixMatch
settings = ["EuroSAT, from scratch", "UC Merced, from scratch",
            "EuroSAT, pretrained", "UC Merced, pretrained"]  # fmt: skip
plots.per_class(
    {"supervised": better, "FixMatch": fixed}, settings,
    title="Real images", x_label="right on test images (%)",
)  # fmt: skip

# %% [markdown]
# **After**: from scratch, in minutes, the unlabelled images add 3 to 4 points
# on EuroSAT and **cost 7** on UC Merced (two seeds and one, so no more than a
# warning). Only 60 to 64 of 100 pseudo-labels in use were right there; on
# MiniEO 94 were. A network confirms what it predicts, mistakes included. On
# pretrained features FixMatch adds 12 and 6 points (means of five seeds). So
# with real images: start from a pretrained network, look at the pseudo-labels
# of a few classes, and keep the supervised baseline beside the result.
#
# If you have these images (`workshop data eurosat get`), here are some.

# %%
from workshop_lib.data.load import load_dataset
from workshop_lib.errors import WorkshopError

seen = None
for real in ("eurosat", "ucm"):
    try:
        seen = plots.class_samples(load_dataset(real, size=64), per_class=8)
        break
    except WorkshopError:
        print(f"{real} is not here: workshop data {real} get")
seen

# %% [markdown]
# ## How good were the pseudo-labels?
#
# 1 minute. During training, FixMatch assigned pseudo-labels to unlabelled
# images. For a data set whose true labels are known, we can check them. (The
# method never saw these labels: with your own unlabelled images you cannot
# draw this figure.)

# %% tags=["figure:04_pseudo_labels"]
title = f"FixMatch's pseudo-labels, {shown}"
plots.pseudo_labels(runs["fixmatch"].log, title=title)

# %% [markdown]
# There is a tension between the two curves: more labels in use, but still
# correct ones. Over all classes they look good. Class by class the story may
# differ: a network prefers the classes it finds easy, and its own
# pseudo-labels reinforce the preference. In the figure, orange means
# predicted too rarely, purple too often, white in proportion. Look for a row
# that does not turn white.

# %% tags=["figure:05_favoured"]
history = runs["fixmatch"].pseudo_labels()
plots.pseudo_label_bias(history)

# %% [markdown]
# And were they correct? The figure shows the fraction of correct
# pseudo-labels among those in use, per class, at the beginning and at the
# end. Compare the worst class with the worst class on the test set further
# up. A class may have correct pseudo-labels and still do badly, because there
# were too few of them: which of the two figures shows that?

# %%
counts = history.set_index(["class", "step"])
share = (counts["correct"] / counts["used"]).unstack("step")
share = share.reindex(list(names))  # (K, rows of log)
first, last = share.columns[0], share.columns[-1]
plots.per_class(
    {
        f"until step {first:,}": share[first],
        f"until step {last:,}": share[last],
    },
    names,
    title="Pseudo-labels that were right",
    x_label="of the pseudo-labels of that class, right (%)",
)

# %% [markdown]
# ## Key points
#
# - Choose on validation images, then use the test set once. Weights, step,
#   method and threshold are all choices.
# - One accuracy hides classes. Look at the matrix, then at the images.
# - The interval over test images and the interval over seeds answer two
#   questions. With few labels the second is the larger one.
# - Compare on the same seeds, and compute the interval for the differences.
# - A confidence is a claim. Check it before you use a threshold on it.
# - Every result needs its config, its labels, its seed, and the folder it
#   came from.
#
# ## What to try next
#
# - Train a third and a fourth seed: `seeds=[1, 2, 3, 4]`. How does the
#   interval of the gain shrink?
# - Set `labels_per_class=25` in the config. Is the difference still real?
# - `workshop report` writes all of this as one page for a run of yours.
# - Notebook 06 looks inside: where does the network put the images?

# %% [markdown]
# ## Vocabulary
#
# Deep learning and remote sensing use different words for the same things.
# This notebook uses those on the left.
#
# | here | remote sensing says | what it is |
# |---|---|---|
# | accuracy | overall accuracy (OA) | fraction of all images that are right |
# | recall of a class | producer's accuracy | fraction of its images found |
# | precision of a class | user's accuracy | fraction of predictions right |
# | confusion matrix | error matrix | truth in rows, prediction in columns |
# | kappa | kappa | agreement beyond chance |
# | step | iteration | one update of the weights |
#
# | from remote sensing | what it is |
# |---|---|
# | scene | one image with one class, as here: 32 x 32 pixels |
# | band | one channel: blue, green, red, near infrared |
#
# | from deep learning | what it is |
# |---|---|
# | validation images | held back for choices: when to stop, which model |
# | test images | held back for reporting, and for nothing else |
# | seed | the number that fixes all random choices: labels, weights, order |
# | confidence | the highest of the probabilities that a network gives |

# %% [markdown]
# ## Sources
#
# - Cohen 1960, *A coefficient of agreement for nominal scales*: kappa.
#   [doi:10.1177/001316446002000104](https://doi.org/10.1177/001316446002000104)
# - McNemar 1947, *Note on the sampling error of the difference between
#   correlated proportions or percentages*.
#   [doi:10.1007/BF02295996](https://doi.org/10.1007/BF02295996)
# - Guo et al. 2017, *On Calibration of Modern Neural Networks*: temperature.
#   [arXiv:1706.04599](https://arxiv.org/abs/1706.04599)
# - Foody 2020, on why kappa is a poor measure of the accuracy of maps.
#   [doi:10.1016/j.rse.2019.111630](https://doi.org/10.1016/j.rse.2019.111630)
# - Oliver et al. 2018, *Realistic Evaluation of Deep Semi-Supervised Learning
#   Algorithms*. [arXiv:1804.09170](https://arxiv.org/abs/1804.09170)

# %%
from workshop_lib.course import progress

progress.show()
