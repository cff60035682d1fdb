"""Time of an ensemble beside one member and beside sequential MLPClassifier fits.

    python benchmarks/ensemble_speed.py
    python benchmarks/ensemble_speed.py --cases b --members 1,8,32
    python benchmarks/ensemble_speed.py --device cuda --members 1,4,16,64,256,1024

A second table times the largest ensemble with several block sizes, beside the size that
the engine chooses itself. Equal work as in fit_speed.py.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections import defaultdict
from collections.abc import Sequence
from statistics import mean, median
from typing import Any
from unittest import mock

import contestants as arena
from contestants import CASES, Job

QUICK_STEPS = 10
QUICK_MEMBERS = 4

HEADERS = (
    "case",
    "members",
    "threads",
    "seconds",
    "us per member and step",
    "time / one member",
    "MLPClassifier fits / ours",
    "loss",
)
BLOCK_HEADERS = ("case", "members", "block", "seconds", "time / automatic")
AUTOMATIC = "automatic"

NOTES = (
    "seconds: median of whole fits. MLPClassifier fits / ours: as many sequential "
    "MLPClassifier fits, each at the median time of one, against the one ensemble fit; "
    "both at their best number of threads. loss: mean over the seeds of the log-loss "
    "of the ensemble's probabilities on the training rows.",
    "block: the most members trained together before the next ones are begun.",
)


def block_size_limit(n_members: int | None) -> contextlib.AbstractContextManager[Any]:
    """Let the engine train at most `n_members` together; None is its own choice."""
    if n_members is None:
        return contextlib.nullcontext()
    from torch_binary_classifier.training import engine

    return mock.patch.object(engine, "block_size", return_value=n_members)


def time_members(name: str, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Time every ensemble and single MLPClassifier fits of a case, in turns."""
    case = options.case_by_name[name]
    X, y = arena.make_data(case)
    arena.warm_up(("ours", "sklearn"), Job(case, X, y, device=options.device))
    entries = [("ours", n) for n in options.members] + [("sklearn", 1)]
    entries = [(*entry, threads) for entry in entries for threads in options.threads]
    seconds: dict[tuple[str, int, int], list[float]] = defaultdict(list)
    losses: dict[int, list[float]] = defaultdict(list)
    for repeat in range(options.repeats):
        for entry in arena.shuffled(entries, repeat):
            contestant, n_members, threads = entry
            device = options.device if contestant == "ours" else "cpu"
            job = Job(case, X, y, seed=repeat, device=device, n_members=n_members)
            with arena.thread_cap(threads):
                taken, score = arena.timed_fit(contestant, job)
            seconds[entry].append(taken)
            if contestant == "ours" and threads == options.threads[0]:
                losses[n_members].append(arena.reached_loss(score, job))

    def best(contestant: str, n_members: int) -> tuple[float, int]:
        return min(
            (median(seconds[contestant, n_members, threads]), threads)
            for threads in options.threads
        )

    sklearn_seconds, sklearn_threads = best("sklearn", 1)
    one_member_seconds, _ = best("ours", 1)
    records = []
    for n_members in options.members:
        taken, threads = best("ours", n_members)
        records.append(
            {
                "case": name,
                "description": case.description,
                "n_members": n_members,
                "threads": threads,
                "seconds": taken,
                "member_step_seconds": taken / case.n_steps / n_members,
                "time_to_one_member": taken / one_member_seconds,
                "sklearn_fit_seconds": sklearn_seconds,
                "sklearn_threads": sklearn_threads,
                "sequential_sklearn_to_ours": n_members * sklearn_seconds / taken,
                "loss": mean(losses[n_members]),
                "fit_seconds": {
                    str(count): seconds["ours", n_members, count]
                    for count in options.threads
                },
            }
        )
    return records


