"""Time of one fit beside MLPClassifier, skorch and a plain PyTorch loop.

    python benchmarks/fit_speed.py
    python benchmarks/fit_speed.py --cases a,c --peers sklearn --repeats 5
    python benchmarks/fit_speed.py --loaded

Equal work: architecture, batch size, epochs, shuffling, float32 and Adam are the same
for all, nobody stops early, and the reached training loss is computed here, by one
function, from each contestant's probabilities. In every repeat (another seed each) the
contestants take turns; each is shown at its best of the thread counts tried.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import mean, median
from typing import Any

import contestants as arena
from contestants import CASES, INITIALISATION_NOTE, PEERS, TITLES, Case, Job

QUICK_STEPS = 20
LOADED_STEPS = 200  # a collapsed fit takes tens of milliseconds per step

HEADERS = (
    "case",
    "contestant",
    "threads",
    "us per step",
    "time / ours",
    "loss",
    "loss / ours",
    "of GEMM rate",
    "of all cores' rate",
)

NOTES = (
    "us per step: median seconds of a whole fit / its optimizer steps. "
    "time / ours: how many times longer than TorchBinaryClassifier. "
    "loss: mean over the seeds of the log-loss on the training rows.",
    "of GEMM rate: part of the time that the step's matrix products would take at this "
    "machine's measured torch.mm rate with the contestant's own number of threads; "
    "in the last column with the highest rate measured.",
    INITIALISATION_NOTE,
)

LOADED_HEADERS = (
    "case",
    "contestant",
    "threads",
    "alone, us",
    "loaded, us",
    "slowdown",
)


@dataclass
class CaseTimes:
    """What was measured in one case, by contestant and number of threads."""

    case: Case
    seconds: dict[tuple[str, int], list[float]] = field(
        default_factory=lambda: defaultdict(list)
    )
    losses: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    gemm_rates: dict[int, list[float]] = field(
        default_factory=lambda: defaultdict(list)
    )

    busy_cores: list[float] = field(default_factory=list)

    def best_threads(self, contestant: str) -> int:
        """Return the number of threads with the lower median time."""
        counts = [n_threads for name, n_threads in self.seconds if name == contestant]
        return min(counts, key=lambda count: median(self.seconds[contestant, count]))

    def step_seconds(self, contestant: str) -> float:
        """Return the median seconds per step at the contestant's best."""
        best = self.best_threads(contestant)
        return median(self.seconds[contestant, best]) / self.case.n_steps

    def gemm_rate(self, n_threads: int) -> float:
        """Return the median over the repeats of the rate with so many threads."""
        return median(self.gemm_rates[n_threads])


def race(case: Case, names: Sequence[str], options: argparse.Namespace) -> CaseTimes:
    """Fit every contestant with every number of threads in every repeat."""
    X, y = arena.make_data(case)
    arena.warm_up(names, Job(case, X, y, device=options.device))
    times = CaseTimes(case)
    for repeat in range(options.repeats):
        job = Job(case, X, y, seed=repeat, device=options.device)
        times.busy_cores.append(arena.busy_cores())
        for n_threads in options.threads:
            with arena.thread_cap(n_threads):
                rate = arena.gemm_flops_per_second(options.device)
            times.gemm_rates[n_threads].append(rate)
        entries = [(name, n) for name in names for n in options.threads]
        for name, n_threads in arena.shuffled(entries, repeat):
            with arena.thread_cap(n_threads):
                seconds, score = arena.timed_fit(name, job)
            times.seconds[name, n_threads].append(seconds)
            if n_threads == options.threads[0]:
                times.losses[name].append(arena.reached_loss(score, job))
    return times


