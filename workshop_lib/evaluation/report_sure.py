"""The report's tables about trust: is a difference real, which weights, how sure."""

__all__ = ["calibration_table", "difference_table", "is_it_real", "weights_table"]


from workshop_lib.evaluation.report_data import MethodResult, ReportData
from workshop_lib.evaluation.report_tables import Table, per_cent
from workshop_lib.evaluation.statistics import PairedTest, mcnemar

_WEIGHTS = {"ema": "averaged", "online": "online"}


def is_it_real(data: ReportData) -> list[str]:
    """Answer for the main method and its baseline, or else the first other result.

    Empty where there is nothing to compare.
    """
    others = [r for r in data.results if r is not data.main]
    if not others:
        return []
    other = data.baseline if data.baseline in others else others[0]
    assert other is not None
    words = _paired(data, data.main, other).summary(data.main.title, other.title)
    return words.split("\n")[2:]  # the figures before stand in `difference_table`


def difference_table(data: ReportData) -> Table | None:
    """Compare the main method with each other one, on the same test images."""
    rows = []
    for other in data.results:
        if other is data.main:
            continue
        test = _paired(data, data.main, other)
        low, high = test.interval()
        p = "< 0.0001" if test.p_value < 1e-4 else f"{test.p_value:.4f}"
        rows.append(
            [
                other.title,
                _signed(test.difference),
                f"{_signed(low)} to {_signed(high)}",
                f"{test.only_a:,}",
                f"{test.only_b:,}",
                p,
                "yes" if test.significant else "cannot tell",
            ]
        )
    if not rows:
        return None
    header = ["compared with", "difference (points)", "95 % interval"]
    header += ["right here only", "right there only", "p", "real?"]
    return Table(f"{data.main.title}, against the others", header, rows)


def weights_table(data: ReportData) -> Table | None:
    """The four sets of weights that each training ended with."""
    rows = [
        [
            result.title,
            f"{found.which}, {_WEIGHTS[found.weights]}",
            f"{found.step:,}",
            per_cent(found.val_accuracy),
            per_cent(found.test_accuracy),
        ]
        for result in data.results
        for found in result.checkpoints
    ]
    header = ["method", "weights", "step", "validation", "test"]
    return Table("Accuracy with other weights", header, rows) if rows else None


def calibration_table(data: ReportData) -> Table | None:
    """How far each method's confidence lies from the truth, and after a temperature."""
    rows = []
    for result in data.results:
        found = result.calibration
        if found is None:
            continue
        rows.append(
            [
                result.title,
                *map(per_cent, found.before.means()),
                f"{100 * found.before.ece:.1f}",
                f"{found.temperature:.2f}",
                f"{100 * found.after.ece:.1f}",
            ]
        )
    header = ["method", "sure on average", "right", "error (points)", "temperature"]
    header.append("error then (points)")
    return Table("Confidence against truth", header, rows) if rows else None


def _paired(data: ReportData, a: MethodResult, b: MethodResult) -> PairedTest:
    right = [r.probs.argmax(dim=1).cpu() == data.test_labels for r in (a, b)]
    return mcnemar(right[0].numpy(), right[1].numpy())


def _signed(share: float) -> str:
    return f"{100 * share:+.1f}".replace("-", "\N{MINUS SIGN}")