def time_blocks(name: str, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Time the largest ensemble of a case with several block sizes, in turns."""
    case = options.case_by_name[name]
    n_members = max(options.members)
    X, y = arena.make_data(case)
    limits = [None, *(size for size in options.blocks if size <= n_members)]
    seconds: dict[int | None, list[float]] = defaultdict(list)
    for repeat in range(options.repeats):
        job = Job(case, X, y, seed=repeat, device=options.device, n_members=n_members)
        for limit in arena.shuffled(limits, repeat):
            with arena.thread_cap(max(options.threads)), block_size_limit(limit):
                seconds[limit].append(arena.timed_fit("ours", job)[0])
    automatic = median(seconds[None])
    return [
        {
            "case": name,
            "description": case.description,
            "n_members": n_members,
            "block": AUTOMATIC if limit is None else limit,
            "seconds": median(seconds[limit]),
            "time_to_automatic": median(seconds[limit]) / automatic,
            "fit_seconds": seconds[limit],
        }
        for limit in limits
    ]


def member_table(records: Sequence[dict[str, Any]]) -> str:
    """Return the ensembles' records as a Markdown table."""
    rows = [
        (
            record["case"],
            str(record["n_members"]),
            str(record["threads"]),
            f"{record['seconds']:.3f}",
            f"{record['member_step_seconds'] * 1e6:.2f}",
            f"{record['time_to_one_member']:.2f}",
            f"{record['sequential_sklearn_to_ours']:.1f}",
            f"{record['loss']:.4f}",
        )
        for record in records
    ]
    return arena.markdown_table(HEADERS, rows)


def block_table(records: Sequence[dict[str, Any]]) -> str:
    """Return the block sizes' records as a Markdown table and one line per case."""
    rows = [
        (
            record["case"],
            str(record["n_members"]),
            str(record["block"]),
            f"{record['seconds']:.3f}",
            f"{record['time_to_automatic']:.2f}",
        )
        for record in records
    ]
    lines = []
    for name in dict.fromkeys(record["case"] for record in records):
        own = [record for record in records if record["case"] == name]
        best = min(own, key=lambda record: record["seconds"])
        lines.append(
            f"- {name}: the automatic choice takes "
            f"{1 / best['time_to_automatic']:.2f} times the best, {best['block']}"
        )
    return "\n".join([arena.markdown_table(BLOCK_HEADERS, rows), "", *lines])


def compare_ensembles(options: argparse.Namespace) -> None:
    """Time the cases, print both tables and write the results."""
    facts = arena.machine_facts(options.device)
    members: list[dict[str, Any]] = []
    blocks: list[dict[str, Any]] = []
    text = ""
    for name in options.cases:
        members += time_members(name, options)
        if options.blocks:
            blocks += time_blocks(name, options)
        parts = [
            "# Time of an ensemble",
            f"{arena.facts_line(facts)}, device {options.device}; medians of "
            f"{options.repeats} repeats",
            member_table(members),
            *([block_table(blocks)] if blocks else []),
            "\n".join(
                f"- {case}: {options.case_by_name[case].description}"
                for case in options.cases
            ),
            *NOTES,
        ]
        text = "\n\n".join(parts)
        print(member_table([row for row in members if row["case"] == name]), flush=True)
        if options.json:  # after every case: an interrupted run keeps what it has
            figures = {
                "machine": facts,
                "device": options.device,
                "repeats": options.repeats,
                "ensembles": members,
                "blocks": blocks,
            }
            arena.write_results(options.json, figures, text)
    print("\n" + text)


def parse_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the options, cut short where quick."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arena.add_contest_options(parser, cases="b,c,d")
    arena.add_common_options(parser, n_repeats=5)
    parser.add_argument(
        "--members",
        type=arena.comma_integers,
        default=[1, 2, 4, 8, 16, 32],
        metavar="COUNTS",
        help="ensemble sizes; 1 is always among them (default 1,2,4,8,16,32)",
    )
    parser.add_argument(
        "--blocks",
        type=arena.comma_integers,
        default=[1, 2, 4, 8, 16, 32],
        metavar="SIZES",
        help="block sizes to try with the largest ensemble; an empty text tries none "
        "(default 1,2,4,8,16,32)",
    )
    options = parser.parse_args(arguments)
    options.members = sorted({1, *options.members})
    complete = options.cases == ["b", "c", "d"]
    if options.json is None and not options.quick and complete:
        suffix = "" if options.device == "cpu" else f"_{options.device}"
        options.json = arena.RESULTS / f"ensemble_speed{suffix}.json"
    cases = {name: CASES[name] for name in options.cases}
    if options.quick:
        options.repeats = 1
        options.members = [n for n in options.members if n <= QUICK_MEMBERS]
        cases = {name: case.shortened(QUICK_STEPS) for name, case in cases.items()}
    options.case_by_name = cases
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark."""
    compare_ensembles(parse_options(arguments))
    return 0


if __name__ == "__main__":
    sys.exit(main())