def figures_of(times: CaseTimes, names: Sequence[str]) -> list[dict[str, Any]]:
    """Return one record per contestant of a case."""
    highest = max(times.gemm_rate(n) for n in times.gemm_rates)
    ours_seconds = times.step_seconds("ours")
    ours_loss = mean(times.losses["ours"])
    records = []
    for name in names:
        best = times.best_threads(name)
        step_seconds = times.step_seconds(name)
        flops_per_second = times.case.flops_per_step / step_seconds
        records.append(
            {
                "case": times.case.name,
                "description": times.case.description,
                "contestant": name,
                "threads": best,
                "step_seconds": step_seconds,
                "time_to_ours": step_seconds / ours_seconds,
                "loss": mean(times.losses[name]),
                "loss_to_ours": mean(times.losses[name]) / ours_loss,
                "fraction_of_gemm_rate": flops_per_second / times.gemm_rate(best),
                "fraction_of_highest_gemm_rate": flops_per_second / highest,
                "fit_seconds": {
                    str(count): values
                    for (who, count), values in times.seconds.items()
                    if who == name
                },
                "losses": times.losses[name],
            }
        )
    return records


def table_of(records: Sequence[dict[str, Any]]) -> str:
    """Return the records as a Markdown table."""
    rows = [
        (
            record["case"],
            TITLES[record["contestant"]],
            str(record["threads"]),
            f"{record['step_seconds'] * 1e6:.1f}",
            f"{record['time_to_ours']:.2f}",
            f"{record['loss']:.4f}",
            f"{record['loss_to_ours']:.3f}",
            f"{record['fraction_of_gemm_rate']:.3f}",
            f"{record['fraction_of_highest_gemm_rate']:.3f}",
        )
        for record in records
    ]
    return arena.markdown_table(HEADERS, rows)


def rates_of(times: CaseTimes) -> dict[str, Any]:
    """Return a case's arithmetic and the rates measured beside its fits."""
    rates = {str(count): times.gemm_rate(count) for count in times.gemm_rates}
    return {
        "case": times.case.name,
        "description": times.case.description,
        "n_steps": times.case.n_steps,
        "flops_per_step": times.case.flops_per_step,
        "busy_cores": times.busy_cores,
        "gemm_flops_per_second": rates,
        "floor_seconds_per_step": {
            count: times.case.flops_per_step / rate for count, rate in rates.items()
        },
    }


def rates_line(rates: dict[str, Any]) -> str:
    """Return a case's arithmetic floor as one line."""
    floors = ", ".join(
        f"{seconds * 1e6:.1f} us at {rates['gemm_flops_per_second'][count] / 1e9:.0f} "
        f"GFLOP/s ({count} thread{'s' if count != '1' else ''})"
        for count, seconds in rates["floor_seconds_per_step"].items()
    )
    return (
        f"{rates['case']}: {rates['description']}; "
        f"{rates['flops_per_step'] / 1e6:.2f} MFLOP per step, floor {floors}; "
        f"other processes kept {max(rates['busy_cores']):.2f} cores busy"
    )


def compare_fits(options: argparse.Namespace) -> None:
    """Race the contestants over the cases, print the table and write the results."""
    names = ["ours", *options.peers]
    facts = arena.machine_facts(options.device)
    records: list[dict[str, Any]] = []
    rates: list[dict[str, Any]] = []
    text = ""
    for case in options.cases:
        times = race(case, names, options)
        records += figures_of(times, names)
        rates.append(rates_of(times))
        text = "\n\n".join(
            [
                "# Time of one fit",
                f"{arena.facts_line(facts)}, device {options.device}; medians of "
                f"{options.repeats} repeats",
                table_of(records),
                "\n".join(f"- {rates_line(entry)}" for entry in rates),
                *NOTES,
            ]
        )
        print(table_of(records[-len(names) :]), flush=True)
        if options.json:  # after every case: an interrupted run keeps what it has
            figures = {
                "machine": facts,
                "device": options.device,
                "repeats": options.repeats,
                "arithmetic": rates,
                "fits": records,
            }
            arena.write_results(options.json, figures, text)
    print("\n" + text)


def measure_under_load(options: argparse.Namespace) -> None:
    """Time short fits alone and beside as many busy processes as there are cores."""
    n_cores = arena.available_cores()
    facts = arena.machine_facts(options.device)
    jobs = {}
    for case in options.cases:
        X, y = arena.make_data(case)
        jobs[case.name] = Job(case, X, y, device=options.device)
    names = ["ours", *options.peers]
    entries = [
        (case.name, name, n_threads)
        for case in options.cases
        for name in names
        # Ours chooses for itself among all cores; peers do as they are told.
        for n_threads in ((n_cores,) if name == "ours" else sorted({1, n_cores}))
    ]
    arena.warm_up(names, next(iter(jobs.values())))
    seconds: dict[str, dict[tuple[str, str, int], list[float]]] = {
        "alone": defaultdict(list),
        "loaded": defaultdict(list),
    }
    busy = []
    for repeat in range(options.repeats):
        busy.append(arena.busy_cores())
        for situation, n_busy in (("alone", 0), ("loaded", n_cores)):
            with arena.busy_processes(n_busy):
                for entry in arena.shuffled(entries, repeat):
                    with arena.thread_cap(entry[2]):
                        taken, _ = arena.timed_fit(entry[1], jobs[entry[0]])
                    seconds[situation][entry].append(taken)
    records = [
        {
            "case": entry[0],
            "description": jobs[entry[0]].case.description,
            "contestant": entry[1],
            "thread_limit": entry[2],
            "alone_step_seconds": median(seconds["alone"][entry])
            / jobs[entry[0]].case.n_steps,
            "loaded_step_seconds": median(seconds["loaded"][entry])
            / jobs[entry[0]].case.n_steps,
        }
        for entry in entries
    ]
    report_load(records, {**facts, "busy_cores_at_most": round(max(busy), 2)}, options)


def report_load(
    records: Sequence[dict[str, Any]],
    facts: dict[str, Any],
    options: argparse.Namespace,
) -> None:
    """Print the slowdowns and write them."""
    rows = [
        (
            record["case"],
            TITLES[record["contestant"]],
            "auto" if record["contestant"] == "ours" else str(record["thread_limit"]),
            f"{record['alone_step_seconds'] * 1e6:.1f}",
            f"{record['loaded_step_seconds'] * 1e6:.1f}",
            f"{record['loaded_step_seconds'] / record['alone_step_seconds']:.1f}",
        )
        for record in records
    ]
    text = "\n\n".join(
        [
            "# One fit beside busy processes",
            f"{arena.facts_line(facts)}; medians of {options.repeats} repeats",
            arena.markdown_table(LOADED_HEADERS, rows),
            f"Median time per step, of fits cut to at most {LOADED_STEPS} steps. "
            "Loaded: one process per core multiplies matrices all the time. A peer on "
            "1 thread shows what sharing the cores costs by itself; what is beyond it "
            "is threads waiting for each other.",
        ]
    )
    print(text)
    if options.json:
        figures = {"machine": facts, "repeats": options.repeats, "fits": list(records)}
        arena.write_results(options.json, figures, text)


def parse_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the options with the cases looked up and, where quick, cut short."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arena.add_contest_options(parser, cases="a,b,c,d,e,f")
    arena.add_common_options(parser, n_repeats=5)
    parser.add_argument(
        "--peers",
        type=arena.one_of(PEERS),
        metavar="NAMES",
        help="comma list of peers (default all; with --loaded torch)",
    )
    parser.add_argument(
        "--loaded",
        action="store_true",
        help="compare fits alone with fits beside busy processes, all cores taken",
    )
    options = parser.parse_args(arguments)
    if options.peers is None:
        options.peers = ["torch"] if options.loaded else list(PEERS)
    complete = options.loaded or options.peers == list(PEERS)
    complete = complete and options.cases == list(CASES) and not options.quick
    if options.json is None and complete:
        name = "fit_speed_loaded" if options.loaded else "fit_speed"
        suffix = "" if options.device == "cpu" else f"_{options.device}"
        options.json = arena.RESULTS / f"{name}{suffix}.json"
    max_steps = LOADED_STEPS if options.loaded else None
    if options.quick:
        options.repeats, max_steps = 1, QUICK_STEPS
    cases = [CASES[name] for name in options.cases]
    options.cases = [case.shortened(max_steps) if max_steps else case for case in cases]
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark."""
    options = parse_options(arguments)
    if options.loaded:
        measure_under_load(options)
    else:
        compare_fits(options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
